"""What an alert is: how it opens, gets worse, is acknowledged, and ends. Pure functions over values.

An alert is one event found by one rule about one subject. It opens when the detector begins, its level
rises at once and never falls while it lasts. Acknowledging says that a person has it in hand; it does not
end it. An alert closes when the hazard is over *and* somebody has answered: one that nobody answered stays
open although its hazard is over (a latched alarm, as in ISA-18.2), since it may have gone unseen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from sensors.detectors import LEVELS
from streams.records import AlertTransition, Command, Detection


def alert_id(rule: str, subject_id: str, onset_us: int) -> str:
    """Return the identity of an event: the same from every process, at every repetition."""
    text = f"{rule}\x00{subject_id}\x00{onset_us}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def advance(alert: AlertTransition | None, detection: Detection) -> AlertTransition | None:
    """Return the step that a detection makes of an alert; None: it changes nothing.

    Parameters
    ----------
    alert
        The newest step of the alert with the detection's identity; None when there is no such alert.
    detection
        Repetitions, and whatever comes after the closing, change nothing. A historic detection does not
        change an alert that calls people.
    """
    if alert is None:
        return None if detection.phase == "end" else _open(detection)
    over = alert.state == "closed" or alert.ended_at_us is not None
    if over or (detection.historic and not alert.historic):
        return None
    if detection.phase == "end":
        waits_for_an_answer = alert.state == "open" and not alert.historic
        return msgspec.structs.replace(
            alert,
            number=alert.number + 1,
            state="open" if waits_for_an_answer else "closed",
            at_us=detection.detected_at_us,
            change="ended" if waits_for_an_answer else "closed",
            ended_at_us=detection.detected_at_us,
            by="",
            comment="",
            evidence={**alert.evidence, "end": detection.evidence},
        )
    if LEVELS.index(detection.level) <= LEVELS.index(alert.level):
        return None
    return msgspec.structs.replace(
        alert,
        number=alert.number + 1,
        level=detection.level,
        title=detection.title,
        at_us=detection.detected_at_us,
        change="level",
        by="",
        comment="",
        evidence=detection.evidence,
    )


SHOWN_AFTER_ANSWER_US = 600_000_000
"""An alert whose hazard was over when it was answered stays for so long, so that others see the answer."""


def expire(alert: AlertTransition, now_us: int) -> AlertTransition | None:
    """Return the closing of an alert that is over and answered, when its time has come."""
    if alert.state != "acknowledged" or alert.ended_at_us is None:
        return None
    due_us = alert.at_us + SHOWN_AFTER_ANSWER_US
    return close(alert, due_us) if now_us >= due_us else None


def close(alert: AlertTransition, at_us: int) -> AlertTransition:
    """Return the closing step."""
    return msgspec.structs.replace(
        alert, number=alert.number + 1, state="closed", at_us=at_us, change="closed", by="", comment=""
    )


def hush(alert: AlertTransition, silence: str, at_us: int) -> AlertTransition:
    """Return the step of an alert that a silence covers from now on; empty: none does any more."""
    return msgspec.structs.replace(
        alert,
        number=alert.number + 1,
        at_us=at_us,
        change="silenced" if silence else "unsilenced",
        silenced=silence,
        by="",
        comment="",
    )


def _open(detection: Detection) -> AlertTransition:
    return AlertTransition(
        alert_id=alert_id(detection.detector, detection.subject_id, detection.onset_us),
        number=1,
        state="open",
        level=detection.level,
        rule=detection.detector,
        subject_id=detection.subject_id,
        title=detection.title,
        onset_us=detection.onset_us,
        opened_at_us=detection.detected_at_us,
        at_us=detection.detected_at_us,
        change="opened",
        evidence=detection.evidence,
        historic=detection.historic,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a command about an alert."""

    ok: bool
    message: str
    transition: AlertTransition | None = None


NAME_LIMIT = 200
COMMENT_LIMIT = 2000


def acknowledge(alert: AlertTransition | None, command: Command) -> Answer:
    """Return the answer to an acknowledgement; asking again is fine and changes nothing."""
    by = command.by.strip()
    comment = command.arguments.get("comment") or ""
    if not by:
        return Answer(False, "An acknowledgement needs a name: say in `by` who has the alert in hand.")
    if len(by) > NAME_LIMIT:
        return Answer(False, f"The name in `by` is too long: use at most {NAME_LIMIT} characters.")
    if not isinstance(comment, str) or len(comment) > COMMENT_LIMIT:
        return Answer(False, f"The comment must be text: use at most {COMMENT_LIMIT} characters.")
    if alert is None:
        return Answer(False, f"There is no alert {command.target[:64]!r}: look it up in the list of alerts.")
    if alert.state == "closed":
        return Answer(False, f"Alert {alert.alert_id} is closed: only an open alert can be acknowledged.")
    if alert.state == "acknowledged":
        return Answer(True, f"Alert {alert.alert_id} was acknowledged before.")
    transition = msgspec.structs.replace(
        alert,
        number=alert.number + 1,
        state="acknowledged",
        at_us=command.at_us,
        change="acknowledged",
        by=by,
        comment=comment,
    )
    return Answer(True, f"Alert {alert.alert_id} is acknowledged by {by}.", transition)
