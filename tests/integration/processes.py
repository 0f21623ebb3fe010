"""Commands that run in processes of their own, can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import forks

WAIT_S = 120.0
"""The first worker may have to compile its kernels."""


@dataclass
class Process:
    """A command of the program."""

    arguments: tuple[str, ...]
    log: Path
    process: forks.Fork | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = forks.begin(self.arguments, output)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(40)


@contextlib.contextmanager
def started(folder: Path, name: str, *arguments: str) -> Iterator[Process]:
    """Run a command until the block ends; its log is `folder/name.log`."""
    one = Process(arguments, folder / f"{name}.log")
    one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait(10)


def until(condition: Callable[[], object], what: str, logs: Path, timeout_s: float = WAIT_S) -> None:
    """Return when `condition()` is truthy; else fail with the logs."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(_missed(what, logs))
        time.sleep(0.05)


async def eventually(
    condition: Callable[[], Awaitable[object]], what: str, logs: Path, timeout_s: float = WAIT_S
) -> object:
    """Return what `condition()` gives when it is truthy; else fail with the logs."""
    end = time.monotonic() + timeout_s
    while not (found := await condition()):
        if time.monotonic() > end:
            raise AssertionError(_missed(what, logs))
        await asyncio.sleep(0.1)
    return found


def _missed(what: str, logs: Path) -> str:
    told = "\n".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in logs.glob("*.log"))
    return f"{what} did not happen\n{told}"
