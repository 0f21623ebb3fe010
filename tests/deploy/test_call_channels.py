"""Calls by the channels of a configuration: a real program is called, and a gateway's word comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.channels import message as sent
from deploy.call_channels import callbacks_of, channels_of, doors_of
from deploy.clock import wall_clock_us
from deploy.settings_file import load
from storage.store import StorageError
from streams.call_records import CallOrder, CallReceipt, CallReceipts
from tests.streams.calls import order

CONFIG = """
[channels.pager]
kind = "command"
program = "{program}"
"""


async def test_a_call_goes_to_the_channel_of_its_name(tmp_path: Path) -> None:
    program, config = tmp_path / "page", tmp_path / "groundswell.toml"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/in\n")
    program.chmod(0o755)
    config.write_text(CONFIG.format(program=program))
    now_us = wall_clock_us()
    text, until_us = "Slope moves\nLook at once.", now_us + 20_000_000
    one = order(channel="pager", text=text, at_us=now_us, deadline_us=until_us)
    async with channels_of(load(config)) as channels:
        doors = doors_of(channels)
        assert list(doors) == ["pager"]
        receipt = await doors["pager"].send(one)
        assert callbacks_of(channels, Known({}), Sink()) is None  # nobody calls back for a program
    assert (receipt.call_id, receipt.state, receipt.person) == (one.call_id, "accepted", one.person)
    said = json.loads((tmp_path / "in").read_text())
    assert (said["call_id"], said["to"], said["subject"]) == (one.call_id, one.to, "Slope moves")
    assert said["text"] == one.text


class Known:
    def __init__(self, calls: dict[str, CallOrder], is_away: bool = False) -> None:
        self.calls, self.is_away = calls, is_away

    def call(self, call_id: str) -> CallOrder | None:
        if self.is_away:
            raise StorageError("away")
        return self.calls.get(call_id)


class Sink:
    def __init__(self) -> None:
        self.taken: list[CallReceipt] = []

    async def put_receipts(self, batch: CallReceipts) -> None:
        self.taken += batch.receipts


class Gateway:
    """A channel whose gateway calls back."""

    async def send(self, message: sent.CallMessage) -> sent.CallReceipt:
        raise NotImplementedError

    async def close(self) -> None: ...

    def receipt(self, *_: object) -> sent.CallReceipt:
        raise NotImplementedError


async def test_what_a_gateway_says_is_said_of_the_order() -> None:
    one, sink = order(), Sink()
    callbacks = callbacks_of({"sms": Gateway()}, Known({one.call_id: one}), sink, lambda: 1000)
    assert callbacks is not None
    await callbacks.take(
        sent.CallReceipt(call_id=one.call_id, state="delivered", at_us=5000, detail=f"at {one.to}")
    )
    (receipt,) = sink.taken
    assert receipt == CallReceipt.of(one, "delivered", 1000, "at ...")


async def test_a_gateway_tries_again_where_the_call_is_not_known_or_the_store_is_away() -> None:
    said = sent.CallReceipt(call_id="x", state="delivered", at_us=1)
    for known in (Known({}), Known({}, is_away=True)):
        callbacks = callbacks_of({"sms": Gateway()}, known, Sink())
        assert callbacks is not None
        with pytest.raises(TimeoutError):
            await callbacks.take(said)
