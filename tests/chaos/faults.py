"""What is done to the house: each fault begins, lasts, ends, and leaves the rest to the program."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.house import House
from tests.chaos.members import Member, pause, resume, until
from tests.chaos.stations import clock_us

KINDS = ("kill", "pause", "join", "cut", "full")
SPOOL_ROOM_BYTES = 300_000
SUPERVISOR_S = 2.0
FULL_LIMIT_S = 120.0


@dataclass
class Course:
    """How a fault went."""

    begin_us: int = 0
    healed_us: int = 0
    """From when on nothing was in the way."""
    told: list[str] = field(default_factory=list)
    """What `/readyz` said meanwhile."""
    problems: list[str] = field(default_factory=list)
    """What did not go as it must, besides the rows."""
    notes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """One that can be done."""

    kind: str
    target: str
    do: Callable[[House, Course], None]

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}"


def faults(house: House, kinds: tuple[str, ...], dice: random.Random, pause_s: float) -> Iterator[Fault]:
    """Yield what is to be done, in a random order within each kind."""
    made: dict[str, list[Fault]] = {kind: [] for kind in KINDS}
    for name in house.members:
        away_s = dice.uniform(1.0, min(20.0, pause_s))
        made["kill"].append(Fault("kill", name, _killing(name, away_s, house)))
        made["pause"].append(Fault("pause", name, _pausing(name, pause_s)))
        made["cut"].append(Fault("cut", name, _cutting(name, pause_s)))
    made["join"] = [Fault("join", "worker-three", _joining)]
    made["full"] = [
        Fault("full", "kafka", _filling_broker(pause_s)),
        Fault("full", "postgres", _filling_database(pause_s)),
        Fault("full", "spool", _filling_spool(pause_s)),
    ]
    for kind in KINDS:
        if kind in kinds:
            yield from dice.sample(made[kind], len(made[kind]))


def _killing(name: str, away_s: float, house: House) -> Callable[[House, Course], None]:
    del house

    def do(house: House, course: Course) -> None:
        member = house.members[name]
        _begin(house, course)
        member.kill()
        course.notes["away_s"] = round(away_s, 1)
        _wait(house, course, away_s, besides=name)
        member.start()

    return do


def _pausing(name: str, pause_s: float) -> Callable[[House, Course], None]:
    def do(house: House, course: Course) -> None:
        member = house.members[name]
        _begin(house, course)
        pause(member)
        try:
            _wait(house, course, pause_s, besides=name)
        finally:
            resume(member)

    return do


def _cutting(name: str, pause_s: float) -> Callable[[House, Course], None]:
    def do(house: House, course: Course) -> None:
        place = house.members[name].place
        _begin(house, course)
        house.net.cut(place)
        try:
            _wait(house, course, pause_s, besides=name)
        finally:
            house.net.mend(place)

    return do


STAY_S = 20.0
JOINS = 3


def _joining(house: House, course: Course) -> None:
    """A third worker comes and goes."""
    assert house.spare is not None
    _begin(house, course)
    for _ in range(JOINS):
        house.spare.start()
        until(lambda: house.spare and house.spare.figure("worker_tasks"), "a share for the third worker")
        _wait(house, course, STAY_S)
        begin = time.monotonic()
        code = house.spare.stop()
        course.notes["stop_s"] = max(course.notes.get("stop_s", 0.0), round(time.monotonic() - begin, 1))
        if code != 0:
            course.problems.append(f"a worker that was asked to leave ended with {code}")
        _wait(house, course, STAY_S)


def _filling_broker(pause_s: float) -> Callable[[House, Course], None]:
    def do(house: House, course: Course) -> None:
        disk, gather = house.disks["kafka"], house.programs["gather"]
        _begin(house, course)
        disk.fill()
        try:
            # Kafka ends itself when it cannot write its log; the gatherer goes on with its spool
            _expect(house, course, lambda: gather.figure("kafka_failing"), "kafka_failing at the gatherer")
            _wait(house, course, pause_s)
        finally:
            disk.free()
        _supervise(house.kafka)

    return do


def _filling_database(pause_s: float) -> Callable[[House, Course], None]:
    def do(house: House, course: Course) -> None:
        disk, store = house.disks["postgres"], house.programs["store"]
        _begin(house, course)
        disk.fill()
        try:
            _expect(house, course, store.trouble, "a complaint of the writer")
            _wait(house, course, pause_s)
        finally:
            disk.free()
        _supervise(house.postgres)

    return do


def _filling_spool(pause_s: float) -> Callable[[House, Course], None]:
    def do(house: House, course: Course) -> None:
        disk, gather = house.disks["gather"], house.programs["gather"]
        _begin(house, course)
        disk.fill(SPOOL_ROOM_BYTES)
        pause(house.kafka)
        try:
            _expect(house, course, gather.trouble, "a complaint of the gatherer")
            _wait(house, course, pause_s)
            course.notes["overload_drops"] = gather.figure("stream_overload_drops_total") or 0.0
        finally:
            disk.free()
            resume(house.kafka)
        until(lambda: not gather.trouble(), "a gatherer that is content again", FULL_LIMIT_S)

    return do


def _begin(house: House, course: Course) -> None:
    del house
    course.begin_us = clock_us()


def _expect(house: House, course: Course, condition: Callable[[], object], what: str) -> None:
    """Wait for a state that operators must see."""
    end = time.monotonic() + FULL_LIMIT_S
    while not condition():
        _listen(house, course)
        if time.monotonic() > end:
            course.problems.append(f"nobody told: {what}")
            return
        time.sleep(0.3)
    course.notes["told_s"] = round((clock_us() - course.begin_us) / 1e6, 1)


def _supervise(member: Member) -> None:
    """Start a server that has ended itself, as its supervisor would."""
    with contextlib.suppress(TimeoutError):
        until(lambda: not member.alive, "its end", SUPERVISOR_S)
    member.start()


def _wait(house: House, course: Course, seconds: float, besides: str = "") -> None:
    """Let time go by; note what the others say of it."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        _listen(house, course, besides)
        time.sleep(max(min(left, 1.0), 0.0))


def _listen(house: House, course: Course, besides: str = "") -> None:
    for program in house.programs.values():
        if program.name != besides and program.alive and (said := program.trouble()):
            line = f"{program.name}: {said}"
            if line not in course.told:
                course.told.append(line)
