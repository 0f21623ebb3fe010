"""When the next round begins."""

from __future__ import annotations

import pytest

from streams.resting import APART_S, MANY_A_SECOND, Resting


def test_a_first_round_begins_at_once() -> None:
    assert Resting().left_s(100.0) == 0


def test_rounds_of_few_stations_begin_as_soon_as_something_comes() -> None:
    resting = Resting()
    for k in range(200):
        resting.began(100.0 + k * 0.01, (MANY_A_SECOND - 50) // 100, is_all=True)
        assert resting.left_s(100.0 + k * 0.01) == 0


def test_a_burst_of_few_stations_is_not_taken_for_many() -> None:
    resting = Resting()
    resting.began(100.0, MANY_A_SECOND - 1, is_all=True)
    assert resting.left_s(100.01) == 0


def test_rounds_of_many_stations_begin_apart() -> None:
    resting = Resting()
    resting.began(100.0, MANY_A_SECOND, is_all=True)
    assert resting.left_s(100.05) == pytest.approx(APART_S - 0.05)
    assert resting.left_s(100.0 + APART_S) == pytest.approx(0.0)
    assert resting.left_s(103.0) == 0, "the round itself was longer"


def test_who_is_behind_does_not_rest() -> None:
    resting = Resting()
    resting.began(100.0, 3000, is_all=False)
    assert resting.left_s(100.05) == 0
    resting.began(100.1, 100, is_all=True)
    assert resting.left_s(100.15) == pytest.approx(APART_S - 0.05)


def test_what_came_more_than_a_second_ago_does_not_count() -> None:
    resting = Resting()
    resting.began(100.0, 5000, is_all=True)
    resting.began(101.1, 10, is_all=True)
    assert resting.left_s(101.11) == 0
