"""Who was called about an alert hears when its hazard is over; of a group, when the last one is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streams.call_definitions import Contact
from streams.call_records import CallOrder, call_id
from streams.calling import MESSAGE_US
from streams.records import AlertTransition

Reached = dict[str, list[Contact]]
"""By person: the ways on which somebody was called."""
_MARK = b"told:"


class Told(msgspec.Struct):
    """Who is to hear of the end of one alert."""

    alert_id: str
    group: str = ""
    """The calling that it came to; of those of one, the last one that is over is told."""
    reached: Reached = {}
    over_before: int = 0
    """Others of its group whose end nobody has heard of."""


class Ends:
    """Of alerts that last: whom to tell when they are over."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._together: dict[str, dict[str, None]] = {}
        """Alerts by group."""

    def join(self, alert_id: str, group: str) -> None:
        """Note to which calling an alert belongs."""
        told = self._told.get(alert_id) or Told(alert_id)
        if told.group != group:
            self._part(told)
            told.group = group
            self._told.pop(alert_id, None)  # both in the order of joining, which a snapshot keeps
            self._told[alert_id] = told
            self._together.setdefault(group, {})[alert_id] = None

    def note(self, alert_id: str, order: CallOrder) -> None:
        """Note that somebody is called about an alert."""
        told = self._told.setdefault(alert_id, Told(alert_id))
        ways = told.reached.setdefault(order.person, [])
        contact = Contact(channel=order.channel, to=order.to)
        if contact not in ways:
            ways.append(contact)

    def over(self, alert_id: str) -> Told | None:
        """Take that the hazard of an alert is over; return whom to tell now, None: nobody."""
        told = self._told.pop(alert_id, None)
        if told is None:
            return None
        self._part(told)
        others = self._together.get(told.group)
        if not told.reached or not others:
            return told if told.reached else None
        other = self._told[next(iter(others))]
        for person, ways in told.reached.items():
            theirs = other.reached.setdefault(person, [])
            theirs += [way for way in ways if way not in theirs]
        other.over_before += 1 + told.over_before
        return None

    def snapshot(self) -> Iterator[bytes]:
        """Yield pieces of a snapshot."""
        for told in self._told.values():
            yield _MARK + msgspec.msgpack.encode(told)

    def restored(self, piece: bytes) -> bool:
        """Take back what `snapshot` gave; False: the piece is something else."""
        if not piece.startswith(_MARK):
            return False
        told = msgspec.msgpack.decode(piece[len(_MARK) :], type=Told)
        self._told[told.alert_id] = told
        if told.group:
            self._together.setdefault(told.group, {})[told.alert_id] = None
        return True

    def clear(self) -> None:
        """Forget all."""
        self._told.clear()
        self._together.clear()

    def _part(self, told: Told) -> None:
        others = self._together.get(told.group, {})
        others.pop(told.alert_id, None)
        if not others:
            self._together.pop(told.group, None)


def all_clear(alert: AlertTransition, told: Told, turn: int, text: str) -> list[CallOrder]:
    """Return a message to each who was called, on each way on which that was.

    Parameters
    ----------
    alert
        The step by which it is over.
    turn
        Of the alert, that no calling has had.
    """
    return [
        CallOrder(
            call_id=call_id(alert.alert_id, turn, 1, person, contact.channel, number),
            alert_id=alert.alert_id,
            subject_id=alert.subject_id,
            level=alert.level,
            turn=turn,
            step=1,
            purpose="message",
            person=person,
            channel=contact.channel,
            to=contact.to,
            text=text,
            at_us=alert.at_us,
            deadline_us=alert.at_us + MESSAGE_US,
        )
        for person, ways in told.reached.items()
        for number, contact in enumerate(ways)
    ]
