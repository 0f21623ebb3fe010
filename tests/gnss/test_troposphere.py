"""The standard troposphere against published values."""

from __future__ import annotations

import numpy as np
import pytest

from gnss.troposphere import mapping, zenith_delay_m


def test_zenith_delay_at_sea_level() -> None:
    # 2.2768 mm/hPa times 1013.25 hPa, and 8.5 hPa of vapour at 15 degrees and 50 %
    assert zenith_delay_m(0.0, np.sqrt(0.5)) == pytest.approx(2.307 + 0.086, abs=0.005)


@pytest.mark.parametrize(("height_m", "hpa", "kelvin"), [(1000.0, 898.75, 281.65), (5000.0, 540.2, 255.65)])
def test_zenith_delay_falls_as_the_standard_atmosphere(height_m: float, hpa: float, kelvin: float) -> None:
    # pressures of U.S. Standard Atmosphere 1976; vapour by Magnus's formula
    celsius = kelvin - 273.15
    vapour = 0.5 * 6.112 * np.exp(17.62 * celsius / (243.12 + celsius))
    expected = 0.0022768 * hpa / (1 - 0.28e-6 * height_m) + 0.002277 * (1255 / kelvin + 0.05) * vapour
    assert zenith_delay_m(height_m, np.sqrt(0.5)) == pytest.approx(expected, abs=0.004)


def test_heights_beyond_the_model_are_held() -> None:
    assert zenith_delay_m(1e9, 0.0) == zenith_delay_m(11_000.0, 0.0) > 0.4
    assert zenith_delay_m(-1e9, 0.0) == zenith_delay_m(-1000.0, 0.0)


@pytest.mark.parametrize("elevation_deg", [10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0])
def test_mapping_is_that_of_chao(elevation_deg: float) -> None:
    # C. C. Chao 1974, hydrostatic: 1/(sin E + 0.00143/(tan E + 0.0445))
    e = np.radians(elevation_deg)
    chao = 1 / (np.sin(e) + 0.00143 / (np.tan(e) + 0.0445))
    assert mapping(float(np.sin(e))) == pytest.approx(chao, rel=0.01)


def test_mapping_at_and_below_the_horizon_is_finite() -> None:
    assert mapping(0.0) == mapping(-0.5) < 25.0
