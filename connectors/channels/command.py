"""A program of the operator's own: it gets the message as JSON at its standard input, without a shell.

Its exit status says what became of it (sysexits.h): 0 taken, 75 (EX_TEMPFAIL) try again, any other refused.
A JSON object at its standard output may say more: `{"state": "answered", "detail": "..."}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from connectors.channels import Surroundings, register
from connectors.channels.attempts import Attempts, Outcome, Retry
from connectors.channels.message import CallMessage, CallReceipt, ReceiptState

TRY_AGAIN = 75
MOST_OUTPUT_BYTES = 65_536


class CommandConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "command"`."""

    program: str
    """An absolute path."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    """All that it gets of one, besides PATH and LANG."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    places: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """That run at one time."""

    def __post_init__(self) -> None:
        if not Path(self.program).is_absolute():
            raise ValueError("program must be an absolute path, for instance /usr/local/bin/page-somebody")

    def __repr__(self) -> str:
        return "CommandConfig"

    def channel(self, name: str, around: Surroundings) -> Command:
        """Return the channel."""
        return Command(name, self, around.clock_us)


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    state: ReceiptState = "accepted"
    detail: str = ""


class Command:
    """A channel over a program."""

    def __init__(self, name: str, config: CommandConfig, clock_us: Callable[[], int]) -> None:
        self._config = config
        self._attempts = Attempts(name, self._once, clock_us, config.places, config.timeout_s)

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what the program said."""
        return await self._attempts.send(message)

    async def close(self) -> None:
        """Nothing stays open: a send that is cancelled ends its program."""

    async def _once(self, message: CallMessage) -> Outcome | Retry:
        config = self._config
        try:
            process = await asyncio.create_subprocess_exec(
                config.program,
                *config.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", **config.environment},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return Outcome("failed", f"the program cannot be started: {error.strerror}")
        try:
            said = await _talked(process, msgspec.json.encode(message))
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and whatever it has begun
                await process.wait()
        if process.returncode == TRY_AGAIN:
            return Retry("the program asks to be tried again")
        if process.returncode != 0:
            return Outcome("refused", f"the program ended with status {process.returncode}")
        return _understood(said)


async def _talked(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    """Give a program its input; return the begin of its output, at its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read
        process.stdin.write(given)
        await process.stdin.drain()
    process.stdin.close()
    said = bytearray()
    while piece := await process.stdout.read(4096):
        if len(said) < MOST_OUTPUT_BYTES:
            said += piece
    await process.wait()
    return bytes(said)


def _understood(said: bytes) -> Outcome:
    if not said.lstrip().startswith(b"{"):
        return Outcome("accepted")
    try:
        told = msgspec.json.decode(said, type=_Said)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Outcome("accepted", "the program said something that is not understood")
    return Outcome(told.state, told.detail)


register("command", CommandConfig)
