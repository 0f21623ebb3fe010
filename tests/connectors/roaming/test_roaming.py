"""Hand-overs one by one: what is sent, in which order, and what happens when things go wrong."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gnss.ntrip import RoverPosition
from gnss.simulate import SimulatedStation
from sensors.model import Station
from tests.connectors.roaming.world import World, epoch, epochs_of
from tests.rtcm_frames import of_type, split

A, B, C = (114.0, 30.0), (114.2, 30.0), (114.4, 30.0)
PLACES = {"A": A, "B": B, "C": C}
"""19 km apart."""


def led_to(world, place, *stations, mountpoint="NEAREST"):
    """Return a rover that has its base."""
    world.second(*stations)
    rover, listening = world.rover(mountpoint, place)
    world.second(*stations)
    assert rover.base
    return rover, listening


def test_the_new_bases_messages_go_before_its_first_epoch():
    world = World(PLACES)
    world.relay.publish("B", epoch("B", 1.0, first=True) + of_type(1230, 10) + of_type(1019, 61))
    rover, listening = led_to(world, A, "A", "B")
    assert listening.epochs == [("A", 1001.0)]
    world.roaming.tell(rover, RoverPosition(*B, 0.0, 1))
    for _ in range(45):
        world.second("A", "B")
    assert rover.base == "B"
    switch = next(i for i, (_, frames) in enumerate(listening.sent) if b"<B" in frames)
    numbers = [one[3] << 4 | one[4] >> 4 for one in split(listening.sent[switch - 1][1])]
    assert numbers == [1006, 1033, 1230, 1019]
    assert list(split(listening.sent[switch][1])) == list(split(epoch("B", listening.epochs[switch - 1][1])))
    times = [time for _, time in listening.epochs]
    assert times == [times[0] + i for i in range(len(times))]


def test_a_rover_keeps_its_base_until_the_next_one_sends():
    world = World(PLACES, hold_s=0.0)
    rover, listening = led_to(world, A, "A", "B")
    world.roaming.tell(rover, RoverPosition(*B, 0.0, 1))
    for _ in range(12):
        world.second("A")  # B falls silent just then
    assert rover.base == "A"
    assert rover.target == ""
    times = [time for _, time in listening.epochs]
    assert times == [times[0] + i for i in range(len(times))]


def test_a_silent_base_is_left_within_seconds_and_kept_where_there_is_no_other():
    world = World(PLACES)
    rover, listening = led_to(world, A, "A", "B")
    for _ in range(5):
        world.second("B")
    assert rover.base == "B"
    assert rover.last_reason == "silent"
    for _ in range(60):
        world.second()
    assert rover.base == "B"
    world.second("B")
    assert listening.epochs[-1][0] == "B"


def test_a_base_that_was_silent_is_steady_again_after_a_while_and_taken_at_once_where_there_is_no_other():
    world = World({"A": A, "B": B}, hold_s=0.0)
    rover, _ = led_to(world, A, "A", "B")
    for _ in range(5):
        world.second("B")
    assert rover.base == "B"
    for _ in range(9):
        world.second("A", "B")
    assert rover.base == "B"
    for _ in range(10):
        world.second("A", "B")
    assert rover.base == "A"
    for _ in range(5):
        world.second()
    for _ in range(8):
        world.second("B")
    assert rover.base == "B"


def test_a_program_that_stood_still_blames_no_station():
    world = World(PLACES)
    rover, _ = led_to(world, A, "A", "B")
    world.clock.now_s += 30.0
    world.roaming.tick()
    world.second("B", "A")
    for _ in range(15):
        world.second("A", "B")
    assert rover.base == "A"
    assert world.roaming.counters.changes == {"first": 1}


def test_verdicts_that_grow_old_count_no_more():
    world = World(PLACES, hold_s=0.0)
    world.roaming.judge("A", "bad", 10)
    world.roaming.judge("B", "good", 100)
    rover, _ = led_to(world, A, "A", "B", mountpoint="BEST")
    assert rover.base == "B"
    for _ in range(70):
        world.second("A", "B")
    assert rover.base == "A"


def test_a_bad_base_is_left_at_once_though_it_was_just_taken():
    world = World(PLACES)
    for name in PLACES:
        world.roaming.judge(name, "good", 95)
    rover, listening = led_to(world, A, "A", "B", "C", mountpoint="BEST")
    world.roaming.judge("A", "bad", 30)
    bad_s = world.clock.now_s
    for _ in range(4):
        world.second("A", "B", "C")
    assert rover.base == "B"
    assert rover.last_reason == "bad"
    last_of_a = max(at for at, frames in listening.sent if b"<A" in frames)
    assert last_of_a - bad_s < 5.0


def test_a_station_that_is_no_more_is_left():
    world = World(PLACES)
    rover, _ = led_to(world, A, "A", "B")
    world.stations = [one for one in world.stations if one.id != "A"]
    for _ in range(14):
        world.second("A", "B")
    assert rover.base == "B"
    assert rover.last_reason == "gone"


def test_a_rover_that_drives_out_of_the_network_gets_nothing_and_comes_back():
    world = World(PLACES)
    rover, listening = led_to(world, A, "A", "B")
    world.roaming.tell(rover, RoverPosition(100.0, 0.0, 0.0, 1))
    for _ in range(6):
        world.second("A", "B")
    assert rover.base == ""
    assert world.relay.counters.rovers == 0
    count = len(listening.sent)
    world.roaming.tell(rover, RoverPosition(*B, 0.0, 1))
    for _ in range(7):
        world.second("A", "B")
    assert rover.base == "B"
    assert len(listening.sent) > count
    assert world.roaming.counters.changes == {"first": 2, "far": 1}


def test_a_station_without_a_place_in_the_registry_is_where_its_stream_says():
    station = SimulatedStation(9, 114.0, 30.0, 40.0, seed=9)
    world = World({"B": B, "C": C})
    world.stations.append(Station(id="A", name="It tells its place itself"))
    rover, _ = world.rover("NEAREST", A)
    for second in range(60):
        world.relay.publish("A", b"".join(station.emit(1_760_000_010_000_000 + 1_000_000 * second).frames))
        world.second("B")
    assert rover.base == "A"


def test_a_station_that_comes_into_the_registry_has_its_ephemerides_as_soon_as_it_repeats_them():
    world, ephemeris = World(PLACES), of_type(1019, 61)
    world.relay.publish("D", ephemeris)
    world.second("A", "B", "D")
    world.stations.append(Station(id="D", name="D", longitude=114.0, latitude=30.0))
    for _ in range(40):
        world.second("A", "B", "D")
    world.relay.publish("D", ephemeris)
    world.second("A", "B", "D")
    assert world.roaming.network.bases["D"].messages.first(world.clock.now_s) == ephemeris


def test_a_rover_that_is_cut_while_it_is_handed_over_is_not_subscribed():
    world = World(PLACES)
    world.relay.publish("A", epoch("A", 1.0, first=True))
    world.second("A")
    rover, listening = world.rover("NEAREST", A)
    listening.is_stuck = True
    world.second("A")
    world.roaming.leave(rover)
    assert world.relay.counters.rovers == 0
    assert listening.sent == []


def test_another_clock_is_no_reason_to_wait_for_hours():
    """B's epochs are an hour behind those of A."""
    world = World(PLACES)
    rover, _listening = led_to(world, A, "A")
    for _ in range(8):
        world.clock.now_s += 0.5
        world.publish("B", world.clock.now_s - 3600.0)
        world.roaming.tick()
        world.clock.now_s += 0.5
        world.roaming.tick()
    assert rover.base == "B"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("ABC"), st.integers(0, 2)),
        st.tuples(st.just("judge"), st.sampled_from("ABC"), st.sampled_from(["good", "bad", "unknown"])),
        st.tuples(st.just("move"), st.floats(113.9, 114.5), st.sampled_from([30.0, 30.05, 31.5])),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.5, 0.9, 4.0]), st.just(0)),
    ),
    max_size=120,
)


@given(steps, st.sampled_from(["NEAREST", "BEST"]), st.sampled_from([0.0, 30.0]))
def test_whatever_happens_a_rover_has_one_base_and_never_goes_back_in_time(steps, mountpoint, hold_s):
    world = World(PLACES, hold_s=hold_s)
    rover, listening = world.rover(mountpoint, A)
    sent_of: dict[str, int] = {}
    for what, one, two in steps:
        if what == "publish":
            time_s = int(world.clock.now_s) - two
            if sent_of.get(one, 0) < time_s:  # a station's own stream goes on
                sent_of[one] = time_s
                world.publish(one, time_s, first=time_s % 2 == 0)
        elif what == "judge":
            world.roaming.judge(one, two, 20 if two == "bad" else 95)
        elif what == "move":
            world.roaming.tell(rover, RoverPosition(one, two, 0.0, 1))
        else:
            world.clock.now_s += one
            world.roaming.tick()
        assert world.relay.counters.rovers == bool(rover.base)
        assert bool(world.roaming._by_target) == bool(rover.target)
        assert list(world.roaming._by_base) == ([rover.base] if rover.base else [])
    epochs = listening.epochs
    assert all(b > a for (_, a), (_, b) in itertools.pairwise(epochs))
    for _, frames in listening.sent:
        found = epochs_of(frames)
        assert len(found) <= 1
        assert not found or frames in {epoch(*found[0]), epoch(*found[0], first=True)}
    world.roaming.leave(rover)
    assert world.relay.counters.rovers == 0
    assert not world.roaming._by_target
    assert not world.roaming._by_base
