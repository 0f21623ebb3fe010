"""Casters tell each other over Kafka who gets streams and how much accounts have had, bridges of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from connectors.caster.admission import Admission
from connectors.caster.session_book import Sessions
from connectors.caster.telling import Telling, hear
from deploy.clock import wall_clock_us
from streams import codec
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.records import CasterSessions, CasterVolumes, Record
from streams.topics import REGIONAL_SESSIONS, REGIONAL_VOLUMES, SESSIONS, VOLUMES

log = structlog.get_logger()

TELL_S = 0.5
WAIT_S = 0.2
FORGET_S = 10.0
_SESSIONS, _VOLUMES = (SESSIONS, REGIONAL_SESSIONS), (VOLUMES, REGIONAL_VOLUMES)
"""Of this installation's casters, and of other regions' as its bridge tells."""


@contextlib.asynccontextmanager
async def sharing(admission: Admission, kafka: Access, prefix: str) -> AsyncIterator[None]:
    """Let a caster count with all others; while Kafka is away it counts alone, and is right again later."""

    def heard(record: Record) -> None:
        changed = hear(record, admission.sessions, admission.volumes, wall_clock_us())
        for account in changed:
            admission.recheck_account(account)

    output = Output(kafka, "groundswell-sessions")
    tasks = [
        asyncio.create_task(_tell(Telling(admission), output, prefix), name="telling sessions"),
        asyncio.create_task(_read(Reader(kafka, _SESSIONS, None, prefix), heard), name="sessions"),
        asyncio.create_task(_read(Reader(kafka, _VOLUMES, {}, prefix), heard), name="volumes"),
    ]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        await _cancelled(tasks)
        await output.close()


@contextlib.asynccontextmanager
async def watching(kafka: Access, prefix: str) -> AsyncIterator[Sessions]:
    """Yield a book of all casters' sessions, for those who run none."""
    book = Sessions("")

    def heard(record: Record) -> None:
        hear(record, book, None, wall_clock_us())

    async def forget() -> None:
        while True:
            await asyncio.sleep(FORGET_S)
            book.forget(wall_clock_us())

    tasks = [
        asyncio.create_task(_read(Reader(kafka, _SESSIONS, None, prefix), heard), name="sessions"),
        asyncio.create_task(forget(), name="sessions that are over"),
    ]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield book
    finally:
        await _cancelled(tasks)


async def _tell(telling: Telling, output: Output, prefix: str) -> None:
    while True:
        messages = [_message(record, prefix) for record in telling.due(wall_clock_us())]
        await output.send(messages)
        await asyncio.sleep(TELL_S)


async def _read(reader: Reader, heard: Callable[[Record], None]) -> None:
    await reader.start()
    try:
        while True:
            for one in await reader.next(WAIT_S):
                try:
                    heard(codec.decode(one.value))
                except codec.CodecError as error:
                    log.error("what a caster tells cannot be read: upgrade this program", error=str(error))
    finally:
        await reader.stop()


def _message(record: Record, prefix: str) -> Message:
    if isinstance(record, CasterVolumes):
        key = f"{record.caster}/{record.share}".encode()
        return Message(prefix + VOLUMES.name, 0, codec.encode(record), key=key)
    assert isinstance(record, CasterSessions)
    return Message(prefix + SESSIONS.name, 0, codec.encode(record), key=record.caster.encode())


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("sessions are not shared any more: restart this process", error=repr(error))


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
