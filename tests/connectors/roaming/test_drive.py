"""A rover drives 200 km past eight stations: no gap, no jump back, the right base, and no flip-flop."""

import heapq
import itertools
import math
import random

import pytest

from gnss.ntrip import RoverPosition
from tests.connectors.roaming.road import (
    KM_A_DEGREE,
    ROAD_KM,
    STATIONS,
    expected,
    haversine_km,
    longest_difference,
    place,
)
from tests.connectors.roaming.world import World

SPEED_KM_S = 0.033
GGA_S = 5
SLACK_S = 13
"""A rover tells its place each 5 s, is asked each 5 s, and begins with the next epoch; the rest is the
difference between a sphere and the ellipsoid at a border (0.2 %)."""


def drive(world, mountpoint, route, *, verdicts=lambda _t: {}, silent=lambda _name, _t: False, lags=None):
    """Return what a rover on a route (a place each second) got, and which base it had at each second."""
    lags = lags or {name: 0.08 + 0.05 * n for n, name in enumerate(world.network_names)}
    world.second(*world.network_names)  # the bases were there before
    rover, listening = world.rover(mountpoint, route[0])
    begin_s = world.clock.now_s
    had = []
    for second, here in enumerate(route):
        base_s = begin_s + second
        for name, (state, score) in verdicts(second).items():
            world.roaming.network.judge(name, state, score, world.clock.now_s)
        if second % GGA_S == 0:
            world.roaming.tell(rover, RoverPosition(*here, 10.0, 4))
        events = [(base_s + lags[n], n) for n in world.network_names if not silent(n, second)]
        events += [(base_s + 0.45, ""), (base_s + 0.95, "")]
        heapq.heapify(events)
        while events:
            world.clock.now_s, name = heapq.heappop(events)
            if name:
                world.publish(name, base_s, first=second % 10 == 0)
            else:
                world.roaming.tick()
        had.append(rover.base)
    world.roaming.leave(rover)
    return listening, had


class Road(World):
    def __init__(self, stations, **config):
        super().__init__(stations, **config)
        self.network_names = tuple(stations)


def route_along(from_km, to_km, north_km=0.0):
    seconds = round(abs(to_km - from_km) / SPEED_KM_S)
    return [place(from_km + (to_km - from_km) * s / seconds, north_km) for s in range(seconds)]


def assert_gapless(listening, *, most_s=1.5):
    """Every epoch came once, in order, none was left out, and the rover never waited for long."""
    epochs = listening.epochs
    assert [round(b - a, 3) for (_, a), (_, b) in itertools.pairwise(epochs)] == [1.0] * (len(epochs) - 1)
    times = [at for at, frames in listening.sent if b"\xd3" in frames]
    assert max(b - a for a, b in itertools.pairwise(times)) <= most_s


def test_along_the_road_nearest_is_always_the_nearest():
    world = Road(STATIONS)
    route = route_along(0, ROAD_KM)
    listening, had = drive(world, "NEAREST", route)
    right = expected(route, lambda name, here, _t: haversine_km(here, STATIONS[name]), lambda *_: True)
    assert_gapless(listening)
    assert len(listening.epochs) == len(route)
    assert list(dict.fromkeys(base for base in had if base)) == list(STATIONS)
    assert all(a or b for a, b in itertools.pairwise(had))  # between two epochs only
    assert longest_difference(had, right) <= SLACK_S
    assert world.roaming.counters.changes == {"first": 1, "nearer": 7}


def test_best_leaves_the_base_that_turns_bad_and_comes_back_when_it_is_good():
    """S3 turns bad while the rover is on it, and is good again before the rover has left its surroundings."""
    world = Road(STATIONS)
    route = route_along(0, ROAD_KM)
    at = round(79.0 / SPEED_KM_S)
    bad = range(at, at + 150)
    delay_s = 1  # of the verdict

    def state(name, second):
        return ("bad", 20) if name == "S3" and second in bad else ("good", 95)

    def verdicts(second):
        return {name: state(name, second - delay_s) for name in STATIONS}

    listening, had = drive(world, "BEST", route, verdicts=verdicts)
    right = expected(
        route,
        lambda name, here, _t: haversine_km(here, STATIONS[name]),
        lambda name, second: state(name, second)[0] != "bad",
    )
    assert_gapless(listening)
    assert had[bad.start] == "S3"
    assert "S3" not in had[bad.start + 5 : bad.stop]
    assert "S3" in had[bad.stop :]
    assert world.roaming.counters.changes["bad"] == 1
    # a score that was bad is smoothed: it comes back a while after it is good again
    assert longest_difference(had[: bad.stop], right[: bad.stop]) <= SLACK_S
    assert longest_difference(had[bad.stop + 500 :], right[bad.stop + 500 :]) <= SLACK_S
    assert sum(world.roaming.counters.changes.values()) == 1 + 7 + 2


def test_nearest_leaves_the_base_that_falls_silent():
    world = Road(STATIONS)
    route = route_along(60.0, 110.0)
    silent = range(800, 1000)
    lags = dict.fromkeys(STATIONS, 0.2)
    listening, had = drive(
        world, "NEAREST", route, silent=lambda name, second: name == "S3" and second in silent, lags=lags
    )
    assert had[silent.start - 1] == "S3"
    times = [at for _, at in listening.epochs]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 5.0
    assert all(b > a for a, b in itertools.pairwise(times))
    assert "S3" not in had[silent.start + 5 : silent.stop + 10]
    assert all(a or b for a, b in itertools.pairwise(had[silent.start + 5 :]))
    assert had[silent.stop + 45] == "S3"
    assert world.roaming.counters.changes["silent"] == 1


@pytest.mark.parametrize("mountpoint", ["NEAREST", "BEST"])
def test_along_a_border_nobody_goes_to_and_fro(mountpoint):
    """Two hours in zigzag over the border between S1 and S2, up to 800 m to each side."""
    world = Road(STATIONS)
    middle = [(a + b) / 2 for a, b in zip(STATIONS["S1"], STATIONS["S2"], strict=True)]
    route = []
    for second in range(7200):
        off_km = 0.8 * (2 * abs((second / 60.0) % 2 - 1) - 1)
        along_km = 3.0 * math.sin(second / 900.0)
        # the border stands at a right angle to the line from S1 to S2 (25 km east, 8 km north)
        east, north = (25 * off_km - 8 * along_km) / 26.2, (8 * off_km + 25 * along_km) / 26.2
        route.append((middle[0] + place(east, 0)[0] - 114.0, middle[1] + north / KM_A_DEGREE))
    jitter = random.Random(5)

    def verdicts(_second):
        return {name: ("good", jitter.randint(90, 100)) for name in STATIONS}

    listening, _ = drive(world, mountpoint, route, verdicts=verdicts)
    assert_gapless(listening)
    sides = [haversine_km(h, STATIONS["S1"]) < haversine_km(h, STATIONS["S2"]) for h in route]
    assert sum(a != b for a, b in itertools.pairwise(sides)) > 100
    assert world.roaming.counters.changes == {"first": 1}


def test_a_fast_zigzag_changes_no_more_often_than_the_hold_time():
    """Across the border and 6 km beyond each 20 s: no rover does that, a wrong GGA might."""
    world = Road({name: STATIONS[name] for name in ("S1", "S2")})
    middle = 50.0
    route = [place(middle + (6.0 if (second // 20) % 2 else -6.0), -2.0) for second in range(1800)]
    listening, had = drive(world, "NEAREST", route)
    changes = [second for second, (a, b) in enumerate(itertools.pairwise(had)) if a != b and a]
    assert 5 < len(changes) <= 1800 / 30
    assert min(b - a for a, b in itertools.pairwise(changes)) >= 30
    assert_gapless(listening)


def test_a_base_whose_epochs_come_late_takes_over_too():
    """Its epochs are a second and more behind: the rover waits for the first that is new, once."""
    world = Road(STATIONS)
    lags = dict.fromkeys(STATIONS, 0.1) | {"S2": 0.9, "S3": 0.93}
    listening, had = drive(world, "NEAREST", route_along(30.0, 95.0), lags=lags)
    assert "S2" in had
    assert had[-1] == "S3"
    assert_gapless(listening, most_s=1.9)
