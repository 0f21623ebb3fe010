"""Alerts from before a bridge began: the other side keeps and shows them, and hardly anybody is called."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams import codec
from streams.kafka.origin import Origins, origin_of
from streams.kafka.reader import Read
from streams.records import AlertTransitions

OPEN_REMEMBERED = 25_000
"""Alerts that are not closed; of more, that one is taken for over that was heard longest ago."""


class History:
    """Makes historic what is told late, all but the last step of each alert that is still open.

    Parameters
    ----------
    end
        Offset in the topic of alerts behind the last message of before; 0: `note` finds it out.
    """

    def __init__(self, end: int = 0) -> None:
        self.end = end
        self._is_known = end > 0
        self._last: dict[str, int] = {}
        """Number of the last step, by alert that is open."""
        self._origins = Origins()

    def note(self, read: Sequence[Read]) -> None:
        """Take the messages of before, the oldest first, to know which alerts are open."""
        for one in read:
            if self._is_known and one.offset >= self.end:
                return
            self.end = max(self.end, one.offset + 1)
            if not self._origins.is_new(origin_of(one.headers)):
                continue
            try:
                batch = codec.decode(one.value)
            except codec.CodecError:  # it is counted when it goes over
                continue
            if isinstance(batch, AlertTransitions):
                self._note(batch)

    def marked(self, batch: AlertTransitions) -> tuple[AlertTransitions, int]:
        """Return a message of before as it goes over, and of how many of its steps nobody hears any more."""
        steps = [
            one
            if one.historic or self._last.get(one.alert_id) == one.number
            else msgspec.structs.replace(one, historic=True)
            for one in batch.transitions
        ]
        changed = sum(a is not b for a, b in zip(steps, batch.transitions, strict=True))
        return AlertTransitions(transitions=steps), changed

    def _note(self, batch: AlertTransitions) -> None:
        for one in batch.transitions:
            before = self._last.pop(one.alert_id, 0)
            if one.state == "closed":
                continue
            self._last[one.alert_id] = max(before, one.number)
            if len(self._last) > OPEN_REMEMBERED:
                del self._last[next(iter(self._last))]
