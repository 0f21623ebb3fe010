"""Text of columns is read back as what it was."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from dashboards.export import text
from dashboards.export.aggregates import Aggregates, of_samples
from storage.columns import SampleColumns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
time_us = st.integers(-(10**15), 7 * 10**15)
rows = st.lists(
    st.tuples(
        time_us, st.text(max_size=8), st.none() | st.floats(), st.none() | st.integers(-(2**63), 2**63 - 1)
    ),
    max_size=20,
)  # fmt: skip


def batch_of(some, zone="UTC"):
    times, names, values, counts = zip(*some, strict=True) if some else ([],) * 4
    return pa.RecordBatch.from_arrays(
        [
            pa.array(times, pa.int64()).cast(pa.timestamp("us", zone)),
            pa.array(names, pa.string()).dictionary_encode(),
            pa.array(values, pa.float64()),
            pa.array(counts, pa.int64()),
        ],
        names=["at", 'na"me', "value", "count"],
    )


def finite(value):
    return None if value is None or not math.isfinite(value) else value


@given(rows)
@example([(0, 'a,b\r\n"c"', 0.1, None), (1, "=cmd", 1e-320, 2**62), (1_000_000, "", -0.0, 0)])
def test_json_is_read_back(some):
    told = json.loads(b"[" + text.json_rows(batch_of(some))[1:] + b"]")
    assert len(told) == len(some)
    for row, (at_us, name, value, count) in zip(told, some, strict=True):
        assert datetime.fromisoformat(row["at"]) == EPOCH + timedelta(microseconds=at_us)
        assert (row['na"me'], row["value"], row["count"]) == (name, finite(value), count)


@given(rows)
@example([(0, 'a,b\r\n"c"', 0.1, None), (1, "=cmd", 1e-320, 2**62), (1_000_000, "", -0.0, 0)])
def test_csv_is_read_back(some):
    batch = batch_of(some, "Asia/Shanghai")
    told = list(csv.reader(io.StringIO(text.csv_rows(batch).decode(), newline="")))
    assert len(told) == len(some)
    for (at, name, value, count), known in zip(told, some, strict=True):
        assert datetime.fromisoformat(at) == EPOCH + timedelta(microseconds=known[0])
        assert at.endswith("+08:00")
        assert name == ("'" + known[1] if known[1][:1] in set("=+-@\t\r") and known[1] else known[1])
        assert (float(value) if value else None) == finite(known[2])
        assert (int(count) if count else None) == known[3]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 20), st.floats(-1e6, 1e6) | st.just(math.nan),
                  st.sampled_from([1, 1, 2, 3, 4, 9])),
        unique_by=lambda row: row[:2], max_size=60,
    ),
    st.sampled_from([1, 5, 100]), st.booleans(),
)  # fmt: skip
def test_windows_of_samples_are_numpys(some, window_us, only_good):
    series, at, value, flag = (
        (np.array(one) for one in zip(*some, strict=True)) if some else (np.zeros(0),) * 4
    )
    samples = SampleColumns(
        series.astype(np.int32), at.astype(np.int64), value.astype(np.float64), flag.astype(np.int16)
    ).ordered()
    shares = list(Aggregates.read("p5,p50,p99.9,p100").percentiles.values())
    told = of_samples(samples, window_us, shares, only_good=only_good)
    keys = sorted({(int(t) // window_us * window_us, int(s)) for s, t, _, _ in some})
    assert list(zip(told.sums.time_us.tolist(), told.sums.series.tolist(), strict=True)) == keys
    for row, (begin, one) in enumerate(keys):
        inside = sorted((t, v, f) for s, t, v, f in some if s == one and begin <= t < begin + window_us)
        good = np.array([v for _, v, f in inside if not math.isnan(v) and (f == 1 or not only_good)])
        assert told.sums.n[row] == len(good)
        assert told.sums.flags[row].tolist() == [
            sum(f == flag for _, _, f in inside) for flag in (1, 2, 3, 4, 9)
        ]
        figures = [told.sums.total[row], told.sums.low[row], told.sums.high[row], told.sums.last[row]]
        if len(good):
            np.testing.assert_allclose(figures, [good.sum(), good.min(), good.max(), good[-1]], atol=1e-6)
            known = np.percentile(good, [5, 50, 99.9, 100])
            np.testing.assert_allclose(told.percentiles[row], known, atol=1e-6)
        else:
            assert np.isnan(figures).all()
            assert np.isnan(told.percentiles[row]).all()
