"""Which steps of an alert's life are messages of the Common Alerting Protocol, and of which type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from streams.records import AlertTransition

MessageType = Literal["Alert", "Update", "Cancel", "Ack"]


class CapMessage(NamedTuple):
    """One step, as the public or other services are told of it."""

    type: MessageType
    step: AlertTransition


def messages(steps: Sequence[AlertTransition]) -> list[CapMessage]:
    """Return the messages of an alert, oldest first.

    What calls nobody is no message: an alert that was found in late data, and steps that a silence covers.
    When a silence ends, the alert is told as it then is. An alert is cancelled when its hazard is over;
    that it is closed after that is no news. An acknowledgement says that the message before was received.

    Parameters
    ----------
    steps
        All steps of one alert, oldest first.
    """
    told: list[CapMessage] = []
    hazard: CapMessage | None = None
    """The last of them that is no acknowledgement."""
    for step in steps:
        if step.historic or (
            hazard is not None and hazard.type == "Cancel" and step.change != "acknowledged"
        ):
            continue
        one: CapMessage | None = None
        if step.change in {"ended", "closed"}:
            if hazard is not None:
                one = CapMessage("Cancel", step)
        elif step.change == "acknowledged":
            if hazard is not None:
                told.append(CapMessage("Ack", step))
        elif not step.silenced and hazard is None:
            one = CapMessage("Alert", step)
        elif not step.silenced and hazard is not None and step.level != hazard.step.level:
            one = CapMessage("Update", step)
        if one is not None:
            hazard = one
            told.append(one)
    return told


def current(told: Sequence[CapMessage]) -> CapMessage | None:
    """Return the message that says how things are; None: there is none."""
    return next((one for one in reversed(told) if one.type != "Ack"), None)
