"""The stations as a caster beside the store lists them: read in a thread, never where streams are sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from sensors.model import Station
from streams.records import Changes, Record

log = structlog.get_logger()

EVERY_S = 15.0
"""A stream may tell where its station is at any time; changes by command are listed at once."""


class StationList:
    """What the store knew a few seconds ago. `read` blocks and comes from a thread."""

    def __init__(self, read: Callable[[], Sequence[Station]]) -> None:
        self._read = read
        self._stations = read()
        self._changed = asyncio.Event()

    def __call__(self) -> Sequence[Station]:
        """Return the stations by id."""
        return self._stations

    def listen(self, batches: Sequence[Record]) -> None:
        """Hear what a round brought, once it is stored."""
        if any(isinstance(batch, Changes) for batch in batches):
            self._changed.set()

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Read again and again meanwhile."""
        with ThreadPoolExecutor(1, "station list") as thread:
            task = asyncio.create_task(self._follow(thread), name="station list")
            try:
                yield
            finally:
                task.cancel()

    async def _follow(self, thread: ThreadPoolExecutor) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), EVERY_S)
            self._changed.clear()
            try:
                self._stations = await asyncio.get_running_loop().run_in_executor(thread, self._read)
            except Exception as error:  # noqa: BLE001 - the old list serves until the store is back
                log.warning("the list of stations cannot be read, trying again", error=repr(error))
