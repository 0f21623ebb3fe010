from __future__ import annotations

import numpy as np

from gnss.quality.history import FIGURES, HOUR_US, MATURE_HOURS, update
from gnss.quality.memory import new_memory


class Past:
    def __init__(self) -> None:
        self.memory = new_memory(1)
        self.random = np.random.default_rng(8)

    def hour(self, number: int, multipath_m: float, cn0_dbhz: float = 43.0) -> tuple[int, float]:
        """The last answer of an hour of epochs every five seconds."""
        answer = (-1, 0.0)
        hourly = multipath_m + self.random.normal(0, 0.03)
        for k in range(720):
            values = np.array([hourly + self.random.normal(0, 0.05), cn0_dbhz, 0.0, np.nan])
            t_us = number * HOUR_US + k * 5_000_000
            answer = update(self.memory.history[0], self.memory.station[0], t_us, values)
        return answer


def test_nothing_is_unusual_before_a_day_is_known_nor_on_a_steady_station() -> None:
    past = Past()
    for hour in range(60):
        which, deviations = past.hour(hour, 0.30)
        if hour < MATURE_HOURS:
            assert which == -1
        assert deviations < 5.0


def test_what_is_worse_is_named_what_is_better_is_not() -> None:
    past = Past()
    for hour in range(30):
        past.hour(hour, 0.30)
    which, deviations = past.hour(30, 0.65)
    assert FIGURES[which] == "multipath"
    assert deviations > 5.0
    for better in (past.hour(31, 0.05), past.hour(32, 0.30, 47.0)):
        assert better[1] == 0.0
    which, deviations = past.hour(33, 0.30, 38.0)
    assert FIGURES[which] == "cn0"
    assert deviations > 5.0


def test_a_gap_of_days_or_a_step_back_changes_nothing() -> None:
    past = Past()
    for hour in [*range(30), 200]:
        past.hour(hour, 0.30)
    assert past.hour(100, 0.30)[1] < 5.0
    assert past.hour(201, 0.9)[1] > 5.0
