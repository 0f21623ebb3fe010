"""The drive: the stations of the roaming tests under the simulated sky, a caster, and a rover with rtkrcv.

Stream time is its own: the epochs of a second come one by one, each as late as its station is, and the next
second begins when rtkrcv has read and solved the one before, at most `pace` of them a second. So what rtkrcv
has read at an epoch does not depend on how busy the machine is; ages are differences of epochs' GPS times.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.caster.relay import Relay
from connectors.caster.roaming.config import RoamingConfig
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.server import Caster
from gnss.simulate import Fault, SimulatedStation
from gnss.time import GPS_EPOCH_US, SECOND_US, utc_to_gps
from sensors.model import Station
from tests.connectors.roaming.road import STATIONS, Place, expected, haversine_km, place
from tests.connectors.roaming.world import Clock
from tests.drive.receiver import WEEK_S, Receiver, Solution, receiver
from tests.waiting import until

NAMES = dict(enumerate(STATIONS, 1))
"""Of reference stations."""
LATE_S = {name: 0.08 + 0.05 * n for n, name in enumerate(STATIONS)}
"""How long after its second a base's epoch comes; the rover's own comes at once."""
TICKS_S = (0.45, 0.95)
HEIGHT_M = 40.0
PATIENCE_S = 10.0
"""For one answer of rtkrcv, in real time; it takes some hundredths."""
VERDICT_S = 2
"""A fault is known so much later."""
SETTLE_S = 30
NEAR_M = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """A drive to the east."""

    from_km: float
    to_km: float
    speed_m_s: float
    bad: str
    """The station that turns bad."""
    bad_km: float
    """Where the rover is then."""
    pace: float = 10.0
    """Seconds of the stream in a real one, at most; 1: real time."""

    @property
    def seconds(self) -> int:
        """How long it takes."""
        return round((self.to_km - self.from_km) * 1e3 / self.speed_m_s)

    @property
    def bad_from_s(self) -> int:
        """When the station turns bad."""
        return round((self.bad_km - self.from_km) * 1e3 / self.speed_m_s)

    def place_at(self, second: int) -> Place:
        """Return where the rover is."""
        return place(self.from_km + self.speed_m_s * second / 1e3, 0.0)

    def right_bases(self) -> list[str]:
        """Return which base is right at each second."""
        return expected(
            [self.place_at(second) for second in range(self.seconds)],
            lambda name, here, _second: haversine_km(here, STATIONS[name]),
            lambda name, second: name != self.bad or second < self.bad_from_s,
        )


@dataclass(slots=True)
class Second:
    """What the rover had in a second of the drive."""

    base: str
    """Whose epoch rtkrcv has read last; empty: nobody's yet."""
    reason: str
    """Why the caster gave it its base."""
    solution: Solution | None = None
    off_m: float = math.nan


@dataclass(slots=True)
class HandOver:
    """From one base to the next."""

    second: int
    before: str
    to: str
    reason: str
    distance_km: float
    """To the new base."""
    settled_s: int
    """After so many seconds it stays within `NEAR_M` until the next one."""
    off_m: float | None
    """At most, from `SETTLE_S` after it until the next one, or until the base turned bad; None: a second of
    it has no solution, or it was no longer than that."""


@dataclass(slots=True)
class Driven:
    """A drive that is over."""

    plan: Plan
    seconds: list[Second] = field(default_factory=list)
    epochs: list[tuple[str, float]] = field(default_factory=list)
    """Station and second of the epochs that rtkrcv had read, in order."""
    messages: list[tuple[int, str]] = field(default_factory=list)
    """Number and station of all that it had read; of ephemerides the station is empty."""
    took_s: float = 0.0

    @property
    def hand_overs(self) -> list[HandOver]:
        """All changes, with the first base."""
        had = ["", *(one.base for one in self.seconds)]
        at = [s for s in range(len(self.seconds)) if had[s + 1] != had[s]]
        ends = [*at[1:], len(self.seconds)]
        return [self._hand_over(s, had[s], end) for s, end in zip(at, ends, strict=True)]

    def _hand_over(self, second: int, before: str, end: int) -> HandOver:
        one = self.seconds[second]
        off_m = [self.seconds[s].off_m for s in range(second, end) if s not in self.bad_seconds]
        late_m = max(off_m[SETTLE_S:], key=lambda v: (math.isnan(v), v), default=math.nan)
        far = [k for k, value in enumerate(off_m) if not value <= NEAR_M]
        return HandOver(
            second,
            before,
            one.base,
            one.reason,
            round(haversine_km(self.plan.place_at(second), STATIONS[one.base]), 1),
            far[-1] + 1 if far else 0,
            None if math.isnan(late_m) else round(late_m, 3),
        )

    @property
    def bad_seconds(self) -> range:
        """When it had the bad base, which nobody had found out yet or which was not left yet."""
        begin, name = self.plan.bad_from_s, self.plan.bad
        return range(begin, begin + sum(one.base == name for one in self.seconds[begin:]))

    @property
    def arrivals_s(self) -> list[float]:
        """When the epochs came that rtkrcv had read."""
        return [second + LATE_S[name] for name, second in self.epochs]


async def drive(plan: Plan, folder: Path) -> Driven:
    """Drive, and return what became of it."""
    clock = Clock()
    stations = [Station(id=n, name=n, longitude=x, latitude=y) for n, (x, y) in STATIONS.items()]
    relay = Relay(clock)
    roaming = Roaming(relay, lambda: stations, RoamingConfig(), clock, lambda: 0)
    caster = Caster(relay, lambda: stations, lambda: 0, users={"rover": "secret"}, roaming=roaming)
    await caster.start("127.0.0.1", 0)
    try:
        trip = Trip(plan, clock, relay, roaming)
        async with receiver(folder, caster.port, "BEST", "rover:secret") as rtkrcv:
            await until(lambda: any(roaming.rovers))
            trip.begin(rtkrcv)
            begin_s = time.monotonic()
            for second in range(plan.seconds):
                done_s = time.monotonic() + 1.0 / plan.pace
                await trip.go(second)
                await asyncio.sleep(done_s - time.monotonic())
            trip.driven.took_s = round(time.monotonic() - begin_s, 1)
            trip.driven.epochs = [(NAMES[k], trip.second_of(ms / 1e3)) for k, ms in rtkrcv.epochs]
            trip.driven.messages = [(number, NAMES.get(k, "")) for number, k in rtkrcv.numbers]
    finally:
        await caster.stop()
    return trip.driven


class Trip:
    """A drive that is going on."""

    _rtkrcv: Receiver

    def __init__(self, plan: Plan, clock: Clock, relay: Relay, roaming: Roaming) -> None:
        self.driven = Driven(plan)
        self._clock, self._relay, self._roaming = clock, relay, roaming
        # rtkrcv takes the week from its clock
        self._begin_us = int(time.time()) * SECOND_US
        fault = Fault("slips", self._begin_us + plan.bad_from_s * SECOND_US, 1 << 62, 1.0)
        self._bases = {
            name: SimulatedStation(
                n, x, y, HEIGHT_M + 8.0 * n, n, faults=(fault,) if name == plan.bad else ()
            )
            for n, (name, (x, y)) in zip(NAMES, STATIONS.items(), strict=True)
        }
        self._rover = SimulatedStation(99, *plan.place_at(0), HEIGHT_M, 99)
        self._is_solved = False
        roaming.tick()
        # they have been on for a while
        for second in range(-31, 0):
            clock.now_s += 1.0
            for name, base in self._bases.items():
                relay.publish(name, b"".join(base.emit(self._begin_us + second * SECOND_US).frames))
        roaming.tick()
        self._begin_s = clock.now_s + 1.0

    def begin(self, rtkrcv: Receiver) -> None:
        """Let rtkrcv have the rover's receiver, which knows its satellites."""
        self._rtkrcv, sky = rtkrcv, self._rover.sky
        rtkrcv.send(b"".join(sky.sent(row, self._begin_us)[1] for row in range(len(sky.satellites))))

    def second_of(self, of_week_s: float) -> int:
        """Return the second of the drive that a time of the week is."""
        return round(of_week_s - self._gps_s(0)) % WEEK_S

    def _gps_s(self, second: int) -> int:
        """Return the GPS time of the week of a second."""
        return (int(utc_to_gps(self._begin_us)) - GPS_EPOCH_US) // SECOND_US % WEEK_S + second

    async def go(self, second: int) -> None:
        """Let a second pass."""
        plan, epoch_us = self.driven.plan, self._begin_us + second * SECOND_US
        here = plan.place_at(second)
        self._rover.move(*here, HEIGHT_M, (plan.speed_m_s, 0.0, 0.0))
        own = b"".join(self._rover.emit(epoch_us).frames)
        of_bases = {name: b"".join(base.emit(epoch_us).frames) for name, base in self._bases.items()}
        for name in STATIONS:
            is_bad = name == plan.bad and second >= plan.bad_from_s + VERDICT_S
            self._roaming.judge(name, *(("bad", 20) if is_bad else ("good", 95)))
        self._rtkrcv.send(own)
        of_week_s = self._gps_s(second) % WEEK_S
        is_solved = await self._rtkrcv.solved(of_week_s, PATIENCE_S if self._is_solved else 0.1)
        self._is_solved |= is_solved
        for late_s, name in sorted(self._events()):
            self._clock.now_s = self._begin_s + second + late_s
            if name:
                self._relay.publish(name, of_bases[name])
            else:
                self._roaming.tick()
        led = next(iter(self._roaming.rovers))
        epochs = self._rtkrcv.epochs
        if led.base or epochs:
            await self._rtkrcv.had(of_week_s * 1000, PATIENCE_S)
        base = NAMES[epochs[-1][0]] if epochs else ""
        solution = self._rtkrcv.solutions.get(of_week_s)
        off_m = math.nan if solution is None else solution.off_m(*here, HEIGHT_M)
        self.driven.seconds.append(Second(base, led.last_reason, solution, off_m))

    def _events(self) -> Iterable[tuple[float, str]]:
        return [*((late_s, name) for name, late_s in LATE_S.items()), *((late_s, "") for late_s in TICKS_S)]
