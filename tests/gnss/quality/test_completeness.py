from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnss.quality.completeness import EXPECTED_S, EpochGrid, expected_observations, share
from gnss.quality.tracking import ROWS, Tracking, commit

WINDOW_US = round(EXPECTED_S * 1e6)


def expected_after(tracking: Tracking, o: Any, t_us: int, level_dbhz: float = 45.0) -> int:
    cell_row, _, _, _ = tracking.find(o, t_us)
    tracking.rows["cn0_level_dbhz"] = level_dbhz
    expected = expected_observations(tracking.rows, t_us, WINDOW_US, 35.0)
    commit(tracking.rows, cell_row, o.phase_m, o.lock_ms, o.half_cycle, t_us)
    return int(expected)


def test_a_signal_stays_expected_for_thirty_seconds(sky: Any) -> None:
    tracking = Tracking()
    some = sky.satellite > 2
    expected_after(tracking, sky.at(0), sky.time_us(0))
    counts = [expected_after(tracking, sky.at(i, keep=some), sky.time_us(i)) for i in range(1, 40)]
    assert counts == [len(sky)] * 30 + [int(some.sum())] * 9


def test_a_weak_signal_that_goes_has_set(sky: Any) -> None:
    tracking = Tracking()
    some = sky.satellite > 2
    expected_after(tracking, sky.at(0), sky.time_us(0))
    assert expected_after(tracking, sky.at(1, keep=some), sky.time_us(1), 33.0) == some.sum()


def test_a_new_signal_is_expected_once_it_came(sky: Any) -> None:
    tracking = Tracking()
    assert expected_after(tracking, sky.at(0, keep=sky.satellite > 2), sky.time_us(0)) < len(sky)
    assert expected_after(tracking, sky.at(1), sky.time_us(1)) == len(sky)


def test_memory_is_bounded_and_what_has_no_room_is_counted(sky: Any) -> None:
    from gnss.observations import Observations

    n = 7 * 64 * 32
    number = np.arange(n)
    flood = Observations(
        row=np.zeros(n, np.int32),
        system=(number // (64 * 32)).astype(np.uint8),
        satellite=(number // 32 % 64 + 1).astype(np.uint8),
        signal=(number % 32 + 1).astype(np.uint8),
        range_m=np.full(n, 2.2e7),
        phase_m=np.full(n, 2.2e7),
        rate_m_s=np.zeros(n),
        cn0_dbhz=np.full(n, 45.0),
        lock_ms=np.full(n, 1000, np.int32),
        lock_indicator=np.full(n, 300, np.int16),
        half_cycle=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=np.zeros(n, np.int8),
    )
    tracking = Tracking()
    cell_row, _, observed, _ = tracking.find(flood, sky.time_us(0))
    assert observed == ROWS
    assert tracking.no_room == n - ROWS
    assert len(set(cell_row[cell_row >= 0].tolist())) == ROWS
    # A minute later the rows are free for the real sky again.
    commit(tracking.rows, cell_row, flood.phase_m, flood.lock_ms, flood.half_cycle, sky.time_us(0))
    _, _, observed, satellites = tracking.find(sky.at(61), sky.time_us(61))
    assert (observed, satellites) == (len(sky), 20)


def test_cells_without_value_repeated_or_impossible_do_not_count(sky: Any) -> None:
    epoch = sky.at(0)
    epoch.range_m[0] = epoch.phase_m[0] = np.nan
    epoch.range_m[1] = np.nan
    epoch.satellite[2] = 0
    epoch.satellite[4], epoch.signal[4] = epoch.satellite[3], epoch.signal[3]
    cell_row, _, observed, _ = Tracking().find(epoch, sky.time_us(0))
    assert np.flatnonzero(cell_row < 0).tolist() == [0, 2, 4]
    assert observed == len(sky) - 3


@pytest.mark.parametrize(("interval_s", "step_us"), [(0.2, 1_000_000), (1.0, 1_000_000), (30.0, 30_000_000)])
def test_slots(interval_s: float, step_us: int) -> None:
    grid = EpochGrid(interval_s, anchor_us=500_000)
    assert grid.step_us == step_us
    times = [500_000 + round(k * interval_s * 1e6) for k in range(20)]
    slots = [grid.slot(t) for t in times]
    assert slots == [k // grid.epochs_a_slot for k in range(20)]
    assert [grid.epochs_by(t) for t in times] == [k % grid.epochs_a_slot + 1 for k in range(20)]
    assert [grid.slot(t - 10_000) for t in times] == slots, "a receiver's clock may be early"


def test_reports_on_a_gap_are_bounded() -> None:
    grid, slot, slots = EpochGrid(1.0), 100, []
    while (following := grid.next_missed(slot, 100)) is not None:
        assert following > slot
        slot = following
        slots.append(slot - 100)
    assert slots[:600] == list(range(1, 601))
    assert slots[600:603] == [660, 720, 780]
    assert len(slots) < 600 + 6 * 60 + 31 * 24
    assert slots[-1] <= 32 * 86_400


def test_share_never_exceeds_one_and_needs_an_expectation() -> None:
    assert share(3, 4) == 0.75
    assert share(5, 4) == 1.0
    assert share(5, 0) is None
