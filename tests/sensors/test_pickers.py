"""Pickers against ObsPy, on a recording and on synthetic arrivals."""

import gzip

import numpy as np
import pytest

from sensors.pickers import aic, pick_aic, pick_baer
from tests.seismology import trigger as obspy

RATE_HZ = 200.0


def arrival(seed, at=4000, ratio=20.0, n=9000):
    """Noise, and a wave that decays."""
    random = np.random.default_rng(seed)
    wave = np.zeros(n)
    after = np.arange(n - at)
    wave[at:] = ratio * np.sin(2 * np.pi * 8 * (after + 3) / RATE_HZ) * np.exp(-after / 600)
    return wave + np.convolve(random.normal(size=n), np.ones(3) / 3, "same")


def test_the_recorded_arrival_is_where_baers_picker_has_it(data):
    with gzip.open(data / "seismic/manz_waldk.a01.gz") as file:
        value = np.loadtxt(file)
    picked = pick_baer(
        value, RATE_HZ, least_up=60, most_down=20, threshold=7.0, update_threshold=12.0, settle=200
    )
    assert picked is not None
    assert picked.at + 1 == 17545  # ObsPy counts from 1
    assert picked.upwards
    # Maeda's criterion in the second around it.
    near = pick_aic(value[17400:17600])
    assert near is not None
    assert abs(17400 + near - 17545) < 20


@pytest.mark.parametrize("seed", range(12))
def test_synthetic_arrivals_are_where_obspys_picker_has_them(seed):
    value = arrival(seed, at=3000 + 100 * seed, ratio=8.0 + 4 * seed)
    theirs, phase = obspy.pk_baer(value.astype(np.float32), RATE_HZ, 20, 60, 7.0, 12.0, 100, 100)
    picked = pick_baer(
        value, RATE_HZ, least_up=60, most_down=20, threshold=7.0, update_threshold=12.0, settle=200
    )
    assert picked is not None
    assert abs(picked.at + 1 - theirs) <= 1
    assert abs(picked.at - (3000 + 100 * seed)) < 25
    assert picked.upwards == (phase[2] == "U")


@pytest.mark.parametrize("value", [np.zeros(3000), np.full(3000, 7.0), np.zeros(0), np.zeros(1)])
def test_nothing_arrives_where_nothing_moves(value):
    assert pick_baer(value, RATE_HZ, least_up=60, most_down=20) is None
    assert pick_aic(value) is None


def test_noise_has_no_arrival():
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=6000)
        assert pick_baer(noise, RATE_HZ, least_up=60, most_down=20) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_criterion_is_obspys_whose_index_is_one_less(seed):
    value = arrival(seed, at=700, n=1500)
    expected = obspy.aic_simple(value)
    np.testing.assert_allclose(aic(value)[10:-10], expected[9:-11], rtol=1e-6)
    assert abs(pick_aic(value) - 700) < 12
