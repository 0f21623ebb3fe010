"""Two casters that have the same simulated station, each with faults of its own; and a rover that looks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy.clock import wall_clock_us
from gnss.simulate import SimulatedStation
from sensors.model import Station
from tests.connectors.selecting.frames import DAY_MS, Told, told
from tests.rtcm_frames import split

INTERVAL_MS = 250
_MSM7 = {1077, 1087, 1097, 1107, 1117, 1127, 1137}


@dataclass
class Upstream:
    """One of the casters, and what is wrong with what it has."""

    number: int
    """It stands in each frame (DF003)."""
    is_stalled: bool = False
    late_s: float = 0.0
    loses: bool = False
    """Two of three epochs."""
    caster: Caster = field(init=False)
    relay: Relay = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.relay = Relay(asyncio.get_running_loop().time)
        self.caster = Caster(self.relay, lambda: [Station(id="UP", name="UP")], wall_clock_us)
        self.station = SimulatedStation(self.number, 121.2, 31.1, 20.0, seed=7)

    @property
    def source(self) -> str:
        return f"ntrip://127.0.0.1:{self.caster.port}/UP"

    def publish(self, frames: bytes) -> None:
        self.sent += 1
        if not self.is_stalled and not (self.loses and self.sent % 3):
            asyncio.get_running_loop().call_later(self.late_s, self.relay.publish, "UP", frames)


@contextlib.asynccontextmanager
async def two_casters() -> AsyncIterator[tuple[Upstream, Upstream]]:
    """Run both, with four epochs a second."""
    both = Upstream(1), Upstream(2)
    for one in both:
        await one.caster.start("127.0.0.1", 0)

    async def send() -> None:
        step_us = INTERVAL_MS * 1000
        epoch_us = (wall_clock_us() // step_us + 1) * step_us
        while True:
            await asyncio.sleep(max((epoch_us - wall_clock_us()) / 1e6, 0.0))
            for one in both:
                one.publish(b"".join(one.station.emit(epoch_us).frames))
            epoch_us += step_us

    sending = asyncio.create_task(send())
    try:
        yield both
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        for one in both:
            await one.caster.stop()


@dataclass
class Rover:
    """What a rover has had."""

    frames: list[bytes] = field(default_factory=list)
    """Those of observations."""
    observations: list[Told] = field(default_factory=list)
    """What each of them says."""
    _rest: bytes = b""

    def take(self, data: bytes) -> None:
        """Take what was read."""
        self._rest += data
        end = 0
        while end + 3 <= len(self._rest):
            size = int.from_bytes(self._rest[end + 1 : end + 3], "big") + 6
            if end + size > len(self._rest):
                break
            end += size
        whole, self._rest = self._rest[:end], self._rest[end:]
        frames = [one for one in split(whole) if (one[3] << 4 | one[4] >> 4) in _MSM7]
        self.frames += frames
        self.observations += told(b"".join(frames))

    @property
    def sources(self) -> list[int]:
        """Whose epochs came, without repetitions."""
        return [source for source, _ in itertools.groupby(one.source for one in self.observations)]

    def check(self, most_gap_s: float) -> None:
        """See that no epoch came twice, mixed, or out of order, and that no gap is longer."""
        assert len(set(self.frames)) == len(self.frames), "a message came twice"
        seen = self.observations
        epochs = [(t, {one.source for one in same}) for t, same in itertools.groupby(seen, key=_time)]
        assert all(len(sources) == 1 for _, sources in epochs), "two sources are mixed"
        steps_ms = [(b - a) % DAY_MS for (a, _), (b, _) in itertools.pairwise(epochs)]
        assert steps_ms
        assert max(steps_ms) <= 1000 * most_gap_s, sorted(steps_ms)[-5:]


def _time(one: Told) -> int:
    return one.time_ms


@contextlib.asynccontextmanager
async def rover_at(port: int, mountpoint: str) -> AsyncIterator[Rover]:
    """Let a rover take a stream until the block ends."""
    rover = Rover()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{mountpoint} HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n".encode())
    async with asyncio.timeout(60):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"ICY 200")

    async def read() -> None:
        while data := await reader.read(65_536):
            rover.take(data)

    reading = asyncio.create_task(read())
    try:
        yield rover
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
