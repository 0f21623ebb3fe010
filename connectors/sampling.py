"""Devices measure more often while alerts of their site are open, and go back when these are closed.

What a site's devices are to do follows from the alerts alone, and what they were told last stands in a file:
after a restart, or when a broker was away, what differs is told, and nothing twice. After a kill between the
broker's confirmation and the file it is told again, under the same id: an interval set twice is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from connectors import small_file
from connectors.device_desk import SAMPLING_LEVEL, DeviceDesk
from connectors.device_route import NORMAL
from connectors.reconnect import BackOff
from streams.records import AlertTransition, Command, CommandOutcome
from streams.site_levels import SiteLevels

log = structlog.get_logger()

OWN = "sampling-"
"""Ids of these commands begin so."""
BY = "sampling by alerts"
PATIENCE = 3
"""Sites in a row that could not be told, until there is a pause."""

Execute = Callable[[Command], Awaitable[CommandOutcome]]


class _Told(msgspec.Struct, frozen=True):
    """What the devices of a site were told last."""

    number: int
    """Counts what they were told."""
    level: str
    intervals_s: list[int]
    """Of its routes, in their order."""


@dataclass(slots=True, eq=False)
class Sampling:
    """Tells devices how often to measure.

    Parameters
    ----------
    desk
        Knows the devices.
    levels
        Of sites.
    execute
        Publishes a command, audits it, and returns the answer; it may fail.
    file
        Keeps what devices were told.
    clock_us
        Wall clock, UTC.
    """

    desk: DeviceDesk
    levels: SiteLevels
    execute: Execute
    file: Path
    clock_us: Callable[[], int]
    back_off: BackOff = field(default_factory=lambda: BackOff(first_s=5.0, most_s=300.0))
    _told: dict[str, _Told] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _failed: set[str] = field(default_factory=set)
    """Sites that come last next time."""

    def __post_init__(self) -> None:
        try:
            self._told = msgspec.json.decode(self.file.read_bytes(), type=dict[str, _Told])
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            log.error("what devices were told is not known, they are told again", error=str(error))

    def listen(self, transitions: Iterable[AlertTransition]) -> None:
        """Take steps of alerts."""
        self.levels.take(transitions)
        self._changed.set()

    async def run(self) -> None:
        """Tell what differs until cancelled. Begin when all open alerts are known."""
        while True:
            self._changed.clear()
            if await self._tell_all():
                self.back_off.succeeded()
                await self._changed.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.back_off.failed()):
                    await self._changed.wait()

    async def _tell_all(self) -> bool:
        """Tell all sites that differ; return whether none is left. A broker that is away is soon let be."""
        in_a_row = 0
        for site in sorted(self._differing(), key=lambda one: (one in self._failed, one)):
            if await self._tell(site):
                self._failed.discard(site)
                in_a_row = 0
            else:
                self._failed.add(site)
                in_a_row += 1
            if in_a_row == PATIENCE:
                break
        return not any(True for _ in self._differing())

    def _differing(self) -> Iterable[str]:
        for site in self.levels.sites | self._told.keys():
            wanted, told = self._wanted(site), self._told.get(site)
            if wanted.intervals_s and (wanted.level, wanted.intervals_s) != _said(told):
                yield site

    def _wanted(self, site: str) -> _Told:
        level = self.levels.level(site)[0] or NORMAL
        told = self._told.get(site)
        intervals = [way.route.interval_of(level) for way in self.desk.ways(site)]
        number = told.number + 1 if told is not None else 1
        return _Told(number, level, [one for one in intervals if one is not None])

    async def _tell(self, site: str) -> bool:
        wanted = self._wanted(site)
        alert = self.levels.level(site)[1]
        text = f"{site}\0{wanted.number}\0{wanted.level}\0{wanted.intervals_s}"
        command = Command(
            id=OWN + hashlib.sha256(text.encode()).hexdigest()[:32],
            kind="device_command",
            target=site,
            by=BY,
            at_us=self.clock_us(),
            arguments={
                "command": SAMPLING_LEVEL,
                "arguments": {"level": wanted.level},
                "because": f"alert {alert}" if alert else "no alert is open",
            },
        )
        try:
            outcome = await self.execute(command)
        except Exception as error:  # noqa: BLE001 - one site must not hold up the others
            outcome = CommandOutcome(id=command.id, ok=False, message=repr(error))
        if not outcome.ok:
            log.warning("devices are not told how often to measure", site=site, why=outcome.message)
            return False
        log.info("devices are told how often to measure", site=site, level=wanted.level)
        self._told[site] = wanted
        try:
            await asyncio.to_thread(small_file.replace, self.file, msgspec.json.encode(self._told))
        except OSError as error:  # the devices were told all the same
            log.error("what devices were told cannot be written down", file=str(self.file), error=str(error))
        return True


def _said(told: _Told | None) -> tuple[str, list[int]] | None:
    return None if told is None else (told.level, told.intervals_s)
