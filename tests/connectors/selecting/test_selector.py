"""Whatever sources do: one at a time, no epoch twice, never back, and the first again when it is steady."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.selecting.gate import Gate
from connectors.selecting.selector import COLD_S, FIRST_S, MOST_PATIENCE, Changed, Selector
from streams.station_sources import ChangeOver
from streams.stream_state import StreamState
from tests.connectors.selecting.frames import BEIDOU, DAY_MS, GLONASS, GPS, epoch, piece, position, told

SECOND_US = 1_000_000
MIDNIGHT_US = 1_800_057_600 * SECOND_US
LEAP_S = 18
LIMITS = ChangeOver(better_for_s=5.0, worse_for_s=5.0, hold_s=3.0)


@dataclass
class World:
    """A station with sources, at second `now_s` of a day that begins at `begin_s` of GPS time."""

    names: tuple[str, ...] = ("main", "second")
    limits: ChangeOver = LIMITS
    begin_s: int = 43_200
    cold: tuple[str, ...] = ()
    now_s: float = 0.0
    out: list[tuple[float, bytes]] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.selector = Selector(self.limits, 1.0)
        self.gate = Gate(self.selector, lambda: 1000.0 + self.now_s, self.clock_us, self.changes.append)
        self.states = {name: StreamState(name, "test", "test", name=name) for name in self.names}
        self.set(*self.names)

    def set(self, *names: str) -> None:
        self.gate.set_sources([(name, name in self.cold, self.states[name]) for name in names])

    def clock_us(self) -> int:
        return MIDNIGHT_US + round((self.begin_s - LEAP_S + self.now_s) * SECOND_US)

    def time_ms(self, second: float) -> int:
        return round((self.begin_s + second) * 1000) % DAY_MS

    def bring(self, name: str, frames: bytes) -> None:
        passed = self.gate.passed(name, piece(frames, self.clock_us()))
        if passed is not None:
            assert passed.payload == passed.frames
            self.out.append((self.now_s, passed.frames))

    def epoch(self, name: str, second: float | None = None) -> None:
        second = self.now_s if second is None else second
        self.bring(name, b"".join(epoch(self.time_ms(second), self.names.index(name))))

    def run(self, seconds: int, *names: str, late: dict[str, float] | None = None) -> None:
        """Let sources bring an epoch each second, `late` seconds late."""
        first = round(self.now_s) + 1
        events = sorted(
            (k + (late or {}).get(name, 0.0), self.names.index(name), k)
            for k in range(first, first + seconds)
            for name in names
        )
        for at_s, index, k in events:
            self.now_s = at_s
            self.epoch(self.names[index], k)
            self.gate.look()
        self.now_s = first + seconds - 1
        self.gate.look()

    @property
    def sources(self) -> list[int]:
        """Sources of the epochs that went on, in order."""
        return [source for _, source in self.epochs]

    @property
    def epochs(self) -> list[tuple[int, int]]:
        """Time and source of each epoch that went on."""
        frames = [one for _, some in self.out for one in told(some) if one.number != 1005]
        return [key for key, _ in itertools.groupby((one.time_ms, one.source) for one in frames)]


def check(world: World) -> None:
    """See that no epoch came twice, none from two sources, and none went back."""
    frames = [one for _, some in world.out for one in told(some) if one.number != 1005]
    times = [one.time_ms for one in frames]
    assert len({(one.number, one.time_ms) for one in frames}) == len(frames), "a message came twice"
    for time_ms, same in itertools.groupby(frames, key=lambda one: one.time_ms):
        assert len({one.source for one in same}) == 1, f"two sources are mixed at {time_ms}"
    steps = [(b - a) % DAY_MS for a, b in itertools.pairwise(times)]
    assert all(step < DAY_MS / 2 for step in steps), "time went back"


# --- properties -----------------------------------------------------------------------------------------

Delay = st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.7, 4.0, 20.0])


@st.composite
def troubles(draw: st.DrawFn, sources: int) -> list[tuple[int, int, int, float, float]]:
    """Draw what befalls sources: which, from, until, how late its epochs are, which share is lost."""
    return draw(
        st.lists(
            st.tuples(
                st.integers(0, sources - 1),
                st.integers(0, 100),
                st.integers(1, 60),
                Delay,
                st.sampled_from([0.0, 0.3, 1.0]),
            ),
            max_size=6,
        )
    )


def play(world: World, befalls: list[tuple[int, int, int, float, float]], seconds: int, data: st.DataObject):
    """Play sources with their troubles; pieces are cut anywhere between frames."""
    cuts = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=7, max_size=7))
    lost = data.draw(st.lists(st.booleans(), min_size=11, max_size=11))
    events = []
    for index in range(len(world.names)):
        sent_s = 0.0
        for k in range(1, seconds):
            delay, share = 0.02 * index, 0.0
            for who, begin, length, late, loss in befalls:
                if who == index and begin <= k < begin + length:
                    delay, share = max(delay, late), max(share, loss)
            if share == 1.0 or (share and lost[(k + index) % len(lost)]):
                continue
            sent_s = max(sent_s, k + delay)  # a line keeps the order
            frames = epoch(world.time_ms(k), index)
            if index == 0 and k % 10 == 0:
                frames.insert(0, position(index, 10.0))
            cut = cuts[k % len(cuts)]
            events.append((sent_s, index, k, b"".join(frames[:cut] if cut else frames)))
            if cut:
                sent_s += 0.04
                events.append((sent_s, index, k, b"".join(frames[cut:])))
    for at_s, index, _, frames in sorted(events, key=lambda event: event[:3]):
        world.now_s = at_s
        world.bring(world.names[index], frames)


STEADY_S = round(LIMITS.better_for_s * MOST_PATIENCE) + 200


@settings(max_examples=60, deadline=None)
@given(troubles(3), st.sampled_from([43_200, 86_380]), st.data())
def test_one_source_at_a_time_and_the_first_again(befalls, begin_s, data):
    world = World(("main", "second", "third"), begin_s=begin_s)
    play(world, befalls, 160 + STEADY_S, data)
    check(world)
    assert world.selector.chosen == "main"
    assert world.sources[-5:] == [0] * 5
    states = list(world.states.values())
    assert [state.is_chosen for state in states] == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(troubles(1), st.data())
def test_no_gap_is_longer_than_a_stall_and_an_epoch_and_a_half(befalls, data):
    befalls = [(who, begin, length, 0.0, loss) for who, begin, length, _, loss in befalls if loss == 1.0]
    world = World()  # of which the second is always there
    play(world, befalls, 200, data)
    check(world)
    arrivals = [at_s for at_s, _ in world.out]
    gaps = [b - a for a, b in itertools.pairwise(arrivals)]
    assert max(gaps) <= LIMITS.stall_epochs + 1.5
    assert arrivals[0] <= 1.0 + LIMITS.stall_epochs + 1.5


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, DAY_MS - 1), st.floats(0, 90)), max_size=60))
def test_times_of_wild_sources_never_go_back(steps):
    """Sources may tell any times: what goes on goes forward, until the station was silent for a minute."""
    world, last = World(), None
    for source, time_ms, wait_s in steps:
        world.now_s += wait_s
        before = len(world.out)
        world.bring(world.names[source], b"".join(epoch(time_ms, source)))
        if len(world.out) > before:
            if last is not None and world.now_s - last[0] < 60.0:
                assert 0 < (time_ms - last[1]) % DAY_MS < DAY_MS // 2
            last = world.now_s, time_ms


# --- one rule each --------------------------------------------------------------------------------------


def test_a_stall_is_left_and_the_first_comes_back_after_a_while():
    world = World()
    world.run(30, "main", "second")
    assert set(world.sources) == {0}
    world.run(20, "second")
    assert (world.selector.chosen, [c.why for c in world.changes]) == ("second", ["stall"])
    assert "main brought nothing for 4.0 s" in world.changes[0].text
    world.run(4, "main", "second")
    assert world.selector.chosen == "second"
    world.run(30, "main", "second")
    assert (world.selector.chosen, [c.why for c in world.changes]) == ("main", ["stall", "better"])
    check(world)
    assert len(world.epochs) == 84 - 3


def test_a_source_that_fails_soon_again_is_waited_for_longer():
    world = World()
    world.run(10, "main", "second")
    for _ in range(6):
        world.run(5, "second")
        world.run(8, "main", "second")
    assert [c.why for c in world.changes].count("better") < 4
    world.run(1000, "main", "second")
    assert world.selector.chosen == "main"


@pytest.mark.parametrize(("late_s", "changes"), [(0.8, []), (3.0, ["late"])])
def test_a_late_source_is_left_for_one_that_is_not(late_s, changes):
    world = World()
    world.run(60, "main", "second", late={"main": late_s})
    assert [c.why for c in world.changes] == changes
    assert world.selector.chosen == ("second" if changes else "main")
    world.run(60, "main", "second")
    assert world.selector.chosen == "main"
    check(world)


def test_one_late_epoch_changes_nothing():
    world = World()
    world.run(20, "main", "second")
    world.run(1, "main", "second", late={"main": 2.5})
    world.run(60, "main", "second")
    assert world.changes == []


def test_a_source_ahead_of_its_time_is_as_bad_as_a_late_one():
    world = World()
    world.run(60, "main", "second", late={"main": 0.4})
    for _ in range(60):
        world.now_s += 1
        world.epoch("main")
        world.epoch("second", world.now_s + 100)
    assert (world.selector.chosen, world.changes) == ("main", [])


def test_a_source_that_loses_epochs_is_left():
    world = World()
    world.run(20, "main", "second")
    for k in range(80):
        world.run(1, *(("main", "second") if k % 3 else ("second",)))
    assert [c.why for c in world.changes] == ["loss"]
    assert "main lost" in world.changes[0].text
    check(world)
    world.run(300, "main", "second")
    assert world.selector.chosen == "main"


def test_sources_that_lose_the_same_are_alike():
    world = World()
    for k in range(200):
        world.run(1, *(("main", "second") if k % 3 else ()))
    assert world.changes == []


def test_a_station_with_long_intervals_has_not_stalled_between_two_epochs():
    world = World()
    for k in range(1, 40):
        for index, name in enumerate(world.names):
            world.now_s = 30.0 * k + 0.1 * index
            world.epoch(name, 30.0 * k)
            world.gate.look()
        world.now_s += 29.0
        world.gate.look()
    assert world.changes == []
    assert world.sources == [0] * 39


def test_the_rest_of_an_epoch_of_another_source_is_left_out():
    world = World()
    world.run(10, "main", "second")
    world.now_s = 11.0
    begun = epoch(world.time_ms(11), 0)
    world.bring("main", begun[0])
    for k in range(11, 20):
        world.now_s = k + 0.5
        world.epoch("second", k)
    world.bring("main", b"".join(begun[1:]))
    check(world)
    assert (world.time_ms(11), 1) not in world.epochs
    assert world.selector.chosen == "second"


def test_the_rest_of_an_epoch_over_a_new_connection_is_left_out():
    world = World()
    world.run(5, "main")
    frames = epoch(world.time_ms(6), 0)
    world.now_s = 6.0
    world.bring("main", b"".join(frames[:2]))
    world.gate.ended("main")
    world.bring("main", b"".join(frames))
    check(world)


def test_a_receiver_whose_clock_was_set_back_is_heard_again_after_a_minute():
    world = World()
    world.run(5, "main")
    for _ in range(90):
        world.now_s += 1
        world.epoch("main", world.now_s - 3600)
    assert world.epochs[-1] == (world.time_ms(world.now_s - 3600), 0)
    assert len(world.epochs) == pytest.approx(5 + 30, abs=2)


def test_a_system_with_a_wrong_clock_goes_with_its_epoch():
    world = World()
    for k in range(1, 20):
        world.now_s = float(k)
        now_ms = world.time_ms(k)
        frames = [
            *epoch(now_ms, 0, (GPS, BEIDOU))[:1],
            epoch(now_ms - 18_000, 0, (GLONASS, BEIDOU))[0],
            epoch(now_ms, 0, (BEIDOU,))[0],
        ]
        world.bring("main", b"".join(frames))
    numbers = [one.number for _, some in world.out for one in told(some)]
    assert numbers == [GPS, GLONASS, BEIDOU] * 19


def test_what_the_next_source_told_of_the_station_goes_before_its_epochs():
    world = World()
    world.bring("main", position(0, 10.0))
    world.bring("second", position(1, 10.5))
    world.run(5, "main", "second")
    world.run(10, "second")
    frames = [one for _, some in world.out for one in told(some)]
    first = next(n for n, one in enumerate(frames) if one.source == 1)
    assert [(one.number, one.source) for one in frames[first : first + 2]] == [(1005, 1), (GPS, 1)]
    assert [c.why for c in world.changes] == ["stall", "reference"]
    assert "0.500 m" in world.changes[1].text
    check(world)


def test_what_both_sources_tell_alike_is_not_repeated():
    world = World()
    world.bring("main", position(3, 10.0))
    world.bring("second", position(3, 10.0))
    world.run(5, "main", "second")
    world.run(10, "second")
    frames = [one for _, some in world.out for one in told(some)]
    assert [one.number for one in frames].count(1005) == 1
    assert [c.why for c in world.changes] == ["stall"]


def test_a_program_that_stood_still_takes_no_source_for_stalled():
    world = World()
    world.gate.look_s = 0.25
    for k in range(1, 400):
        world.now_s = k / 4
        if 100 < k <= 180:
            continue
        if k == 181:
            for name in reversed(world.names):
                for second in range(26, 46):
                    world.epoch(name, second)
        elif k % 4 == 0:
            for name in world.names:
                world.epoch(name)
        world.gate.look()
    check(world)
    assert world.changes == []
    assert len(world.epochs) == 99


def test_a_cold_source_is_called_in_a_stall_and_let_go_again():
    world = World(("main", "second", "third"), cold=("second", "third"))
    is_called = world.selector.is_called
    world.run(10, "main")
    assert [is_called(name) for name in world.names] == [True, False, False]
    world.run(2, "main")
    for _ in range(16):
        world.now_s += 0.25
        world.gate.look()
    assert [is_called(name) for name in world.names] == [True, True, False]
    world.now_s += COLD_S
    world.gate.look()
    assert [is_called(name) for name in world.names] == [True, True, True]
    world.now_s = float(round(world.now_s))
    world.run(5, "third")
    assert world.selector.chosen == "third"
    assert [is_called(name) for name in world.names] == [True, False, True]
    world.run(40, "main", "third")
    assert world.selector.chosen == "main"
    assert [is_called(name) for name in world.names] == [True, False, False]
    check(world)


def test_a_first_source_that_never_comes_has_time_to_connect():
    world = World(cold=("second",))
    world.now_s = FIRST_S - 1
    world.gate.look()
    assert not world.selector.is_called("second")
    world.now_s = FIRST_S + 1
    world.gate.look()
    assert world.selector.is_called("second")
    world = World()
    world.run(6, "second")
    assert world.selector.chosen == "second"


def test_a_source_that_is_taken_away_gives_way_and_no_epoch_comes_twice():
    world = World()
    world.run(10, "main", "second")
    world.set("second")
    assert (world.selector.chosen, world.changes[-1].why) == ("second", "gone")
    world.epoch("second", 10.0)
    world.run(5, "second")
    world.bring("main", b"".join(epoch(world.time_ms(16), 0)))
    world.set("main", "second")
    world.run(20, "main", "second")
    assert world.selector.chosen == "main"
    check(world)
    assert len(world.epochs) == 35
