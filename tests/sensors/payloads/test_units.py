"""Conversions against exact values, and against their own inverse."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.payloads import UnusableError
from sensors.payloads.units import _UNITS, converted


@pytest.mark.parametrize(
    ("value", "unit", "expected", "result"),
    [
        (1500, "mm", "m", 1.5),
        (2, "m", "cm", 200),
        (293.15, "K", "Cel", 20),
        (-40, "[degF]", "°C", -40),
        (212, "[degF]", "K", 373.15),
        (36, "km/h", "m/s", 10),
        (1, "[kn_i]", "m/s", 1852 / 3600),
        (180, "deg", "rad", math.pi),
        (1013.25, "hPa", "kPa", 101.325),
        (10, "mbar", "Pa", 1000),
        (50, "%", "/", 0.5),
        (35, "[ppth]", "/1000", 35),
        (5, "mg/L", "mg/l", 5),
        (5000, "uS/cm", "S/m", 0.5),
        (3600, "m3/h", "m3/s", 1),
        (1000, "l/s", "m³/s", 1),
        (981, "Gal", "m/s2", 9.81),
        (24, "mm/d", "mm/h", 1),
        (7, "parsec", "parsec", 7),
    ],
)
def test_conversions(value, unit, expected, result):
    assert converted(value, unit, expected, "x") == pytest.approx(result, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "expected"), [("m", "Cel"), ("parsec", "m"), ("C", "Cel"), ("%RH", "%EL"), ("K", "parsec")]
)
def test_what_cannot_become_the_other(unit, expected):
    with pytest.raises(UnusableError, match=f"x is in {unit}, which cannot become {expected}"):
        converted(1.0, unit, expected, "x")


@given(st.sampled_from(sorted(_UNITS)), st.sampled_from(sorted(_UNITS)), st.floats(-1e6, 1e6))
def test_there_and_back(unit, other, value):
    if _UNITS[unit].dimension != _UNITS[other].dimension:
        with pytest.raises(UnusableError):
            converted(value, unit, other, "x")
        return
    back = converted(converted(value, unit, other, "x"), other, unit, "x")
    assert back == pytest.approx(value, rel=1e-9, abs=1e-6)
