"""Network events: whatever the order of the triggers, as long as none is later than allowed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.coincidence import MOST_TRIGGERS, Coincidence, Trigger

S = 1_000_000


def trigger(station, on_s, length_s=2.0, channel="Z"):
    return Trigger(station, channel, round(on_s * S), round((on_s + length_s) * S))


def ends(events):
    return sorted(
        (e.onset_us, e.until_us, e.stations) for e in events if e.phase == "end" and not e.withdrawn
    )


def test_three_stations_make_an_event_and_three_channels_of_one_do_not():
    network = Coincidence()
    same = [trigger("A", 10 + 0.1 * i, channel=c) for i, c in enumerate("ZNE")]
    assert network.take(same) == []
    assert network.take([trigger("B", 10.5)]) == []
    (begun,) = network.take([trigger("C", 11.0)])
    assert (begun.phase, begun.onset_us, begun.stations) == ("begin", 10 * S, ("A", "B", "C"))
    (joined,) = network.take([trigger("D", 11.5)])
    assert (joined.phase, joined.event, joined.stations) == ("update", begun.event, ("A", "B", "C", "D"))
    (over,) = network.advance(40 * S)
    assert (over.phase, over.until_us, over.withdrawn) == ("end", round(13.5 * S), False)


def test_stations_that_are_too_far_apart_in_time_are_none():
    network = Coincidence(window_s=3.0)
    assert network.take([trigger("A", 10), trigger("B", 12), trigger("C", 13.1)]) == []
    assert network.advance(1000 * S) == []


def test_an_earlier_station_that_comes_late_moves_the_onset():
    network = Coincidence()
    network.take([trigger("B", 11), trigger("C", 12), trigger("D", 13)])
    (moved,) = network.take([trigger("A", 10.5)])
    assert (moved.phase, moved.onset_us) == ("update", round(10.5 * S))


def test_what_is_later_than_allowed_is_counted():
    network = Coincidence(allowed_lateness_s=10)
    network.take([trigger("A", 100)])
    network.take([trigger("B", 80)])
    assert network.late == 1


def test_a_trigger_without_an_off_ends_in_the_end():
    network = Coincidence(most_s=60)
    on = [Trigger(name, "Z", (10 + i) * S) for i, name in enumerate("ABC")]
    assert [e.phase for e in network.take(on)] == ["begin"]
    assert network.advance(60 * S) == []
    (over,) = network.advance(83 * S)
    assert over.until_us == 72 * S


def test_what_is_remembered_is_bounded():
    network = Coincidence(least=3)
    network.take([trigger("A", 10 + i / 1e4, channel=str(i)) for i in range(MOST_TRIGGERS + 20)])
    assert network.forgotten == 20
    with pytest.raises(ValueError, match="least"):
        Coincidence(least=0)


TRIGGERS = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.sampled_from("ZN"), st.integers(0, 400), st.integers(1, 60)),
    max_size=40,
    unique_by=lambda one: one[:3],
)


@settings(max_examples=150, deadline=None)
@given(TRIGGERS, st.integers(0, 2**32 - 1))
def test_order_within_the_allowed_lateness_and_cuts_do_not_matter(triggers, seed):
    random = np.random.default_rng(seed)
    made = [trigger(station, on / 10, length / 10, channel) for station, channel, on, length in triggers]
    # What is told: the on when it is there, and again with its off.
    told = [(one.on_us, Trigger(one.station, one.channel, one.on_us)) for one in made]
    told += [(one.off_us, one) for one in made]
    told.sort(key=lambda one: (one[0], one[1].off_us is not None))
    straight, jumbled = Coincidence(), Coincidence()
    expected = straight.take([one for _, one in told]) + straight.advance(10**9)
    late = [(time_us + random.integers(0, 10 * S), i) for i, (time_us, _) in enumerate(told)]
    mixed = [told[i][1] for _, i in sorted(late)]
    found = []
    while mixed:
        n = int(random.integers(1, len(mixed) + 1))
        found += jumbled.take(mixed[:n])
        mixed = mixed[n:]
    found += jumbled.advance(10**9)
    assert ends(found) == ends(expected)
    assert straight.late == jumbled.late == 0
    for events in (expected, found):
        for number in {e.event for e in events}:
            phases = [e.phase for e in events if e.event == number]
            assert phases[0] == "begin"
            assert phases[-1] == "end"
            assert set(phases[1:-1]) <= {"update"}
