"""Ratios of averages against ObsPy."""

import numpy as np
import pytest

from sensors.sta_lta import AVERAGES, LENGTHS, classic_ratio, recursive_ratio, z_detect
from tests.seismology import trigger as obspy


def seismogram(n=4000):
    random = np.random.default_rng(5)
    return random.normal(size=n) * np.where(np.arange(n) // 200 % 7 == 6, 12.0, 1.0)


def test_the_recursive_ratio_is_obspys():
    limits, state = np.zeros(1, LENGTHS), np.zeros(1, AVERAGES)
    limits["sta_n"], limits["lta_n"] = 25, 500
    value = seismogram()
    got = [recursive_ratio(limits[0], state[0], x) for x in value]
    np.testing.assert_allclose(got, obspy.recursive_sta_lta(value, 25, 500), rtol=1e-9)


def test_the_classic_ratio_is_obspys():
    value = seismogram()
    expected = obspy.classic_sta_lta(value, 25, 500)
    np.testing.assert_allclose(classic_ratio(value, 25, 500), expected, rtol=1e-6)


def test_the_standard_score_is_obspys():
    value = seismogram()
    # Its window ends one sample earlier, and it has nothing before the first full one.
    np.testing.assert_allclose(z_detect(value, 25)[24:-1], obspy.z_detect(value, 25)[25:], atol=0.01)


@pytest.mark.parametrize("value", [np.zeros(600), np.full(600, 3.0)])
def test_what_does_not_vary_has_no_score(value):
    assert np.isfinite(z_detect(value, 25)).all()
    assert classic_ratio(np.zeros(600), 25, 500).max() == 0
