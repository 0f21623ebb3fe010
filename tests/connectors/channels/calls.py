"""What tests of channels share: a message, a clock that goes with the real one, and a channel for a while."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.channels import Surroundings, attempts, configured
from connectors.channels.message import CallMessage

NUMBER = "+8613812345678"


def clock_us() -> int:
    return time.time_ns() // 1000


def message(*, within_s: float = 20.0, **changes: Any) -> CallMessage:
    values: dict[str, Any] = {
        "call_id": "call-1",
        "to": NUMBER,
        "subject": "Water at the bridge",
        "text": "4.2 m, 0.3 m over the mark.",
        "link": "https://warn.example.org/a/1",
        "level": "red",
        "alert_id": "a1",
        "deadline_us": clock_us() + int(within_s * 1e6),
    }
    return CallMessage(**{**values, **changes})


@contextlib.asynccontextmanager
async def channel(entry: dict[str, Any], public_url: str = "") -> AsyncIterator[Any]:
    one = configured(entry).channel("sms1", Surroundings(clock_us, public_url))
    try:
        yield one
    finally:
        await one.close()


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "DELAYS_S", (0.01,))
