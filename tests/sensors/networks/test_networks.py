"""What all kinds of networks have in common: one member alone is never a network."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.networks import (
    Found,
    NetworkKind,
    NetworkParameters,
    Verdict,
    find_network_kind,
    needed,
    network_kinds,
    read_network,
    register,
)
from tests.sensors.networks.told import found, network, pass_time, plain, sample, tell

KINDS = ("coincidence", "common_mode", "confirmation")
RULES = {"coincidence": "shaking", "common_mode": "displacement", "confirmation": "sea_level"}
WILD = st.lists(
    st.tuples(
        st.floats(-200_000, 200_000),  # the onset, before or ahead of its telling
        st.integers(0, 100_000),
        st.sampled_from(["begin", "update", "end"]),
        st.sampled_from(["blue", "yellow", "orange", "red"]),
        st.sampled_from("xyz"),
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", KINDS)
@given(wild=WILD)
def test_one_station_whatever_it_tells_makes_no_finding_of_the_network(kind, wild):
    made = network(kind, 5)
    told = [
        found("s1", onset, told, phase, level, RULES[kind], channel)
        for onset, told, phase, level, channel in sorted(wild, key=lambda one: one[1])
    ]
    said = tell(made, told, until_s=10**7)
    assert not [one for _, one in said if isinstance(one, Found)]


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_one_series_is_not_held_against_itself(values):
    made = network("neighbor", 3, suspect=1.0)
    said = tell(made, [sample("s1", i, value) for i, value in enumerate(values)], until_s=10_000)
    assert not said


STORY = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 60),
        st.integers(0, 20),
        st.sampled_from(["begin", "update", "end"]),
        st.sampled_from(["blue", "yellow", "orange", "red"]),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", KINDS)
@given(story=STORY)
def test_a_restart_after_each_telling_changes_nothing(kind, story):
    told = [
        found(f"s{station}", at - before, at, phase, level, RULES[kind])
        for station, at, before, phase, level in sorted(story, key=lambda one: one[1])
    ]

    def fresh():
        return network(kind, 5)

    straight = tell(fresh(), told)
    assert plain(tell(fresh(), told, restart=fresh)) == plain(straight)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.floats(-3, 3)), max_size=30))
def test_neighbours_go_on_after_a_restart(story):
    told = [sample(f"s{station}", at, value) for station, at, value in sorted(story, key=lambda one: one[1])]

    def fresh():
        return network("neighbor", 3, suspect=1.0, fail=2.0, wait_s=5.0, tolerance_s=1.0)

    made = tell(fresh(), told)
    assert plain(tell(fresh(), told, restart=fresh)) == plain(made)
    assert all(isinstance(one, Verdict) for _, one in made)


def test_a_kind_is_found_by_its_name_and_read_with_its_parameters():
    assert set(network_kinds()) >= {*KINDS, "neighbor"}
    with pytest.raises(ValueError, match="no kind of network 'weather'; choose one of"):
        find_network_kind("weather")
    with pytest.raises(ValueError, match=r"coincidence: .*least"):
        read_network("coincidence", {"least": 1})
    with pytest.raises(ValueError, match="unknown field"):
        read_network("neighbor", {"suspect": 1.0, "fails": 2.0})
    for kind, bad in (
        ("coincidence", {"window_s": 0}),
        ("coincidence", {"orange_stations": 2}),
        ("common_mode", {"share": 1.5}),
        ("common_mode", {"wait_s": 0}),
        ("confirmation", {"least": 1}),
        ("confirmation", {"travel_s": 0}),
        ("neighbor", {"suspect": 2, "fail": 1}),
        ("neighbor", {"suspect": 1, "wait_s": 0}),
        ("neighbor", {"suspect": 1, "offsets": {"a": float("nan")}}),
    ):
        with pytest.raises(ValueError, match=kind):
            read_network(kind, bad)
    with pytest.raises(ValueError, match="two kinds"):
        register(
            NetworkKind("neighbor", "1", NetworkParameters, lambda *_: network("neighbor", 2, suspect=1))
        )


def test_never_is_one_station_enough():
    assert needed(1, 0.0, 100) == 2
    assert needed(3, 0.5, 4) == 3
    assert needed(3, 0.5, 10) == 5
    assert needed(3, 0.5, 11) == 6


def test_what_is_not_for_a_kind_is_passed_over():
    for kind in KINDS:
        assert network(kind, 3).take(sample("s1", 0, 1.0)) == []
    assert network("neighbor", 3, suspect=1.0).take(found("s1", 0, 0)) == []
    assert pass_time(network("confirmation", 3), 10**18) == []
