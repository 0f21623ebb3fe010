"""Messages that could not be read or judged: parked as they were, with the reason, to be sent anew."""

from __future__ import annotations

from dataclasses import dataclass

from streams.kafka.origin import Headers
from streams.kafka.output import Message
from streams.topics import DEAD_LETTERS

_REASON_BYTES = 1000
_AGAIN = ("again", b"1")
"""Header of a message that is sent anew."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked message and where it came from."""

    topic: str
    """Its name at the broker."""
    partition: int
    offset: int
    group: str
    """Who could not take it."""
    reason: str
    value: bytes

    def message(self, prefix: str) -> Message:
        """Return what is sent to the dead letters."""
        headers = [
            ("topic", self.topic.encode()),
            ("partition", b"%d" % self.partition),
            ("offset", b"%d" % self.offset),
            ("group", self.group.encode()),
            ("reason", self.reason.encode()[:_REASON_BYTES]),
        ]
        return Message(prefix + DEAD_LETTERS.name, 0, self.value, headers)

    def again(self) -> Message:
        """Return what is sent to where it came from, to be tried again."""
        return Message(self.topic, self.partition, self.value, [_AGAIN])


def is_again(headers: Headers) -> bool:
    """Return whether a message was parked, and is sent anew: it is no repetition then."""
    return dict(headers).get(_AGAIN[0]) == _AGAIN[1]


def dead_letter(value: bytes, headers: Headers) -> DeadLetter | None:
    """Return a parked message; None when its headers do not tell where it came from."""
    found = dict(headers)
    try:
        return DeadLetter(
            found["topic"].decode(),
            int(found["partition"]),
            int(found["offset"]),
            found["group"].decode(),
            found["reason"].decode(errors="replace"),
            value,
        )
    except (KeyError, ValueError):
        return None
