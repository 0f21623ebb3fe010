import pytest

from sensors.persistence import Residual, persists, reaches, shorten

S = 1_000_000


def recent(over, step_s=60, size=1.0):
    return [Residual(i * step_s * S, 0.0, size * o, 0.0, bool(o)) for i, o in enumerate(over)]


@pytest.mark.parametrize(
    ("over", "step_s", "does"),
    [
        ([1, 1, 1], 60, True),
        ([1, 1], 60, False),
        ([1, 0, 1, 0, 1], 60, True),
        ([1, 0, 0, 0, 1], 60, False),
        ([1, 1, 1], 59, False),
        ([1] * 12, 10, False),
        ([1] * 13, 10, True),
        ([1, 0] * 12 + [1], 10, False),
        ([1, 1, 0] * 8 + [1], 10, True),
    ],
)
def test_three_of_five_or_three_fifths_of_more_over_two_minutes(over, step_s, does):
    assert persists(recent(over, step_s), 120.0) is does


def test_a_limit_is_reached_by_three_samples_over_long_enough():
    assert reaches(recent([1, 0, 0, -1, 1]), 1.0, 60.0)
    assert not reaches(recent([1, 0, 0, 0, 1]), 1.0, 60.0)
    assert not reaches(recent([1, 1, 1], step_s=20), 1.0, 60.0)
    assert not reaches(recent([1, 1, 1], size=0.9), 1.0, 60.0)


@pytest.mark.parametrize(("step_s", "left"), [(360, 5), (60, 5), (10, 25)])
def test_what_is_remembered_is_five_samples_or_twice_the_duration(step_s, left):
    rows = recent([1] * 60, step_s)
    shorten(rows, rows[-1].time_us, 120.0)
    assert len(rows) == left
