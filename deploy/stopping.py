"""How a serving command ends: by SIGINT, by SIGTERM or after a while, always in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_on_signals() -> None:
    """Let a signal end the program at once, with exit code 0: for the time before the event loop.

    Call it before the long imports.
    """
    for number in _SIGNALS:
        signal.signal(number, _leave)


def stop_on_signals() -> asyncio.Event:
    """Return an event of the running loop that a signal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


def ignore_signals() -> None:
    """Let nothing disturb the last steps, after the event loop has ended."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


async def until_stopped(stop: asyncio.Event, seconds: float | None) -> None:
    """Return when `stop` is set, or after so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
