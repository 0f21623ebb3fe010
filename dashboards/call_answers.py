"""What the API says of calls and answers, and how it is made. Addresses are coarse without the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from dashboards.answers import Answer, Time
from dashboards.present import time_of
from storage.rows import CallRow
from streams.call_records import AnswerName, CallAnswer, CallReceipt, Purpose, ReceiptState
from streams.records import LevelName, ObjectKind


class ReceiptAnswer(Answer, frozen=True, kw_only=True):
    """What a channel, or the person, said of a call."""

    state: ReceiptState
    at: Time
    detail: str


class CallEntry(Answer, frozen=True, kw_only=True):
    """One attempt to reach a person about an alert."""

    call_id: str
    person: str
    channel: str
    to: str
    """The address; without the write token only so much that it can be told from others."""
    purpose: Purpose
    level: LevelName
    turn: int
    step: int
    at: Time
    deadline: Time
    withdrawn: bool
    """It was not needed any more."""
    text: str
    receipts: list[ReceiptAnswer]


class PersonAnswer(Answer, frozen=True, kw_only=True):
    """How calling ended with one person."""

    person: str
    answer: AnswerName
    purpose: Purpose
    level: LevelName
    turn: int
    step: int
    called_at: Time
    at: Time
    deadline: Time
    seconds: float
    """From the call to the answer, or until it was given up."""


class AlertCalls(Answer, frozen=True, kw_only=True):
    """All calls about an alert, the oldest first, and how they ended."""

    calls: list[CallEntry]
    answers: list[PersonAnswer]


class DutyAnswer(Answer, frozen=True, kw_only=True):
    """Who is on duty, in the order in which they are called."""

    at: Time
    persons: list[str]


class LowerBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level to which a person lowers an alert."""

    level: LevelName
    by: str = ""
    """Who does it, where nobody is known by account or token."""
    comment: str = ""


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says in a consultation."""

    answer: Literal["confirm", "decline"]
    by: str = ""
    """One of the persons whom the plan names; with an account or token it is that one's name."""
    comment: str = ""


class ReceiptBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider tells of a call."""

    state: ReceiptState
    detail: Annotated[str, msgspec.Meta(max_length=500)] = ""


def call(row: CallRow, *, is_whole: bool) -> CallEntry:
    """Return a call as it is sent."""
    one = row.order
    return CallEntry(
        call_id=one.call_id,
        person=one.person,
        channel=one.channel,
        to=one.to if is_whole else coarse(one.to),
        purpose=one.purpose,
        level=one.level,
        turn=one.turn,
        step=one.step,
        at=time_of(one.at_us),
        deadline=time_of(one.deadline_us),
        withdrawn=row.is_withdrawn,
        text=one.text,
        receipts=[receipt(said) for said in row.receipts],
    )


def receipt(one: CallReceipt) -> ReceiptAnswer:
    """Return a receipt as it is sent."""
    return ReceiptAnswer(state=one.state, at=time_of(one.at_us), detail=one.detail)


def person_answer(one: CallAnswer) -> PersonAnswer:
    """Return how it ended with a person, as it is sent."""
    return PersonAnswer(
        person=one.person,
        answer=one.answer,
        purpose=one.purpose,
        level=one.level,
        turn=one.turn,
        step=one.step,
        called_at=time_of(one.called_us),
        at=time_of(one.at_us),
        deadline=time_of(one.deadline_us),
        seconds=round((one.at_us - one.called_us) * 1e-6, 3),
    )


def coarse(address: str) -> str:
    """Return so little of an address that nobody can be reached by it: its last two characters.

    Of a mail address the domain's last label, of a URL nothing: they have no secret that is short.
    """
    if "://" in address:
        return "..."
    if "@" in address:
        return f"...@...{address[address.rfind('.') :]}" if "." in address.partition("@")[2] else "...@..."
    return f"...{address[-2:]}" if len(address) > 4 else "..."


def without_addresses(kind: ObjectKind, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a definition as who may not change it is shown it."""
    if values is None or kind != "person":
        return None if values is None else dict(values)
    contacts = [{**one, "to": coarse(str(one.get("to", "")))} for one in values.get("contacts", ())]
    return {**values, "contacts": contacts}
