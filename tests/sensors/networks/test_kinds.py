"""Networks of each kind: what several stations say together."""

import pytest

from sensors.networks.common_mode import MOST_WAITING
from sensors.networks.neighbor import MOST_SAMPLES
from tests.sensors.networks.told import T0, S, forwards, found, network, network_findings, sample, tell

DAY = 86_400
HOUR = 3600


# --- coincidence ------------------------------------------------------------------------------------


def test_three_stations_that_shake_are_an_event_of_the_network():
    made = network("coincidence", 5, orange_stations=4)
    told = [found("s0", 10, 10.2), found("s1", 10.5, 10.9), found("s2", 11, 11.3), found("s3", 11.5, 12)]
    told += [found(f"s{i}", 10 + i / 2, 20 + i, phase="end") for i in range(4)]
    (begun, event), (joined, more), (ended, over) = network_findings(tell(made, told, until_s=100))
    assert (begun, event.phase, event.level, event.value, event.rule) == (
        11.3,
        "begin",
        "yellow",
        3.0,
        "network_event",
    )
    assert (joined, more.phase, more.level) == (12.0, "update", "orange")
    assert [one["station"] for one in more.evidence["triggers"]] == ["s0", "s1", "s2", "s3"]
    assert event.onset_us == more.onset_us == over.onset_us == T0 + 10 * S
    assert (over.phase, over.level) == ("end", "orange")
    assert ended == pytest.approx(23 + 30, abs=0.001)  # the last off, and the allowed lateness
    assert made.counts() == {"late": 0, "ahead": 0, "forgotten": 0}


def test_an_onset_that_is_told_too_late_or_from_ahead_of_time_is_counted():
    made = network("coincidence", 5)
    told = [found("s0", 100, 100), found("s1", 100, 100), found("s2", 60, 100.5), found("s3", 900, 101)]
    assert network_findings(tell(made, told, until_s=2000)) == []
    assert made.counts()["late"] == 1
    assert made.counts()["ahead"] == 1


# --- many GNSS stations at once ---------------------------------------------------------------------


def step(station, day, told_s, vector=(10.0, 20.0, 0.0), level="yellow", phase="begin"):
    names = ("east", "north", "up")
    between = [T0 + (day - 1) * DAY * S, T0 + day * DAY * S]
    return found(
        station, day * DAY, told_s, phase, level, "displacement", between_us=between,
        step_mm=dict(zip(names, vector, strict=True)), sigma_mm=dict.fromkeys(names, 2.0),
    )  # fmt: skip


def test_a_station_that_moves_alone_is_told_after_the_wait():
    made = network("common_mode", 6, wait_s=HOUR)
    first = step("s0", 10, 20 * DAY, level="red")
    worse = step("s0", 10, 20 * DAY + 60, level="red", phase="update")
    said = tell(made, [first, worse], until_s=20 * DAY + 2 * HOUR)
    at = 20 * DAY + HOUR
    assert forwards(said) == [(at, "s0", "begin", "red"), (at + 60, "s0", "update", "red")]
    assert network_findings(said) == []
    assert "fewer than 3 of 6 stations" in said[0][1].evidence["why"]
    assert forwards(tell(made, [step("s0", 10, 30 * DAY, phase="end")])) == [
        (30 * DAY, "s0", "end", "yellow")
    ]


def test_many_that_move_at_once_are_one_finding_of_the_network_and_none_of_theirs():
    made = network("common_mode", 6, wait_s=HOUR)
    told = [step(f"s{i}", 10, 20 * DAY + 60 * i, (100.0 * i, 20, 0), level="red") for i in range(4)]
    told += [step(f"s{i}", 10, 25 * DAY + i, phase="end") for i in range(4)]
    said = tell(made, told, until_s=60 * DAY)
    assert forwards(said) == []
    (begun, event), (_, more), (ended, over) = network_findings(said)
    assert (begun, event.phase, event.level) == (20 * DAY + 120, "begin", "red")  # with the third of six
    assert "earthquake is likely" in event.title
    assert len(more.evidence["stations"]) == 4
    assert (over.phase, over.onset_us) == ("end", event.onset_us)
    assert ended == 20 * DAY + 180 + DAY + HOUR


def test_one_vector_for_all_is_the_reference_and_a_wild_station_does_not_raise_the_level():
    made = network("common_mode", 4, wait_s=HOUR)
    told = [
        step(f"s{i}", 10, 20 * DAY + i, (30.0 + i, -12, 4), "red" if i == 2 else "blue") for i in range(3)
    ]
    ((_, event),) = network_findings(tell(made, told))
    assert event.level == "yellow"
    assert event.evidence["cause"] == "all by the same vector, as when the reference moves"


def test_steps_on_other_days_are_movements_of_their_own():
    made = network("common_mode", 4, wait_s=HOUR)
    told = [step(f"s{i}", 10 + 5 * i, (20 + 5 * i) * DAY) for i in range(4)]
    said = tell(made, told, until_s=100 * DAY)
    assert [one[1] for one in forwards(said)] == ["s0", "s1", "s2", "s3"]
    assert network_findings(said) == []


def test_a_step_after_the_common_one_is_told():
    """What an earthquake sets off later is a landslide all the same."""
    made = network("common_mode", 3, wait_s=HOUR)
    told = [step(f"s{i}", 10, 20 * DAY + i) for i in range(3)]
    told.append(step("s1", 40, 45 * DAY, level="orange", phase="update"))
    said = tell(made, told, until_s=50 * DAY)
    assert forwards(said) == [(45 * DAY + HOUR, "s1", "update", "orange")]


def test_of_too_many_that_wait_none_is_lost():
    made = network("common_mode", 400, share=1.0)
    told = [step(f"s{i % 300}", 10 * i, 10 * DAY, phase="begin") for i in range(MOST_WAITING + 7)]
    said = tell(made, told)
    assert len(forwards(said)) == made.counts()["overflown"] == 7


def test_a_finding_without_its_span_counts_at_its_onset():
    made = network("common_mode", 3, wait_s=HOUR)
    told = [found(f"s{i}", 10, 100 + i, rule="displacement", between_us="?") for i in range(3)]
    ((_, event),) = network_findings(tell(made, told))
    assert event.evidence["cause"] == "an earthquake, or the reference"


# --- a second gauge ---------------------------------------------------------------------------------


def wave(station, onset_s, told_s, phase="begin", level="yellow"):
    return found(station, onset_s, told_s, phase, level, "sea_level")


def test_one_gauge_alone_is_nothing_of_the_network():
    made = network("confirmation", 3)
    assert tell(made, [wave("s0", 0, 60, level="red"), wave("s0", 0, 900, "end")], until_s=10**6) == []


def test_a_second_gauge_confirms_and_the_highest_of_their_own_levels_holds():
    made = network("confirmation", 3)
    told = [
        wave("s0", 0, 60),
        wave("s1", 1800, 1860),
        wave("s1", 1800, 2400, "update", "red"),
        wave("s0", 0, 5000, "end"),
        wave("s1", 1800, 6000, "end"),
    ]
    said = tell(made, told)
    events = network_findings(said)
    assert [(at, one.phase, one.level) for at, one in events] == [
        (1860, "begin", "orange"),
        (2400, "update", "red"),
        (6000, "end", "red"),
    ]
    assert [one["station"] for one in events[0][1].evidence["members"]] == ["s0", "s1"]


def test_waves_too_far_apart_do_not_confirm_each_other():
    made = network("confirmation", 3, travel_s=3600)
    assert network_findings(tell(made, [wave("s0", 0, 60), wave("s1", 3700, 3800)])) == []


def test_a_broken_gauge_that_begins_again_and_again_stays_bounded():
    made = network("confirmation", 3, travel_s=10**5)
    tell(made, [wave("s0", i, i) for i in range(1100)])
    assert made.counts()["forgotten"] == 100


# --- neighbours -------------------------------------------------------------------------------------


def verdicts(said):
    return [(at_s, one.sample.station, one.sample.revision, one.flag) for at_s, one in said]


def test_of_three_that_should_agree_the_one_that_is_apart_is_marked():
    made = network("neighbor", 3, suspect=0.03, fail=0.05, wait_s=10, offsets={"s2.x": 1.0})
    told = [sample("s0", 0, 2.0), sample("s1", 1, 2.01), sample("s2", 2, 3.1)]
    assert verdicts(tell(made, told, until_s=30)) == [
        (10, "s0", 0, 1),
        (11, "s1", 0, 1),
        (12, "s2", 0, 4),
    ]


def test_a_verdict_is_said_again_when_the_sample_is_revised():
    made = network("neighbor", 2, suspect=0.03, wait_s=10)
    told = [sample("s0", 0, 2.0, flag=2), sample("s1", 0, 2.0)]
    assert verdicts(tell(made, told, until_s=10)) == [(10, "s0", 0, 1), (10, "s1", 0, 1)]
    assert verdicts(tell(made, [sample("s0", 0, 2.0, told_s=12, revision=1)])) == [(12, "s0", 1, 1)]
    assert tell(made, [sample("s0", 0, 2.0, told_s=13, revision=1)]) == []


def test_what_failed_or_is_far_in_time_is_no_neighbour():
    made = network("neighbor", 3, suspect=0.03, wait_s=10, tolerance_s=5)
    told = [sample("s0", 0, 2.0), sample("s1", 0, 9.0, flag=4), sample("s2", 6, 9.0)]
    assert verdicts(tell(made, told, until_s=100)) == [(10, "s1", 0, 3)]


def test_of_too_many_samples_the_oldest_are_forgotten_and_counted():
    made = network("neighbor", 2, suspect=1.0, wait_s=86_400)
    tell(made, [sample("s0", i, 1.0) for i in range(MOST_SAMPLES + 5)])
    assert made.counts() == {"unjudged": 5}
    assert tell(made, [], until_s=10**6) == []
