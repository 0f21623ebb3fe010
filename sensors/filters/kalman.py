"""Kalman filter of a local level, or level and trend, with a test of each innovation.

The level walks by `level_variance_per_s`, the trend (per second) by `trend_variance_per_s`, the instrument
adds `noise_variance`; without a `trend_variance_per_s` there is no trend (Harvey 1989, chapter 2; Durbin and
Koopman). Out of control is an innovation whose square exceeds `limit` times its variance: 6.63 is the chi-
squared value of one in a hundred, 10.83 of one in a thousand. Such a sample is not learnt from, unless it is
the `patience`-th in a row: then the series has moved, and the filter begins anew there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.filters import AFTER_GAP, COMMON, FIRST, SKIPPED, FilterParameters, arrival
from sensors.quality import MISSING, NOT_EVALUATED, PASS, SUSPECT


class KalmanParameters(FilterParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variances in the square of the property's unit."""

    noise_variance: float
    level_variance_per_s: float
    trend_variance_per_s: float = 0.0
    """Of the trend in units a second."""
    first_trend_variance: float = 0.0
    """How little is known of the trend at the beginning."""
    limit: float = 10.83
    patience: int = 5

    def check(self) -> None:
        """Look at the parameters."""
        super().check()
        if not self.noise_variance > 0:
            raise ValueError("kalman needs a noise_variance above 0")
        if min(self.level_variance_per_s, self.trend_variance_per_s, self.first_trend_variance) < 0:
            raise ValueError("kalman needs variances of 0 or more")
        if not (self.limit > 0 and self.patience >= 1):
            raise ValueError("kalman needs a limit above 0 and a patience of 1 or more")


PARAMETERS: Final = np.dtype(
    [
        *COMMON,
        ("noise_variance", "f8"),
        ("level_variance_per_s", "f8"),
        ("trend_variance_per_s", "f8"),
        ("first_trend_variance", "f8"),
        ("limit", "f8"),
        ("patience", "i8"),
    ]
)
STATE: Final = np.dtype(
    [
        ("time_us", "i8"),
        ("n", "i8"),
        ("level", "f8"),
        ("trend", "f8"),
        ("level_variance", "f8"),
        ("covariance", "f8"),
        ("trend_variance", "f8"),
        ("in_a_row", "i8"),  # out of control
    ]
)
RESULT: Final = np.dtype(
    [("verdict", "u1"), ("level", "f8"), ("trend", "f8"), ("innovation", "f8"), ("variance", "f8")],
    align=True,
)


@njit(cache=True, nogil=True)
def run(
    series: Any, time_us: Any, value: Any, flag: Any, parameters: Any, state: Any, memory: Any, results: Any
) -> None:
    """Judge samples; arguments as `sensors.filters.Filter` says."""
    for i in range(len(series)):
        p, s, r = parameters[series[i]], state[series[i]], results[i]
        r.level = r.trend = r.innovation = r.variance = np.nan
        before_us = s.time_us
        kind = arrival(p, s, time_us[i], value[i], flag[i])
        if kind == SKIPPED:
            r.verdict = MISSING
            continue
        r.verdict = NOT_EVALUATED
        if kind == FIRST:
            _begin(p, s, value[i])
        else:
            _predict(p, s, 0.0 if kind == AFTER_GAP else (time_us[i] - before_us) / 1e6)
            innovation = value[i] - s.level
            variance = s.level_variance + p.noise_variance
            r.innovation, r.variance = innovation, variance
            over = innovation * innovation > p.limit * variance
            if kind != AFTER_GAP:
                r.verdict = SUSPECT if over else PASS
            s.in_a_row = s.in_a_row + 1 if over else 0
            if s.in_a_row >= p.patience:
                _begin(p, s, value[i])
            elif not over:
                _update(s, innovation, variance)
        r.level, r.trend = s.level, s.trend


@njit(cache=True, nogil=True)
def _begin(p: Any, s: Any, value: float) -> None:
    s.level, s.level_variance = value, p.noise_variance
    s.trend, s.covariance, s.trend_variance = 0.0, 0.0, p.first_trend_variance
    s.in_a_row = 0


@njit(cache=True, nogil=True)
def _predict(p: Any, s: Any, step_s: float) -> None:
    s.level += s.trend * step_s
    s.level_variance += step_s * (2 * s.covariance + step_s * s.trend_variance)
    s.level_variance += p.level_variance_per_s * step_s
    s.covariance += step_s * s.trend_variance
    s.trend_variance += p.trend_variance_per_s * step_s


@njit(cache=True, nogil=True)
def _update(s: Any, innovation: float, variance: float) -> None:
    gain, trend_gain = s.level_variance / variance, s.covariance / variance
    s.level += gain * innovation
    s.trend += trend_gain * innovation
    s.trend_variance -= trend_gain * s.covariance
    s.covariance -= gain * s.covariance
    s.level_variance -= gain * s.level_variance
