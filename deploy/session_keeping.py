"""What is kept of sessions: from the caster to the store, and out of the store when its days are over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from connectors.caster.server import Caster
from dashboards.metrics import Figure
from deploy.clock import wall_clock_us
from deploy.figures import counter
from storage.store import Store
from streams import codec
from streams.definitions import PRIVACY_ID, PrivacyDefinition, definition
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.records import Change, KeptSessions, ObjectKind
from streams.topics import KEPT_SESSIONS

log = structlog.get_logger()

PAUSE_S = 1.0
STOP_S = 3.0
"""That a caster waits at its end for its sessions to be taken."""
FORGET_US = 60_000_000
"""How often what is over is looked for, beside at once after a change."""


class Forgetting(Protocol):
    """What is needed of a store."""

    def object(self, kind: ObjectKind, identity: str) -> Change | None:
        """Return the newest change of an object."""
        ...

    def forget_sessions(self, privacy: PrivacyDefinition, now_us: int) -> int:
        """Drop and make coarser what may not be kept as it is."""
        ...


@contextlib.asynccontextmanager
async def kept_in_store(caster: Caster, store: Store) -> AsyncIterator[None]:
    """Let a store of this process have what is to be kept of a caster's sessions."""

    async def keep(batch: KeptSessions) -> None:
        await asyncio.to_thread(store.commit, [batch], None, now_us=wall_clock_us())

    async with _kept(caster, keep):
        yield


@contextlib.asynccontextmanager
async def kept_over_kafka(caster: Caster, kafka: Access, prefix: str) -> AsyncIterator[None]:
    """Let `groundswell store` have what is to be kept of a caster's sessions."""
    output = Output(kafka, "groundswell-kept-sessions")

    async def keep(batch: KeptSessions) -> None:
        key = batch.sessions[0].caster.encode()
        await output.send([Message(prefix + KEPT_SESSIONS.name, 0, codec.encode(batch), key=key)])

    try:
        async with _kept(caster, keep):
            yield
    finally:
        await output.close()


@contextlib.asynccontextmanager
async def forgetting(store: Forgetting, configured: PrivacyDefinition) -> AsyncIterator[list[Figure]]:
    """Let sessions go whose days are over, and hold what is kept to the setting in force; give figures."""
    work = Forgetter(store, configured, wall_clock_us)
    with ThreadPoolExecutor(1, "forgetting") as thread:
        task = asyncio.create_task(_insist(work, thread), name="forgetting sessions")
        try:
            yield [
                counter("store_sessions_forgotten", "Sessions dropped for privacy.", lambda: work.dropped),
                counter("store_forgetting_failures", "Times that it failed.", lambda: work.failures),
            ]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass(slots=True)
class Forgetter:
    """Holds a store to the privacy setting. Call `work` about once a second, in a thread that may wait."""

    store: Forgetting
    configured: PrivacyDefinition
    """What holds unless a command said otherwise."""
    clock_us: Callable[[], int]
    dropped: int = 0
    failures: int = 0
    _done: PrivacyDefinition | None = None
    _done_us: int = 0

    def work(self) -> None:
        """Do what is due: all of it after a change, and each minute."""
        privacy, now_us = self.privacy(), self.clock_us()
        if privacy != self._done or not 0 <= now_us - self._done_us < FORGET_US:
            self.dropped += self.store.forget_sessions(privacy, now_us)
            self._done, self._done_us = privacy, now_us

    def privacy(self) -> PrivacyDefinition:
        """Return the setting in force."""
        change = self.store.object("privacy", PRIVACY_ID)
        if change is None or change.verb == "revert":
            return self.configured
        if change.after is None:
            return PrivacyDefinition()
        made = definition("privacy", change.after)
        assert isinstance(made, PrivacyDefinition)
        return made


@contextlib.asynccontextmanager
async def _kept(caster: Caster, keep: Callable[[KeptSessions], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(_run(caster, keep), name="keeping sessions")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        caster.watch.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while await _one(caster, keep):
                    pass
        if left := len(caster.watch.keeping):
            log.error("sessions are lost that could not be kept in time", sessions=left)


async def _run(caster: Caster, keep: Callable[[KeptSessions], Awaitable[None]]) -> None:
    said = ""
    while True:
        try:
            while await _one(caster, keep):
                said = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, rovers are served and it is tried again
            if repr(error) != said:
                said = repr(error)
                log.error("sessions cannot be kept, trying again", error=said)
        await asyncio.sleep(PAUSE_S)


async def _one(caster: Caster, keep: Callable[[KeptSessions], Awaitable[None]]) -> bool:
    """Let some sessions be kept; False: none waits."""
    batch = caster.watch.keeping.take()
    if batch is None:
        return False
    try:
        await keep(batch)
    except BaseException:
        caster.watch.keeping.give_back(batch)
        raise
    return True


async def _insist(work: Forgetter, thread: ThreadPoolExecutor) -> None:
    said = ""
    while True:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, work.work)
            said = ""
        except Exception as error:  # noqa: BLE001 - it is tried again
            if repr(error) != said:
                said = repr(error)
                log.error("sessions that are over cannot be forgotten, trying again", error=said)
            work.failures += 1
        await asyncio.sleep(PAUSE_S)
