"""Times of the kernels against `gnss.time`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gnss.assembly.times import resolve_day_kernel, resolve_week_kernel
from gnss.time import DAY_US, GPS_EPOCH_US, LEAP_UTC_US, SECOND_US, WEEK_US, resolve_day, resolve_week

references = st.integers(GPS_EPOCH_US - WEEK_US, 4_000_000_000 * SECOND_US) | st.tuples(
    st.sampled_from(LEAP_UTC_US.tolist()), st.integers(-WEEK_US, WEEK_US) | st.integers(-3_000_000, 3_000_000)
).map(sum)


@given(st.integers(0, WEEK_US // 1000 - 1), references)
def test_weeks(time_ms, reference_us):
    assert resolve_week_kernel(time_ms, reference_us) == int(resolve_week(time_ms, reference_us))


@given(st.integers(0, DAY_US // 1000 - 1), references)
def test_days(time_ms, reference_us):
    assert resolve_day_kernel(time_ms, reference_us) == int(resolve_day(time_ms, reference_us))
