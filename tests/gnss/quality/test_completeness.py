from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnss.quality import grid
from gnss.quality.completeness import EXPECTED_S, expected_observations, share
from gnss.quality.memory import ROWS
from tests.gnss.quality.kernels import Tracking

WINDOW_US = round(EXPECTED_S * 1e6)


def expected_after(tracking: Tracking, o: Any, t_us: int, level_dbhz: float = 45.0) -> int:
    tracking.find(o, t_us)
    tracking.rows["cn0_level_dbhz"] = level_dbhz
    tracking.commit()
    return tracking.n + int(expected_observations(tracking.rows, t_us, WINDOW_US, 35.0))


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
    tracking.find(flood, sky.time_us(0))
    assert tracking.n == ROWS
    assert tracking.no_room == n - ROWS
    assert len(set(tracking.column("row").tolist())) == ROWS
    tracking.commit()
    tracking.find(sky.at(59), sky.time_us(59))
    assert tracking.no_room > n - ROWS
    # A minute later the rows are free for the real sky again.
    tracking.find(sky.at(61), sky.time_us(61))
    assert (tracking.n, tracking.n_seen) == (len(sky), 20)


def test_cells_without_value_repeated_or_impossible_do_not_count(sky: Any) -> None:
    epoch = sky.at(0)
    epoch.range_m[0] = epoch.phase_m[0] = np.nan
    epoch.range_m[1] = np.nan
    epoch.satellite[2] = 0
    epoch.satellite[4], epoch.signal[4] = epoch.satellite[3], epoch.signal[3]
    tracking = Tracking()
    tracking.find(epoch, sky.time_us(0))
    assert tracking.n == len(sky) - 3
    left = [c for c in range(len(sky)) if c not in {0, 2, 4}]
    assert tracking.column("signal").tolist() == epoch.signal[left].tolist()


@pytest.mark.parametrize(("interval_s", "step"), [(0.2, 1_000_000), (1.0, 1_000_000), (30.0, 30_000_000)])
def test_slots(interval_s: float, step: int) -> None:
    anchor, interval = 500_000, grid.interval_us(interval_s)
    per_slot = grid.epochs_a_slot(interval, step)
    times = [anchor + round(k * interval_s * 1e6) for k in range(20)]
    slots = [grid.slot_of(t, anchor, interval, step) for t in times]
    assert slots == [k // per_slot for k in range(20)]
    by = [grid.epochs_by(t, anchor, interval, step) for t in times]
    assert by == [k % per_slot + 1 for k in range(20)]
    early = [grid.slot_of(t - 10_000, anchor, interval, step) for t in times]
    assert early == slots, "a receiver's clock may be early"


def test_reports_on_a_gap_are_bounded() -> None:
    slot, slots = 100, []
    while (following := grid.next_missed(slot, 100, 1_000_000)) != grid.NO_SLOT:
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
