"""Infrasound: flows of minutes at some hertz, wind, thunder, and dead microphones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt, welch

from sensors.detectors.infrasound import KIND, InfrasoundParameters, peak_frequency_hz
from tests.sensors.detectors.contract import (
    Input,
    S,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    story,
)

RATE_HZ = 100.0
PLAIN = InfrasoundParameters()
WINDY = InfrasoundParameters(wind="wind")


def band(n, low_hz, high_hz, rms, seed):
    sos = butter(2, [low_hz, high_hz], btype="band", fs=RATE_HZ, output="sos")
    noise = sosfilt(sos, np.random.default_rng(seed).normal(size=n))
    return rms * noise / noise.std()


def quiet(n, seed=0):
    """Microbarom and wind of a quiet day."""
    return band(n, 0.2, 5.0, 0.01, seed) + np.random.default_rng(seed + 1).normal(0, 0.002, n)


def flow(n, at_s, length_s, rms, seed=2):
    t = np.arange(n) / RATE_HZ - at_s
    return band(n, 6.0, 11.0, rms, seed) * np.interp(t, [0, 15, length_s, length_s + 30], [0, 1, 1, 0])


def test_the_strongest_frequency_is_that_of_the_spectrum():
    value = band(500, 7.0, 8.0, 1.0, 3)
    frequency, power = welch(value, RATE_HZ, nperseg=200, nfft=200)
    expected = frequency[np.argmax(power)]
    assert peak_frequency_hz(value.astype(np.float32), RATE_HZ, 1.0, 20.0) == pytest.approx(expected, abs=1.0)
    tone = np.sin(2 * np.pi * 13.5 * np.arange(500) / RATE_HZ).astype(np.float32)
    assert peak_frequency_hz(tone, RATE_HZ, 1.0, 20.0) == 13.5


@pytest.mark.parametrize(("rms", "level"), [(0.1, "blue"), (0.5, "yellow"), (3.0, "orange")])
def test_a_flow_is_told_within_a_minute(rms, level):
    n = 46_000
    found = find(KIND, PLAIN, Input(every(0.01, n), quiet(n) + flow(n, 200, 120, rms)))
    assert found[0].phase == "begin"
    assert [f.level for f in found][-1] == level
    assert 0 < found[0].at_us - every(0.01, n)[20_000] < 60 * S
    assert 6 <= found[0].evidence["peak_hz"] <= 11
    assert found[-1].phase == "end"


@pytest.mark.parametrize("seed", range(4))
def test_wind_and_thunder_are_no_flows(seed):
    n = 60_000
    random = np.random.default_rng(seed)
    gusts = np.interp(np.arange(n), np.arange(0, n, 500), random.gamma(1.0, 1.0, n // 500))
    thunder = np.zeros(n)
    for at in random.integers(10_000, n - 500, 8):
        thunder[at : at + 300] += random.normal(0, 2, 300) * np.exp(-np.arange(300) / 100)
    value = quiet(n, seed) + 0.3 * gusts * band(n, 0.2, 3.0, 1.0, seed + 9) + thunder
    assert find(KIND, PLAIN, Input(every(0.01, n), value)) == []


def test_while_the_anemometer_shows_wind_nothing_counts():
    n = 46_000
    times, value = every(0.01, n), quiet(n) + flow(n, 200, 120, 0.5)
    for speed, phases in ((3.0, ["begin", "end"]), (12.0, [])):
        wind = Input(times[::6000], np.full(len(times[::6000]), speed), 1)
        found = find(KIND, WINDY, Input(times, value), wind)
        assert [f.phase for f in found if f.phase != "update"] == phases
    assert find(KIND, WINDY, Input(times, value)) == []


def test_a_dead_microphone_is_told():
    n = 30_000
    value = quiet(n)
    value[15_000:20_000] = 0.5
    found = find(KIND, PLAIN, Input(every(0.01, n), value))
    assert story(found) == [("begin", "blue", "infrasound_sensor"), ("end", "blue", "infrasound_sensor")]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    n = 14_000
    times, value = every(0.01, n), quiet(n, seed) + flow(n, 80, 40, 0.4, seed)
    keep = np.random.default_rng(seed).random(n) > 0.002
    wind = Input(times[::1000] + 1, np.random.default_rng(seed).gamma(2.0, 2.5, 14), 1)
    assert_cuts_do_not_matter(KIND, WINDY, [Input(times[keep], value[keep]), wind], seed)
    assert_survives(KIND, WINDY, 2, 0.01, seed)


def test_silence_ends_it():
    n = 20_000
    assert_ends_in_silence(KIND, PLAIN, [Input(every(0.01, n), quiet(n) + flow(n, 120, 200, 0.5))])


@pytest.mark.parametrize(
    "wrong", [{"window_s": 100.0}, {"peak_low_hz": 0.5}, {"floor_pa": 0.0}, {"fill_s": 3.0}]
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        InfrasoundParameters(**wrong)
