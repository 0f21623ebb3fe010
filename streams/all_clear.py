"""Who was called about an alert hears when its hazard is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from streams.call_definitions import Contact
from streams.call_records import CallOrder, call_id
from streams.calling import MESSAGE_US
from streams.records import AlertTransition

Reached = dict[str, list[Contact]]
"""By person: the ways on which somebody was called."""


def note(reached: Reached, orders: Iterable[CallOrder]) -> None:
    """Note whom orders call."""
    for one in orders:
        ways = reached.setdefault(one.person, [])
        contact = Contact(channel=one.channel, to=one.to)
        if contact not in ways:
            ways.append(contact)


def all_clear(alert: AlertTransition, reached: Reached, turn: int, text: str) -> list[CallOrder]:
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
        for person, ways in reached.items()
        for number, contact in enumerate(ways)
    ]
