"""What travels about calls and answers, and about series that say nothing; as `streams.records`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from streams.records import LevelName, Record, TimeUs

Purpose = Literal["call", "message", "consultation"]
"""A call waits for an answer, a message does not; a consultation asks whether a level is to be raised."""
ReceiptState = Literal["accepted", "delivered", "answered", "refused", "failed"]
AnswerName = Literal["acknowledged", "refused", "unreachable", "confirmed", "declined"]
Detail = Annotated[str, msgspec.Meta(max_length=500)]
Ids = Annotated[list[str], msgspec.Meta(max_length=100)]


class CallOrder(Record, frozen=True, kw_only=True):
    """One attempt to reach a person on one channel. Key: call_id, which is the same at every repetition.

    `answered` of a call means that the person has the alert in hand, of a consultation that the person
    confirms; `refused` that the person does not take it, or declines.
    """

    call_id: str
    alert_id: str
    """The alert that began the calling."""
    also: Ids = []
    """Other alerts that the same answer is for."""
    subject_id: str
    level: LevelName
    turn: int
    """How often calling about the alert has begun, from 1."""
    step: int
    """Of the plan, from 1."""
    purpose: Purpose
    person: str
    channel: str
    to: str
    """A personal address: for the channel, for nobody's log."""
    text: str
    at_us: TimeUs
    deadline_us: TimeUs
    """Until when it makes sense to reach the person; then others have been called."""
    link: str = ""
    """Where the person answers; set where the order is carried out."""

    @property
    def alert_ids(self) -> list[str]:
        """All alerts that it is about."""
        return [self.alert_id, *self.also]


class CallAnswer(Record, frozen=True, kw_only=True):
    """How it ended with one person. Key: alert_id, turn, step, person, purpose."""

    alert_id: str
    turn: int
    step: int
    purpose: Purpose
    person: str
    answer: AnswerName
    subject_id: str
    site: str
    level: LevelName
    called_us: TimeUs
    at_us: TimeUs
    deadline_us: TimeUs


class Calls(Record, frozen=True, kw_only=True, tag="calls"):
    """What is to be done and how it ended, in order."""

    orders: list[CallOrder] = []
    answers: list[CallAnswer] = []
    withdrawn: list[str] = []
    """Ids of calls that are not needed any more: who has not been reached by them is not to be."""


class CallReceipt(Record, frozen=True, kw_only=True):
    """What a channel, or the person, says of a call. Key: call_id, state."""

    call_id: str
    alert_ids: Annotated[list[str], msgspec.Meta(max_length=101)]
    """Of the order."""
    purpose: Purpose
    person: str
    state: ReceiptState
    at_us: TimeUs
    detail: Detail = ""

    @classmethod
    def of(cls, order: CallOrder, state: ReceiptState, at_us: int, detail: str = "") -> CallReceipt:
        """Return what is said of an order."""
        return cls(
            call_id=order.call_id,
            alert_ids=order.alert_ids,
            purpose=order.purpose,
            person=order.person,
            state=state,
            at_us=at_us,
            detail=detail[:500],
        )


class CallReceipts(Record, frozen=True, kw_only=True, tag="call_receipts"):
    """Receipts in the order of arrival."""

    receipts: list[CallReceipt]


class SeriesPresence(Record, frozen=True, kw_only=True):
    """A series that promised a period says nothing any more, or speaks again. Key: datastream_id, at_us."""

    datastream_id: str
    name: str
    is_silent: bool
    heard_us: TimeUs
    """When it was heard last."""
    at_us: TimeUs
    """When its time was over, or when it was heard again."""
    within_s: float
    """It was to be heard within so long: period and grace."""
    level: LevelName
    gateway: str
    """Behind which it is; empty: behind none."""


class Presences(Record, frozen=True, kw_only=True, tag="presences"):
    """Changes in order."""

    presences: list[SeriesPresence]


class Resumed(Record, frozen=True, kw_only=True, tag="resumed"):
    """The program begins again: nobody listened before, so that nobody can have been silent."""

    now_us: TimeUs


CallBatch = Calls | CallReceipts | Presences | Resumed


def call_id(alert_id: str, turn: int, step: int, person: str, channel: str, number: int) -> str:
    """Return the identity of an attempt; `number` tells a person's addresses of one channel apart."""
    text = "\x00".join((alert_id, str(turn), str(step), person, channel, str(number)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
