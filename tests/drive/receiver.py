"""RTKLIB's real-time receiver and its NTRIP client, as a user runs them, and what goes in and comes out.

Of Debian's version (2.4.3 b34): rtkrcv's own NTRIP client opens FTP (RTKLIB's issues 569 and 709), so str2str
is the client, and relays what rtkrcv says of its position; and its option -s ends it with a fault, so it is
started at its console.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gnss.geodesy import ecef_to_enu, geodetic_to_ecef
from tests.program import free_port

SETTINGS = Path(__file__).parents[2] / "docs" / "rtkrcv.conf"
_HERE = """
inpstr1-type   =tcpsvr
inpstr1-path   =:{rover}
inpstr1-format =rtcm3
inpstr2-path   =127.0.0.1:{base}
misc-nmeacycle =1000
outstr1-type   =file
outstr1-path   =solution
outstr1-format =llh
out-outhead    =off
out-timeform   =tow
out-timendec   =3
out-degform    =deg
logstr2-type   =file
logstr2-path   =log
"""
_PATIENCE_S = 20.0
WEEK_S = 604_800
GPS_MSM = range(1071, 1078)


@dataclass(frozen=True, slots=True)
class Solution:
    """A line of what rtkrcv finds."""

    of_week_s: int
    longitude: float
    latitude: float
    height_m: float
    quality: int
    """1 fixed, 2 float, 5 without a base."""
    satellites: int
    age_s: float

    def off_m(self, longitude: float, latitude: float, height_m: float) -> float:
        """Return how far it is from a place, horizontally."""
        found_m = np.array(geodetic_to_ecef(self.longitude, self.latitude, self.height_m))
        truth_m = np.array(geodetic_to_ecef(longitude, latitude, height_m))
        east, north, _ = ecef_to_enu(found_m, truth_m)
        return math.hypot(east, north)


def solution_of(line: str) -> Solution:
    """Return what a line of rtkrcv's tells: week, time, latitude, longitude, height, quality and so on."""
    fields = line.split()
    of_week_s = round(float(fields[1])) % WEEK_S
    latitude, longitude, height_m = (float(v) for v in fields[2:5])
    return Solution(
        of_week_s, longitude, latitude, height_m, int(fields[5]), int(fields[6]), float(fields[13])
    )


@dataclass(eq=False)
class Growing:
    """A file that rtkrcv writes: a connection to a port of its would miss the beginning."""

    path: Path
    received: bytearray = field(default_factory=bytearray)

    async def until(self, is_enough: Callable[[], bool], timeout_s: float) -> bool:
        """Read on until what was written is enough; return whether it was in time."""
        end_s = time.monotonic() + timeout_s
        while not is_enough() and time.monotonic() < end_s:
            await asyncio.sleep(0.003)
            if self.path.exists():
                with self.path.open("rb") as file:
                    file.seek(len(self.received))
                    self.received += file.read()
        return is_enough()


@dataclass(eq=False)
class Receiver:
    """A running rtkrcv."""

    rover: asyncio.StreamWriter
    log: Growing
    """Gets all bytes of the base stream that rtkrcv has read."""
    solution: Growing
    solutions: dict[int, Solution] = field(default_factory=dict)
    """By second of the week."""
    epochs: list[tuple[int, int]] = field(default_factory=list)
    """Reference station and ms of the week of the epochs that it had, in order, by their GPS observations."""
    numbers: list[tuple[int, int]] = field(default_factory=list)
    """Message and reference station of all that it had, in order; ephemerides have station -1."""
    _read: int = 0
    _log_read: int = 0

    def send(self, frames: bytes) -> None:
        """Give it what its own antenna observes."""
        self.rover.write(frames)

    async def solved(self, of_week_s: int, timeout_s: float) -> bool:
        """Wait for the solution of an epoch."""

        def is_there() -> bool:
            self._read_solutions()
            return of_week_s in self.solutions

        return await self.solution.until(is_there, timeout_s)

    async def had(self, of_week_ms: int, timeout_s: float) -> bool:
        """Wait until it has read an epoch of a base."""

        def is_there() -> bool:
            self._read_log()
            return bool(self.epochs) and self.epochs[-1][1] == of_week_ms

        return await self.log.until(is_there, timeout_s)

    def _read_solutions(self) -> None:
        end = self.solution.received.rfind(b"\n") + 1
        for line in self.solution.received[self._read : end].decode("ascii").splitlines():
            if line and line[0] != "%":
                one = solution_of(line)
                self.solutions[one.of_week_s] = one
        self._read = max(end, self._read)

    def _read_log(self) -> None:
        data = self.log.received
        if not self._log_read and data[:2] == b"\r\n":
            self._log_read = 2  # str2str takes the end of the caster's answer for data
        while (at := self._log_read) + 6 <= len(data):
            assert data[at] == 0xD3, "rtkrcv read something that is no frame"
            length = (data[at + 1] & 3) << 8 | data[at + 2]
            if at + length + 6 > len(data):
                return
            word = int.from_bytes(data[at + 3 : at + 10], "big")
            number = word >> 44
            has_station = number in {1006, 1033, 1230} or 1071 <= number <= 1137
            station = word >> 32 & 0xFFF if has_station else -1
            self.numbers.append((number, station))
            if number in GPS_MSM:
                self.epochs.append((station, word >> 2 & 0x3FFF_FFFF))
            self._log_read += length + 6


@contextlib.asynccontextmanager
async def receiver(folder: Path, caster_port: int, mountpoint: str, user: str) -> AsyncIterator[Receiver]:
    """Run rtkrcv with the settings of `docs/rtkrcv.conf` on a mountpoint.

    Parameters
    ----------
    user
        Name and password with a colon between.
    """
    async with contextlib.AsyncExitStack() as stack:
        base, rover = free_port(), free_port()
        source = f"ntrip://{user}@127.0.0.1:{caster_port}/{mountpoint}"
        await stack.enter_async_context(
            running(folder, "str2str", "-in", source, "-out", f"tcpsvr://:{base}", "-b", "1", "-r", "1000")
        )
        places = _HERE.format(rover=rover, base=base)
        (folder / "rtkrcv.conf").write_text(SETTINGS.read_text() + places)
        keyboard, screen = os.openpty()
        stack.callback(os.close, keyboard)
        stack.callback(os.close, screen)
        console = os.ttyname(screen)
        options = ["-w", "", "-d", console, "-o", str(folder / "rtkrcv.conf")]
        process = await stack.enter_async_context(running(folder, "rtkrcv", *options))
        await said(keyboard, b"rtkrcv>")
        os.write(keyboard, b"start\r")
        await said(keyboard, b"rtk server start")
        _, writer = await asyncio.open_connection("127.0.0.1", rover)
        stack.callback(writer.transport.abort)
        yield Receiver(writer, Growing(folder / "log"), Growing(folder / "solution"))
        assert process.returncode is None, "rtkrcv ended before its time"


@contextlib.asynccontextmanager
async def running(folder: Path, name: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program of RTKLIB's."""
    program = shutil.which(name)
    assert program is not None, f"{name} is missing: install Debian's package rtklib"
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=folder, stdin=nowhere, stdout=nowhere, stderr=nowhere
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def said(console: int, words: bytes) -> None:
    """Return when a program has said something on its console."""
    os.set_blocking(console, False)
    heard = b""
    async with asyncio.timeout(_PATIENCE_S):
        while words not in heard:
            with contextlib.suppress(BlockingIOError):
                heard += os.read(console, 4096)
            await asyncio.sleep(0.02)
