"""Fields that the messages of RTCM SSR (1057 to 1270) and IGS SSR (4076) share.

Satellite numbers, signal numbers and times are as sent. Signal numbers are those of the tables of SSR, not
of MSM; they differ between RTCM and IGS, and between drafts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from gnss.rtcm.fields import Coded, Field, MalformedError, Signed, Unsigned
from gnss.rtcm.groups import Array, Count, Repeat, repeated

UPDATE_INTERVALS_S = (1, 2, 5, 10, 15, 30, 60, 120, 240, 300, 600, 900, 1800, 3600, 7200, 10_800)
"""DF391."""


def _ranging_accuracy_m(code: int) -> float | None:
    """Return what DF389 says: 3 to the power of the class (3 bits), times 1 + value (3 bits) / 4, less 1, mm.

    0 is not told. 63 says only that it is worse than 5.4665 m; the formula's value stands for it.
    """
    return (3 ** (code >> 3) * (4 + (code & 7)) - 4) / 4000 if code else None


TIME_OF_WEEK = Unsigned("time_of_week_s", 20)
HEAD: tuple[Field, ...] = (
    Coded("update_interval_s", 4, UPDATE_INTERVALS_S),
    Unsigned("more_follows", 1),
)
"""The update interval, and whether more messages of this set follow."""
SENDER: tuple[Field, ...] = (Unsigned("issue", 4), Unsigned("provider", 16), Unsigned("solution", 4))
REGIONAL = Unsigned("regional_datum", 1)
"""0: orbits are in the ITRF; 1: in a regional frame."""

_TENTH_MM = Fraction(1, 10_000)
ORBIT: tuple[Field, ...] = (
    Signed("radial_m", 22, _TENTH_MM),
    Signed("along_track_m", 20, 4 * _TENTH_MM),
    Signed("cross_track_m", 20, 4 * _TENTH_MM),
    Signed("radial_rate_m_s", 21, Fraction(1, 1_000_000)),
    Signed("along_track_rate_m_s", 19, Fraction(4, 1_000_000)),
    Signed("cross_track_rate_m_s", 19, Fraction(4, 1_000_000)),
)
CLOCK: tuple[Field, ...] = (
    Signed("clock_m", 22, _TENTH_MM),
    Signed("clock_rate_m_s", 21, Fraction(1, 1_000_000)),
    Signed("clock_acceleration_m_s2", 27, Fraction(2, 100_000_000)),
)
HIGH_RATE_CLOCK = Signed("high_rate_clock_m", 22, _TENTH_MM)
RANGING_ACCURACY = Coded("ranging_accuracy_m", 6, tuple(_ranging_accuracy_m(code) for code in range(64)))
CODE_BIASES: tuple[Field, ...] = repeated(
    "biases", 5, Unsigned("signal", 5), Signed("code_bias_m", 14, Fraction(1, 100))
)
CONSISTENCY: tuple[Field, ...] = (
    Unsigned("dispersive_consistent", 1),
    Unsigned("melbourne_wubbena_consistent", 1),
)
PHASE_BIASES: tuple[Field, ...] = (
    Count("biases", 5),
    Unsigned("yaw_deg", 9, Fraction(180, 256)),
    Signed("yaw_rate_deg_s", 8, Fraction(180, 8192)),
    Repeat(
        "biases",
        (
            Unsigned("signal", 5),
            Unsigned("integer", 1),
            Unsigned("wide_lane_integer", 2),
            Unsigned("discontinuities", 4),
            Signed("phase_bias_m", 20, _TENTH_MM),
        ),
    ),
)


def satellites(*fields: Field) -> tuple[Count, Repeat]:
    """Return the fields of each satellite, with their counter."""
    return repeated("satellites", 6, *fields)


def _degree_and_order(values: Mapping[str, Any]) -> tuple[int, int]:
    degree, order = values["degree"], values["order"]
    if order > degree:
        raise MalformedError(f"the order {order} of the harmonics is above their degree {degree}")
    return degree, order


def _cosines(values: Mapping[str, Any]) -> int:
    degree, order = _degree_and_order(values)
    return sum(degree + 1 - m for m in range(order + 1))


def _sines(values: Mapping[str, Any]) -> int:
    return _cosines(values) - _degree_and_order(values)[0] - 1


_TECU = Fraction(1, 200)
IONOSPHERE: tuple[Field, ...] = (
    Unsigned("quality_tecu", 9, Fraction(1, 20)),
    Count("layers", 2, offset=1),
    Repeat(
        "layers",
        (
            Unsigned("height_km", 8, 10),
            Unsigned("degree", 4, offset=1),
            Unsigned("order", 4, offset=1),
            Array(Signed("cosine_tecu", 16, _TECU), _cosines),
            Array(Signed("sine_tecu", 16, _TECU), _sines),
        ),
    ),
)
"""Vertical total electron content: coefficients by order, in each by degree; sines from order 1 on."""
