"""Which calls are to be carried out: values, and what is heard of them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from streams.call_records import CallOrder, CallReceipts, Calls
from streams.records import Record

RETRY_S = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Between attempts to bring an order to its door; the last one again and again."""
REMEMBERED = 20_000
"""Calls of which is known that they are settled: what is said of them may come before they do."""


class CallBook:
    """Orders of which nothing was said yet. What is heard twice changes nothing."""

    def __init__(self) -> None:
        self._waiting: dict[str, CallOrder] = {}
        self._next_us: dict[str, int] = {}
        self._attempts: dict[str, int] = {}
        self._settled: dict[str, None] = {}
        self.too_late = 0
        """Orders whose deadline came before their door took them."""

    def __len__(self) -> int:
        return len(self._waiting)

    def hear(self, batches: Iterable[Record]) -> None:
        """Take orders, withdrawals and receipts from among what was made."""
        for batch in batches:
            if isinstance(batch, Calls):
                self.add(batch.orders)
                self._settle(batch.withdrawn)
            elif isinstance(batch, CallReceipts):
                self._settle(one.call_id for one in batch.receipts)

    def add(self, orders: Iterable[CallOrder]) -> None:
        """Take orders."""
        for one in orders:
            if one.call_id not in self._settled:
                self._waiting.setdefault(one.call_id, one)

    def due(self, now_us: int) -> list[CallOrder]:
        """Return what is to be carried out now, the oldest first; forget what comes too late for anybody."""
        for identity in [name for name, one in self._waiting.items() if one.deadline_us <= now_us]:
            self.too_late += 1
            self._settle([identity])
        return [one for name, one in self._waiting.items() if self._next_us.get(name, 0) <= now_us]

    def is_waiting(self, call_id: str) -> bool:
        """Return whether a call is still to be carried out."""
        return call_id in self._waiting

    def postpone(self, call_id: str, now_us: int) -> None:
        """Try again a while after a door could not be reached."""
        attempts = self._attempts.get(call_id, 0)
        self._attempts[call_id] = attempts + 1
        self._next_us[call_id] = now_us + round(RETRY_S[min(attempts, len(RETRY_S) - 1)] * 1e6)

    def _settle(self, call_ids: Iterable[str]) -> None:
        for identity in call_ids:
            for table in (self._waiting, self._next_us, self._attempts):
                table.pop(identity, None)
            self._settled[identity] = None
            if len(self._settled) > REMEMBERED:
                del self._settled[next(iter(self._settled))]
