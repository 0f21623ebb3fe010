"""Commands to devices in a running program: asked over the API or by alerts, audited, published, answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from connectors.device_desk import DeviceDesk
from connectors.sampling import OWN, Sampling
from deploy.clock import wall_clock_us
from deploy.settings import Settings
from streams import codec
from streams.bus import CommandSink
from streams.inbox import StoppedError
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.partitions import pieces
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Record,
)
from streams.site_levels import SiteLevels
from streams.topics import ALERTS, COMMAND_OUTCOMES, COMMANDS

log = structlog.get_logger()

FILE = "device-intervals.json"
"""In the data folder."""
WAIT_S = 0.2
COMMAND_S = 10.0
Keep = Callable[[Record], Awaitable[None]]


@dataclass(slots=True)
class WithDevices:
    """A `CommandSink` that publishes what is for devices, and hands on the rest."""

    others: CommandSink
    desk: DeviceDesk
    keep: Keep
    """Returns when a record is durable."""

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer; a command to a device is in the audit before it goes out.

        Raises
        ------
        TimeoutError
            The audit cannot be written in time; the command may have gone out.
        """
        if command.kind != "device_command":
            return await self.others.command(command)
        try:
            async with asyncio.timeout(COMMAND_S):
                await self.keep(Commands(commands=[command]))
                outcome = await self.desk.execute(command)
                await self.keep(CommandOutcomes(outcomes=[outcome]))
        except StoppedError as error:
            raise TimeoutError(str(error)) from error
        return outcome


@contextlib.asynccontextmanager
async def sampling_by_alerts(
    desk: DeviceDesk,
    site_of: Callable[[str], str],
    commands: CommandSink,
    folder: Path,
    listeners: list[Callable[[Sequence[Record]], None]],
    open_alerts: Callable[[], Sequence[AlertTransition]],
) -> AsyncIterator[None]:
    """Tell devices how often to measure until the block ends; `listeners` are called with what is stored."""
    if not has_intervals(desk):
        yield
        return
    sampling = Sampling(desk, SiteLevels(site_of), commands.command, folder / FILE, wall_clock_us)

    def listen(outputs: Sequence[Record]) -> None:
        for batch in outputs:
            if isinstance(batch, AlertTransitions):
                sampling.listen(batch.transitions)

    listeners.append(listen)
    sampling.listen(open_alerts())  # behind it, so that no step falls between
    async with _beside(sampling.run(), "sampling by alerts"):
        yield


@contextlib.asynccontextmanager
async def devices_over_kafka(
    settings: Settings, site_of: Callable[[str], str], kafka: Access, folder: Path
) -> AsyncIterator[None]:
    """Publish commands to the devices of a gatherer's brokers until the block ends.

    A command that nobody had published when the gatherer stopped is not published later: who asked was told
    that nothing is known of it.
    """
    desk, prefix = DeviceDesk(settings.mqtt), settings.kafka.prefix
    if not any(broker.devices for broker in settings.mqtt):
        yield
        return
    output = Output(kafka, "groundswell-devices")

    async def keep(batch: Record) -> None:
        topic = COMMANDS if isinstance(batch, Commands) else COMMAND_OUTCOMES
        await output.send([Message(prefix + topic.name, 0, piece) for piece in pieces(batch)])

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(output.close)
        await stack.enter_async_context(
            _beside(_answer(desk, keep, Reader(kafka, [COMMANDS], None, prefix)), "commands to devices")
        )
        if has_intervals(desk):
            own = WithDevices(_Nobody(), desk, keep)
            sampling = Sampling(desk, SiteLevels(site_of), own.command, folder / FILE, wall_clock_us)
            alerts = Reader(kafka, [ALERTS], {}, prefix)
            await stack.enter_async_context(_beside(_follow(sampling, alerts), "sampling by alerts"))
        yield


def has_intervals(desk: DeviceDesk) -> bool:
    """Return whether any device is told how often to measure."""
    return any(route.intervals_s for broker in desk.brokers for route in broker.devices)


class _Nobody:
    async def command(self, command: Command) -> CommandOutcome:
        raise TimeoutError(f"nobody answers a command of the kind {command.kind}")


async def _answer(desk: DeviceDesk, keep: Keep, reader: Reader) -> None:
    await reader.start()
    try:
        while True:
            for batch in await _next(reader):
                for command in batch.commands if isinstance(batch, Commands) else ():
                    asked = command.kind == "device_command" and not command.id.startswith(OWN)
                    if asked and desk.ways(command.target):
                        await keep(CommandOutcomes(outcomes=[await desk.execute(command)]))
    finally:
        await reader.stop()


async def _follow(sampling: Sampling, reader: Reader) -> None:
    """Read all alerts that there ever were; then tell devices by them and by those that come."""
    await reader.start()
    try:
        telling = None
        while True:
            for batch in await _next(reader):
                if isinstance(batch, AlertTransitions):
                    sampling.listen(batch.transitions)
            if telling is None and await reader.is_at_end():
                telling = asyncio.create_task(sampling.run())
            if telling is not None and telling.done():
                telling.result()
    finally:
        if telling is not None:
            telling.cancel()
        await reader.stop()


async def _next(reader: Reader) -> list[Record]:
    found = []
    for one in await reader.next(WAIT_S):
        try:
            found.append(codec.decode(one.value))
        except codec.CodecError as error:
            log.error("a message cannot be read: upgrade this", topic=one.topic.name, error=str(error))
    return found


@contextlib.asynccontextmanager
async def _beside(work: Awaitable[None], name: str) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: _report(done, name))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _report(task: asyncio.Future[None], name: str) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part has ended by a fault: restart this process", part=name, error=repr(error))
