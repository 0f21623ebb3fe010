"""The band-pass against SciPy's design and filter."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from sensors.butterworth import BAND_PASS, MEMORY, band_pass, poles_of_band_pass, set_band_pass


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "rate_hz"), [(10, 20, 50), (10, 20, 200), (1, 20, 100), (0.5, 9, 20), (1, 2, 500)]
)
def test_it_is_the_filter_of_scipy(low_hz, high_hz, rate_hz):
    limits, state = np.zeros(1, BAND_PASS), np.zeros(1, MEMORY)
    set_band_pass(limits[0], low_hz, high_hz, rate_hz)
    value = np.random.default_rng(0).normal(size=3000)
    got = [band_pass(limits[0], state[0], x) for x in value]
    sos = butter(4, [low_hz, high_hz], btype="band", fs=rate_hz, output="sos")
    np.testing.assert_allclose(got, sosfilt(sos, value), atol=1e-10)


@pytest.mark.parametrize(("low_hz", "high_hz", "rate_hz"), [(0, 20, 100), (20, 10, 100), (10, 50, 100)])
def test_a_band_that_cannot_be_is_refused(low_hz, high_hz, rate_hz):
    with pytest.raises(ValueError, match="high_hz"):
        poles_of_band_pass(low_hz, high_hz, rate_hz)
