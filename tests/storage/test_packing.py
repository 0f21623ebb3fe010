import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sql.packing import pack, pack_report, scaled, scaled_each, unpack_kept_report, unpack_report
from streams.records import EARLIEST_US, LATEST_US, Reason, StationReport

whole = st.integers(-(2**63), 2**63 - 1)
times = st.integers(EARLIEST_US, LATEST_US)
figure = st.none() | st.floats(allow_nan=False)
reasons = st.lists(
    st.builds(Reason, code=st.text(), text=st.text(), value=figure, threshold=figure, check=st.text()),
    max_size=3,
)
reports = st.builds(
    StationReport,
    station_id=st.text(),
    epoch_us=times,
    received_at_us=st.none() | times,
    state=st.sampled_from(("good", "unknown", "degraded", "bad")),
    score=st.none() | st.integers(0, 100),
    reasons=reasons,
    latency_s=figure,
    jitter_s=figure,
    cn0_dbhz=figure,
    multipath_m=figure,
    ecef_m=st.none() | st.tuples(*[st.floats(allow_nan=False)] * 3),
    **dict.fromkeys(("epochs", "epochs_expected", "satellites", "slips", "frames", "bad_frames"), whole),
    observations=whole,
    observations_expected=st.none() | whole,
)


@given(reports)
def test_a_packed_report_comes_back_as_it_was(report):
    assert unpack_report(pack_report(report)) == report


@given(reports)
def test_a_kept_report_is_read_as_this_version_and_those_before_wrote_it(report):
    fields = msgspec.structs.astuple(report)
    for kept in (pack_report(report), pack(report), pack((*fields, "of a later version"))):
        assert unpack_kept_report(kept) == report
    assert unpack_kept_report(pack(fields[:-1])) == msgspec.structs.replace(report, ecef_m=None)


@given(reports)
def test_what_another_version_packed_is_no_report(report):
    fields = msgspec.structs.astuple(report)
    for other in (pack(report), pack(fields[:-1]), pack((*fields, 1)), pack(fields[::-1]), b""):
        assert unpack_report(other) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (math.nan, None), (math.inf, None), (-math.inf, None), (1.23456, 12346), (-0.00004, 0),
        (1e17, 2**62), (-1e17, -(2**62)), (1e308, 2**62), (-1e308, -(2**62)),
    ],
)  # fmt: skip
def test_scaled_numbers_fit_into_a_column(value, expected):
    assert scaled(value, 10_000) == expected


@given(
    st.lists(st.none() | st.floats() | st.floats(-1e4, 1e4) | st.integers(-10, 10).map(lambda n: n / 2)),
    st.sampled_from([1, 1000, 10_000]),
)
def test_values_are_scaled_together_as_one_by_one(values, scale):
    assert scaled_each(values, scale) == [scaled(value, scale) for value in values]
