"""What is sent to one person over one channel, and what became of it. Times are microseconds of UTC."""

from __future__ import annotations

from typing import Literal

import msgspec

from sensors.detectors import Level

ReceiptState = Literal["accepted", "delivered", "answered", "refused", "failed"]
"""Taken on by the next one in line; arrived at the person's device; answered by a person; will not be taken,
however often it is tried; not brought in time."""


class CallMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one person about one alert."""

    call_id: str
    """The same at every repetition: by it gateways and receivers know what they have had before."""
    to: str
    """A mail address, a telephone number or a URL, as the channel has it."""
    subject: str
    text: str
    link: str
    """Where the alert is shown and answered; empty: nowhere."""
    level: Level
    alert_id: str
    deadline_us: int
    """Nothing is tried after it."""

    def __repr__(self) -> str:
        return f"CallMessage({self.call_id})"  # whom it goes to, and what it says, belongs in no log


class CallReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message. Several may come: accepted, then delivered, then answered."""

    call_id: str
    state: ReceiptState
    at_us: int
    detail: str = ""
    """In words, without the address."""
