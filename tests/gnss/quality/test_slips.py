from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.observations import Observations
from gnss.quality.slips import LOCK_SLIP, PHASE_SLIP, detect, lock_upper_ms, slipped_satellites
from gnss.quality.tracking import Tracking, commit
from gnss.rtcm.msm_layout import LOCK_MS
from gnss.systems import UNKNOWN_CHANNEL

SECOND_US = 1_000_000
MAX_GAP_US = 10 * SECOND_US


class Detector:
    """Feeds epochs to the kernel as a station does."""

    def __init__(self, level_dbhz: float = 45.0) -> None:
        self.level_dbhz = level_dbhz
        self.tracking = Tracking()
        self.slip = np.zeros(0, np.uint8)

    def epoch(self, o: Observations, t_us: int) -> int:
        cell_row, following, _, _ = self.tracking.find(o, t_us)
        self.slip = np.empty(len(o), np.uint8)
        self.tracking.rows["cn0_level_dbhz"] = self.level_dbhz
        rows, head = self.tracking.rows, self.tracking.head
        slips = detect(
            rows, cell_row, head, following, o.system, o.phase_m, o.lock_ms, o.lock_indicator, o.half_cycle,
            o.channel, t_us, MAX_GAP_US, 10.0, 0.05, 0.043, self.slip,
        )  # fmt: skip
        self.satellites = slipped_satellites(
            rows, self.tracking.satellites, cell_row, head, following, self.slip, t_us, 60 * SECOND_US
        )
        commit(rows, cell_row, o.phase_m, o.lock_ms, o.half_cycle, t_us)
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
