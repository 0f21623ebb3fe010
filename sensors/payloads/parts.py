"""Messages that come in several packets, until they are whole; bounded."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

MOST_MESSAGES = 1_000
MOST_BYTES = 8_000_000
LONGEST_US = 3_600_000_000
"""A packet that lets wait for longer will not come."""


@dataclass(slots=True)
class _Waiting:
    total: int
    since_us: int
    packets: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.packets.values()))


class Parts:
    """Packets of messages that are not whole yet, the oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Waiting] = {}
        self._bytes = 0
        self._lost = 0

    def add(self, key: Hashable, total: int, number: int, packet: bytes, now_us: int) -> bytes | None:
        """Take a packet; return the message that it makes whole.

        Parameters
        ----------
        key
            Of the message: who sends it, and what it is.
        total, number
            How many packets it has, and which one this is, from 1.
        packet
            What it brings.
        now_us
            When it came.
        """
        one = self._waiting.get(key)
        if one is None or one.total != total:
            self._drop(key)
            one = self._waiting[key] = _Waiting(total, now_us)
        self._bytes += len(packet) - len(one.packets.get(number, b""))
        one.packets[number] = packet
        if len(one.packets) == total:
            self._bytes -= one.size
            del self._waiting[key]
            return b"".join(one.packets[i] for i in sorted(one.packets))
        while self._waiting:
            oldest, first = next(iter(self._waiting.items()))
            old = now_us - first.since_us > LONGEST_US
            if not (old or self._bytes > MOST_BYTES or len(self._waiting) > MOST_MESSAGES):
                break
            self._drop(oldest)
        return None

    def take_lost(self) -> int:
        """Return how many messages were given up since this was called last."""
        lost, self._lost = self._lost, 0
        return lost

    def _drop(self, key: Hashable) -> None:
        one = self._waiting.pop(key, None)
        if one is not None:
            self._bytes -= one.size
            self._lost += 1
