from __future__ import annotations

import math
import tomllib
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.quality import latency
from gnss.quality.judgements import INDICATORS, STATES, points_of, state_of
from gnss.quality.score import Limit, Thresholds, default_limits, words

UP, DOWN = Limit(0.5, 2.0, 5.0), Limit(1.0, 0.95, 0.8)


def points(limit: Limit, value: float) -> float:
    return float(points_of(value, limit.perfect, limit.degraded, limit.bad))


@pytest.mark.parametrize("limit", [UP, DOWN])
@settings(deadline=None)
@given(a=st.floats(-1, 12), b=st.floats(-1, 12))
def test_worse_values_never_get_more_points(limit: Limit, a: float, b: float) -> None:
    worse, better = (max(a, b), min(a, b)) if limit is UP else (min(a, b), max(a, b))
    assert 0 <= points(limit, worse) <= points(limit, better) <= 100


@pytest.mark.parametrize(
    ("limit", "value", "state"),
    [
        (UP, 0.1, "good"),
        (UP, 1.99, "good"),
        (UP, 2.0, "degraded"),
        (UP, 4.99, "degraded"),
        (UP, 5.0, "bad"),
        (UP, 50.0, "bad"),
        (DOWN, 0.951, "good"),
        (DOWN, 0.95, "degraded"),
        (DOWN, 0.81, "degraded"),
        (DOWN, 0.8, "bad"),
        (DOWN, 0.0, "bad"),
    ],
)
def test_a_threshold_that_is_reached_decides(limit: Limit, value: float, state: str) -> None:
    assert STATES[state_of(int(points(limit, value)))] == state


def test_every_indicator_has_limits_words_and_a_source() -> None:
    table: dict[str, Any] = tomllib.loads(
        resources.files("gnss.quality").joinpath("indicators.toml").read_text("utf-8")
    )
    entries = [name for name, entry in table.items() if isinstance(entry, dict)]
    assert entries == list(INDICATORS)
    for code, limit in default_limits().items():
        assert limit.perfect <= limit.degraded < limit.bad or limit.perfect >= limit.degraded > limit.bad, (
            code
        )
        assert table[code]["source"]
        assert table[code]["check"]
        assert words(code).text.endswith(".")


def test_limits_become_columns_in_order() -> None:
    limits, times = Thresholds(hold_s=5.0).columns()
    assert limits.shape == (len(INDICATORS), 3)
    assert limits[INDICATORS.index("latency")].tolist() == [0.5, 2.0, 5.0]
    assert times.tolist() == [5.0, 30.0, 900.0]


def test_latency_is_a_median_and_jitter_a_spread() -> None:
    ring = np.zeros(60, np.float32)
    assert math.isnan(latency.recent_s(ring, 0))
    assert math.isnan(latency.jitter_s(ring, 9))
    assert latency.extremes_s(ring, 0) == (0.0, 0.0)
    for k in range(100):
        ring[k % 60] = 0.2 + 0.01 * (k % 20) + (3.0 if k == 98 else 0.0)
    assert latency.recent_s(ring, 100) == pytest.approx(0.37)
    assert latency.jitter_s(ring, 100) == pytest.approx(0.19, abs=0.02)
    assert latency.extremes_s(ring, 100) == pytest.approx((0.30, 3.38))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-5, 50, width=32), min_size=10, max_size=150))
def test_jitter_is_that_of_the_sorted_values(values: list[float]) -> None:
    ring = np.zeros(60, np.float32)
    for k, value in enumerate(values):
        ring[k % 60] = value
    last = sorted(np.float32(v) for v in values[-60:])
    n = len(last)
    spread = last[min(int(0.95 * n), n - 1)] - last[int(0.05 * n)]
    assert latency.jitter_s(ring, len(values)) == pytest.approx(float(spread), abs=1e-5)
