from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.observations import LOST_LOCK, Observations
from gnss.quality.memory import CELL, SATELLITE
from gnss.quality.slips import (
    LOCK_SLIP,
    PHASE_SLIP,
    by_wide_lane,
    detect,
    lock_upper_ms,
    mark_satellites,
    slipped_satellites,
    wide_lane_cycles,
)
from gnss.rtcm.legacy_layout import LOCK_MS as LEGACY_LOCK_MS
from gnss.rtcm.msm_layout import LOCK_MS
from gnss.systems import UNKNOWN_CHANNEL
from tests.gnss.quality.kernels import MAX_GAP_US, Tracking

SECOND_US = 1_000_000
C_M_S = 299_792_458.0


class Detector:
    """Feeds epochs to the kernel as a station does."""

    def __init__(self, level_dbhz: float = 45.0) -> None:
        self.level_dbhz = level_dbhz
        self.tracking = Tracking()
        self.slip = np.zeros(0, np.uint8)

    def epoch(self, o: Observations, t_us: int, mask_sine: float = 0.0) -> int:
        tracking = self.tracking
        tracking.find(o, t_us)
        tracking.rows["cn0_level_dbhz"] = self.level_dbhz
        seen, rows = tracking.seen, tracking.rows
        slips = detect(tracking.cells, tracking.n, seen, tracking.n_seen, rows, t_us, MAX_GAP_US)
        self.slip = tracking.column("slip")
        mark_satellites(tracking.cells, seen, tracking.n_seen, rows, tracking.satellites, mask_sine, t_us)
        self.satellites = slipped_satellites(seen, tracking.n_seen, tracking.satellites, t_us, 60 * SECOND_US)
        tracking.commit()
        return int(slips)


def one_signal(lock_ms: int, table: int = 1) -> Observations:
    indicators = LOCK_MS[table, : (16, 705)[table]]
    indicator = int(np.searchsorted(indicators, lock_ms, side="right")) - 1
    return Observations(
        row=np.zeros(1, np.int32),
        system=np.zeros(1, np.uint8),
        satellite=np.ones(1, np.uint8),
        signal=np.full(1, 2, np.uint8),
        range_m=np.full(1, 2.2e7),
        phase_m=np.full(1, 2.2e7),
        rate_m_s=np.zeros(1),
        cn0_dbhz=np.full(1, 45.0),
        lock_ms=indicators[[indicator]],
        lock_indicator=np.full(1, indicator, np.int16),
        half_cycle=np.zeros(1, np.uint8),
        flags=np.zeros(1, np.uint8),
        channel=np.zeros(1, np.int8),
    )


def test_an_indicator_ends_where_the_next_begins() -> None:
    for table, count in ((0, 16), (1, 705)):
        for i in range(1, count - 1):
            assert lock_upper_ms(i, float(LOCK_MS[table, i])) == LOCK_MS[table, i + 1], (table, i)
        assert lock_upper_ms(count - 1, float(LOCK_MS[table, count - 1])) == np.inf
    assert lock_upper_ms(0, 0.0) >= LOCK_MS[0, 1]


@settings(deadline=None)
@given(
    st.integers(0, 2_000_000),
    st.lists(st.integers(20, 9_900), min_size=1, max_size=12),
    st.sampled_from([0, 1]),
)
def test_a_signal_that_keeps_lock_never_slips(first_ms: int, gaps_ms: list[int], table: int) -> None:
    detector, lock_ms, t_us = Detector(), first_ms, 0
    detector.epoch(one_signal(lock_ms, table), t_us)
    for gap_ms in gaps_ms:
        lock_ms, t_us = lock_ms + gap_ms, t_us + gap_ms * 1000
        assert detector.epoch(one_signal(lock_ms, table), t_us) == 0


@settings(deadline=None)
@given(st.integers(2_000, 500_000), st.integers(1, 9), st.data())
def test_a_lost_lock_is_a_slip_when_the_indicator_can_tell(before_ms: int, gap_s: int, data: Any) -> None:
    after_ms = data.draw(st.integers(0, gap_s * 1000 - 1))
    detector = Detector()
    detector.epoch(one_signal(before_ms), 0)
    expected = lock_upper_ms(*_sent(after_ms)) <= _sent(before_ms)[1] + gap_s * 1000 - 10
    assert expected, "with two seconds of lock before, every indicator below the gap tells"
    assert detector.epoch(one_signal(after_ms), gap_s * SECOND_US) == 1
    assert detector.slip[0] == LOCK_SLIP


def _sent(lock_ms: int) -> tuple[int, float]:
    o = one_signal(lock_ms)
    return int(o.lock_indicator[0]), float(o.lock_ms[0])


def test_the_last_report_of_the_signal_counts_not_the_nominal_interval() -> None:
    detector = Detector()
    detector.epoch(one_signal(3_000), 0)
    # Locked for 3.5 s, more than before and more than a second; but five seconds have gone by.
    assert detector.epoch(one_signal(3_500), 5 * SECOND_US) == 1


def test_a_signal_that_was_away_for_long_begins_anew() -> None:
    detector = Detector()
    detector.epoch(one_signal(3_000), 0)
    assert detector.epoch(one_signal(500), 11 * SECOND_US) == 0


def test_a_signal_without_lock_cannot_lose_it() -> None:
    detector = Detector()
    assert [detector.epoch(one_signal(0), i * SECOND_US) for i in range(5)] == [0] * 5


def test_one_cycle_on_one_signal_is_one_slip(sky: Any) -> None:
    detector = Detector()
    for i in range(3):
        assert detector.epoch(sky.at(i), sky.time_us(i)) == 0
    sky.cycles[4] += 1
    assert detector.epoch(sky.at(3), sky.time_us(3)) == 1
    assert np.flatnonzero(detector.slip).tolist() == [4]
    assert detector.slip[4] == PHASE_SLIP
    assert detector.satellites == 1
    assert detector.epoch(sky.at(4), sky.time_us(4)) == 0
    assert detector.satellites == 1, "the satellite stays among those of the last minute"


def test_slips_of_several_satellites_are_all_found(sky: Any) -> None:
    detector = Detector()
    detector.epoch(sky.at(0), sky.time_us(0))
    sky.cycles[[1, 8, 20, 40]] -= 2
    assert detector.epoch(sky.at(1), sky.time_us(1)) == 4


def test_a_clock_jump_cancels(sky: Any) -> None:
    detector = Detector()
    detector.epoch(sky.at(0), sky.time_us(0))
    assert detector.epoch(sky.at(1, clock_m=299_792.458), sky.time_us(1)) == 0


def test_a_half_cycle_flag_is_no_slip(sky: Any) -> None:
    detector = Detector()
    first = sky.at(0)
    first.half_cycle[:] = 1
    detector.epoch(first, sky.time_us(0))
    sky.cycles[::3] += 0.5
    assert detector.epoch(sky.at(1), sky.time_us(1)) == 0, "resolving the half cycle"
    sky.cycles[::3] += 0.5
    last = sky.at(2)
    last.half_cycle[::3] = 1
    assert detector.epoch(last, sky.time_us(2)) == 0, "losing it"


@pytest.mark.parametrize(("channel", "slips"), [(UNKNOWN_CHANNEL, 0), (-3, 1)])
def test_glonass_phases_are_compared_where_the_channel_is_known(sky: Any, channel: int, slips: int) -> None:
    detector = Detector()
    sky.system[:36] = 1
    for i, expected in ((0, 0), (1, slips)):
        epoch = sky.at(i)
        epoch.channel[:36] = channel
        epoch.signal[:36] = np.tile((2, 3, 8), 12)
        assert detector.epoch(epoch, sky.time_us(i)) == expected
        sky.cycles[4] += 1


def test_the_threshold_grows_with_the_interval(sky: Any) -> None:
    detector = Detector()
    jump = 0.2 / (299_792_458.0 / sky.hz[4])
    detector.epoch(sky.at(0), sky.time_us(0))
    sky.cycles[4] += jump
    assert detector.epoch(sky.at(9), sky.time_us(9)) == 0, "9 s of ionosphere may do 0.2 m"
    sky.cycles[4] += jump
    assert detector.epoch(sky.at(10), sky.time_us(10)) == 1, "one second may not"


@pytest.mark.parametrize(("level_dbhz", "satellites"), [(45.0, 1), (30.0, 0)])
def test_weak_signals_do_not_make_a_slipped_satellite(sky: Any, level_dbhz: float, satellites: int) -> None:
    detector = Detector(level_dbhz)
    detector.epoch(sky.at(0), sky.time_us(0))
    sky.cycles[4] += 1
    assert detector.epoch(sky.at(1), sky.time_us(1)) == 1
    assert detector.satellites == satellites


def test_rinex_tells_a_lost_lock_itself(sky: Any) -> None:
    detector = Detector()
    for i in range(3):
        epoch = sky.at(i)
        epoch.lock_ms[:] = epoch.lock_indicator[:] = -1
        epoch.flags[7] = LOST_LOCK * (i == 2)
        assert detector.epoch(epoch, sky.time_us(i)) == (i == 2)
    assert np.flatnonzero(detector.slip == LOCK_SLIP).tolist() == [7]


def pair(n_i: float, n_j: float, i: int, noise: Any) -> tuple[Any, Any]:
    """The two carriers of a satellite with so many more cycles each."""
    high, low = np.zeros(1, CELL)[0], np.zeros(1, CELL)[0]
    high["hz"], low["hz"] = 1575.42e6, 1227.60e6
    for cell, cycles, delay_m in ((high, n_i, 3.0), (low, n_j, 3.0 * (1575.42 / 1227.60) ** 2)):
        cell["range_m"] = 2.2e7 + 300.0 * i + delay_m + noise.normal(0, 0.3)
        cell["phase_m"] = 2.2e7 + 300.0 * i - delay_m + cycles * C_M_S / cell["hz"] + noise.normal(0, 0.003)
    return high, low


@pytest.mark.parametrize(("cycles", "found"), [((0, 0), 0), ((9, 7), 1), ((77, 60), 1), ((5, 5), 0)])
def test_the_wide_lane_sees_what_the_geometry_free_phase_cannot(cycles: Any, found: int) -> None:
    satellite, noise = np.zeros(1, SATELLITE), np.random.default_rng(3)
    satellite["wide_arc"], satellite["wide_us"] = -1, -(2**62)
    slips = []
    for i in range(300):
        more = cycles if i >= 200 else (0, 0)
        high, low = pair(100 + more[0], 50 + more[1], i, noise)
        if wide(satellite, high, low, i * SECOND_US):
            slips.append(i)
    assert len(slips) == found
    assert all(200 <= i <= 203 for i in slips)


def wide(satellite: Any, high: Any, low: Any, t_us: int) -> bool:
    return bool(by_wide_lane(satellite[0], high, low, t_us, MAX_GAP_US))


def test_wide_lane_cycles_are_those_of_the_literature() -> None:
    # N1 - N2 without noise and whatever the geometry and the ionosphere
    f1, f2 = 1575.42e6, 1227.60e6
    for geometry_m, iono_m in ((2.0e7, 1.0), (2.5e7, 30.0)):
        iono2_m = iono_m * (f1 / f2) ** 2
        value = wide_lane_cycles(
            geometry_m + iono_m, geometry_m + iono2_m, geometry_m - iono_m + 12 * C_M_S / f1,
            geometry_m - iono2_m - 30 * C_M_S / f2, f1, f2,
        )  # fmt: skip
        assert value == pytest.approx(42.0, abs=1e-6)


def test_lock_times_of_legacy_messages_end_where_the_next_begins() -> None:
    for i in range(1, 127):
        assert lock_upper_ms(i, float(LEGACY_LOCK_MS[i])) == LEGACY_LOCK_MS[i + 1], i
    assert lock_upper_ms(127, float(LEGACY_LOCK_MS[127])) == np.inf
