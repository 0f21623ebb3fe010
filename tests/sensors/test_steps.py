import numpy as np
import pytest

from sensors.steps import MOVED, RETURNED, STANDS, STEP, WAITING, look, offset, open_step

S = 1_000_000
MINUTE = 60 * S
START = 1_700_000_000 * S


@pytest.mark.parametrize(
    ("behind", "what"),
    [
        ([0.0], [RETURNED]),
        ([1.0, 1.0, 0.02], [WAITING, WAITING, RETURNED]),
        ([1.0, 1.0, 1.0, 1.0, 1.0], [WAITING] * 4 + [STANDS]),
        ([1.05, 0.95, 1.05, 0.95, 1.0], [WAITING] * 4 + [STANDS]),
        ([1.0, 1.2], [WAITING, MOVED]),
        ([-1.0], [MOVED]),
        ([0.6], [MOVED]),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_what_comes_behind_tells(behind, what, sign, slope):
    (step,) = np.zeros(1, STEP)
    open_step(step, START, 3.0, 3.0 + sign, slope)
    told = []
    for k, value in enumerate(behind, 1):
        at = 3.0 + sign * value + slope * k / 60
        assert offset(step, START + k * MINUTE, at) == pytest.approx(sign * value)
        told.append(look(step, START + k * MINUTE, at, 0.01, 0.0, 5 * MINUTE))
    assert told == what
    assert bool(step["since_us"]) == (what[-1] == WAITING)


def test_two_samples_do_not_stand_still_however_far_apart():
    (step,) = np.zeros(1, STEP)
    open_step(step, START, 0.0, 1.0, 0.0)
    assert look(step, START + 15 * MINUTE, 1.0, 0.01, 0.0, 5 * MINUTE) == WAITING
    assert look(step, START + 30 * MINUTE, 1.0, 0.01, 0.0, 5 * MINUTE) == STANDS
