"""A program as a channel: real processes."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from connectors.channels import configured
from connectors.channels.message import CallReceipt
from tests.connectors.channels.calls import NUMBER, channel, clock_us, message, quick
from tests.waiting import until


def program(folder: Path, script: str) -> dict[str, object]:
    path = folder / "page"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"kind": "command", "program": str(path)}


def is_gone(process: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return True


async def run(folder: Path, script: str, within_s: float = 20.0, **more: object) -> CallReceipt:
    async with channel({**program(folder, script), **more}) as one:
        return await one.send(message(within_s=within_s))


async def test_a_program_gets_the_message_at_its_input_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSWELL_SECRET_OF_TEST", "x")
    receipt = await run(
        tmp_path,
        f'cd {tmp_path}; cat > in; env > env; echo "$1" > args; echo $OLDPWD > cwd',
        arguments=["$(touch never); `id`"],
        environment={"PAGER": "7"},
    )
    assert (receipt.state, receipt.detail) == ("accepted", "")
    said = json.loads((tmp_path / "in").read_text())
    assert (said["call_id"], said["to"], said["level"]) == ("call-1", NUMBER, "red")
    environment = (tmp_path / "env").read_text()
    assert "PAGER=7" in environment
    assert "GROUNDSWELL_SECRET_OF_TEST" not in environment
    assert (tmp_path / "args").read_text() == "$(touch never); `id`\n"
    assert (tmp_path / "cwd").read_text() == "/\n"


async def test_what_it_prints_may_say_more(tmp_path):
    receipt = await run(tmp_path, """echo '{"state": "answered", "detail": "Li: on my way"}'""")
    assert (receipt.state, receipt.detail) == ("answered", "Li: on my way")


@pytest.mark.parametrize(
    "script", ['echo \'{"state": "fine"}\'', "echo '{'", "yes '{' | head -c 9000000", "echo ok"]
)
async def test_what_is_not_understood_is_still_taken(tmp_path, script):
    assert (await run(tmp_path, script)).state == "accepted"


async def test_a_status_is_a_refusal_and_75_asks_to_be_tried_again(tmp_path, monkeypatch):
    quick(monkeypatch)
    assert (await run(tmp_path, "exit 3")).detail == "the program ended with status 3"
    again = f"test -e {tmp_path}/once && exit 0; touch {tmp_path}/once; exit 75"
    assert (await run(tmp_path, again)).state == "accepted"


async def test_a_program_that_hangs_is_ended_with_all_that_it_began(tmp_path, monkeypatch):
    quick(monkeypatch)
    begun_us = clock_us()
    receipt = await run(tmp_path, f"sleep 100 & echo $! > {tmp_path}/child; sleep 100", within_s=1.0)
    assert receipt.state == "failed"
    assert clock_us() - begun_us < 10_000_000
    child = int((tmp_path / "child").read_text())
    try:
        await until(lambda: is_gone(child))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)


async def test_a_program_that_is_not_there_fails_in_words():
    async with channel({"kind": "command", "program": "/nowhere/page"}) as one:
        receipt = await one.send(message())
    assert receipt.state == "failed"
    assert "cannot be started" in receipt.detail


def test_a_relative_path_is_refused():
    with pytest.raises(ValueError, match="absolute path"):
        configured({"kind": "command", "program": "page"})
