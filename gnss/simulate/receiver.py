"""The receiver's clock: steered, or free with steps of a millisecond."""

from __future__ import annotations

import math
from typing import Literal

from gnss.simulate.rays import DIFFERENCE_S

Clock = Literal["steered", "free"]
"""steered: within 0.5 us of GPS time; free: it drifts, and is set back by a millisecond at half of one."""
STEERED_S, STEERED_PERIOD_S = 1e-7, 900.0
DAILY_S, DAY_S = 3e-7, 86_400.0
FREE_DRIFT = 5e-7
STEP_S = 1e-3


def free_s(clock: Clock, time_s: float, seed: int) -> float:
    """Return how much the clock would be ahead if it were never set back.

    Parameters
    ----------
    time_s
        GPS time, any origin.
    seed
        Of the station: phases, and a drift of 0.5 to 1 times `FREE_DRIFT` either way.
    """
    phase = 2.399963 * seed
    wander_s = STEERED_S * math.sin(2.0 * math.pi * time_s / STEERED_PERIOD_S + phase)
    wander_s += DAILY_S * math.sin(2.0 * math.pi * time_s / DAY_S + 2.0 * phase)
    if clock == "steered":
        return wander_s
    drift = FREE_DRIFT * (0.75 + 0.25 * math.sin(phase)) * (1 if seed % 2 else -1)
    return wander_s + drift * time_s


def offsets_s(clock: Clock, time_s: float, seed: int, steps_s: float) -> tuple[float, float, float]:
    """Return how much the clock is ahead now, and just before and behind, as if without a step between.

    Parameters
    ----------
    clock, time_s, seed
        As for `free_s`.
    steps_s
        What faults have added.
    """
    now_s = free_s(clock, time_s, seed)
    set_back_s = STEP_S * round(now_s / STEP_S) - steps_s
    before_s = free_s(clock, time_s - DIFFERENCE_S, seed)
    behind_s = free_s(clock, time_s + DIFFERENCE_S, seed)
    return now_s - set_back_s, before_s - set_back_s, behind_s - set_back_s
