"""Attempts on a clock of their own."""

from __future__ import annotations

import asyncio

import pytest

from connectors.channels import attempts
from connectors.channels.attempts import Attempts, Outcome, Retry
from connectors.channels.message import CallMessage
from tests.connectors.channels.calls import clock_us, message


async def refuse_then_hang(answers: list[str], _message: CallMessage) -> Outcome | Retry:
    if answers:
        return Retry(answers.pop(0))
    await asyncio.sleep(60)
    return Outcome("accepted")


@pytest.mark.parametrize(
    ("answers", "detail"), [(["no certificate"], "no certificate"), ([], "no answer within")]
)
async def test_what_an_attempt_said_outlasts_one_that_the_deadline_cut(monkeypatch, answers, detail):
    monkeypatch.setattr(attempts, "DELAYS_S", (0.01,))

    async def once(one: CallMessage) -> Outcome | Retry:
        return await refuse_then_hang(answers, one)

    tried = Attempts("sms1", once, clock_us, places=1, timeout_s=30)
    receipt = await tried.send(message(within_s=0.3))
    assert receipt.state == "failed"
    assert receipt.detail.startswith(detail)
