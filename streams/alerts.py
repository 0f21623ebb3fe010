"""What an alert is: how it opens, gets worse, is acknowledged, and ends. Pure functions over values.

An alert is one event found by one rule about one subject. It opens when the detector begins. Its level rises
at once; it falls only where a plan lets it (`streams.easing`), and from red only by a person. Where people
have to be asked about a level first, the alert stands below it meanwhile (`propose`). Acknowledging says that
a person has it in hand; it does not end it. An alert closes when the hazard is over *and* somebody has
answered: one that nobody answered stays open although its hazard is over (a latched alarm, as in ISA-18.2),
since it may have gone unseen. A comment is a step that changes nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from sensors.detectors import LEVELS, Level
from streams.call_definitions import Consultation
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
        waits_for_an_answer = alert.state in WAITING and not alert.historic
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
            proposed=None,
            decide_until_us=None,
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


WAITING = frozenset({"open", "consultation"})
"""States in which nobody has answered."""
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
        alert,
        number=alert.number + 1,
        state="closed",
        at_us=at_us,
        change="closed",
        by="",
        comment="",
        proposed=None,
        decide_until_us=None,
    )


def propose(
    before: AlertTransition | None, step: AlertTransition, consultation: Consultation
) -> AlertTransition | None:
    """Return a step that raises a level as one that asks people first; None: they are asked already.

    A step about which nobody has to be asked is returned as it is.
    """
    is_rise = step.change in {"opened", "level"} and not step.historic
    if not is_rise or LEVELS.index(step.level) < LEVELS.index(consultation.level):
        return step
    asked = None if before is None else before.proposed
    if asked is not None and LEVELS.index(step.level) <= LEVELS.index(asked):
        return None
    held = LEVELS[LEVELS.index(consultation.level) - 1]
    until_us = None if before is None else before.decide_until_us
    return msgspec.structs.replace(
        step,
        state="consultation" if step.state == "open" else step.state,
        change="opened" if before is None else "consultation",
        level=held if before is None else max(before.level, held, key=LEVELS.index),
        proposed=step.level,
        decide_until_us=until_us or step.at_us + round(consultation.deadline_s * 1e6),
    )


def decide(
    alert: AlertTransition, at_us: int, by: str, comment: str, *, is_confirmed: bool
) -> AlertTransition:
    """Return the step that ends a consultation."""
    assert alert.proposed is not None
    return msgspec.structs.replace(
        alert,
        number=alert.number + 1,
        state="open" if alert.state == "consultation" else alert.state,
        level=alert.proposed if is_confirmed else alert.level,
        at_us=at_us,
        change="level" if is_confirmed else "declined",
        by=by,
        comment=comment,
        proposed=None,
        decide_until_us=None,
    )


def fall(
    alert: AlertTransition, level: Level, at_us: int, by: str = "", comment: str = ""
) -> AlertTransition:
    """Return the step to a lower level."""
    return msgspec.structs.replace(
        alert, number=alert.number + 1, level=level, at_us=at_us, change="level", by=by, comment=comment
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
MOST_STEPS = 200
"""An alert with so many takes no more comments: each step is kept with all that is known of the alert."""


def acknowledge(alert: AlertTransition | None, command: Command) -> Answer:
    """Return the answer to an acknowledgement; asking again is fine and changes nothing."""
    if (why := unfit(alert, command, "acknowledged")) is not None:
        return Answer(False, why)
    assert alert is not None
    by, comment = said(command)
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


def comment(alert: AlertTransition | None, command: Command) -> Answer:
    """Return the answer to who says something about an alert; what was just said is not said twice."""
    if (why := unfit(alert, command, "commented on")) is not None:
        return Answer(False, why)
    assert alert is not None
    by, text = said(command)
    if not text.strip():
        return Answer(False, "There is no comment: write one.")
    if alert.change == "commented" and (alert.by, alert.comment, alert.at_us) == (by, text, command.at_us):
        return Answer(True, f"The comment on alert {alert.alert_id} was noted before.")
    if alert.number >= MOST_STEPS:
        return Answer(False, f"Alert {alert.alert_id} has {MOST_STEPS} steps and takes no more comments.")
    step = msgspec.structs.replace(
        alert, number=alert.number + 1, at_us=command.at_us, change="commented", by=by, comment=text
    )
    return Answer(True, f"The comment on alert {alert.alert_id} is noted.", step)


def lower(alert: AlertTransition | None, command: Command) -> Answer:
    """Return the answer to a person who lowers a level, which red needs."""
    if (why := unfit(alert, command, "lowered")) is not None:
        return Answer(False, why)
    assert alert is not None
    level = command.arguments.get("level")
    if level not in LEVELS:
        return Answer(False, f"There is no level {str(level)[:20]!r}: choose one of {', '.join(LEVELS)}.")
    if level == alert.level:
        return Answer(True, f"Alert {alert.alert_id} is {level} already.")
    if LEVELS.index(level) > LEVELS.index(alert.level):
        return Answer(False, f"Alert {alert.alert_id} is {alert.level}: it can be lowered and not raised.")
    by, comment = said(command)
    step = fall(alert, level, command.at_us, by, comment)
    return Answer(True, f"Alert {alert.alert_id} is {level} now.", step)


def said(command: Command) -> tuple[str, str]:
    """Return who says something, and the comment."""
    return command.by.strip(), command.arguments.get("comment") or ""


def unfit(alert: AlertTransition | None, command: Command, done: str) -> str | None:
    """Return why nothing can be done about an alert, in a sentence; None: it can.

    Parameters
    ----------
    done
        What is asked for, as a participle.
    """
    by, comment = said(command)
    if not by:
        return "This needs a name: say in `by` who does it."
    if len(by) > NAME_LIMIT:
        return f"The name in `by` is too long: use at most {NAME_LIMIT} characters."
    if not isinstance(comment, str) or len(comment) > COMMENT_LIMIT:
        return f"The comment must be text: use at most {COMMENT_LIMIT} characters."
    if alert is None:
        return f"There is no alert {command.target[:64]!r}: look it up in the list of alerts."
    if alert.state == "closed":
        return f"Alert {alert.alert_id} is closed: only an open alert can be {done}."
    return None
