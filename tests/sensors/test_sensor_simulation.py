import numpy as np
import pytest

from sensors.simulate import GroundTemperature, Rain, Slope, TideGauge, Tilt, Tsunami

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_700_000_000_000_000


@pytest.mark.parametrize(
    "sensor", [TideGauge(1), Slope(2, START_US), Rain(3), GroundTemperature(4, 2.0), Tilt(5)]
)
def test_a_value_depends_on_seed_and_time_alone(sensor):
    times = START_US + np.arange(50) * 60_000_000
    forward = [sensor.value(int(t)) for t in times]
    assert [sensor.value(int(t)) for t in times[::-1]][::-1] == forward


def test_the_tide_has_the_amplitude_of_its_constituents_and_a_tsunami_stands_out():
    times = START_US + np.arange(0, 30 * DAY_US, HOUR_US // 2)
    quiet = np.array([TideGauge(1).value(int(t)) for t in times])
    assert 2.0 < np.ptp(quiet) < 2 * (0.95 + 0.35 + 0.28 + 0.22) + 0.1
    wave = Tsunami(START_US, amplitude_m=1.2, period_s=900)
    crest = START_US + 225_000_000
    assert TideGauge(1, wave).value(crest) - TideGauge(1).value(crest) == pytest.approx(
        1.2 * np.exp(-225 / 5400)
    )
    before = START_US - 1
    assert TideGauge(1, wave).value(before) == TideGauge(1).value(before)


def test_inverse_velocity_falls_on_a_line_to_the_failure():
    failure = START_US + 10 * HOUR_US
    slope = Slope(1, START_US, creep_mm_d=0.0, failure_us=failure, acceleration_s=36_000, strength_mm=1e4)
    hours = np.arange(1.0, 9.5, 0.5)
    step = 60_000_000
    moved = [[slope.value(START_US + int(h * HOUR_US) + d) for d in (-step, step)] for h in hours]
    inverse = 2 / 60 / np.diff(moved, axis=1)[:, 0]
    line = np.polyfit(hours, inverse, 1)
    assert -line[1] / line[0] == pytest.approx(10.0, abs=0.2)


def test_ground_temperature_is_damped_and_late_with_depth():
    times = START_US + np.arange(0, 366 * DAY_US, DAY_US)
    shallow, deep = (np.array([GroundTemperature(1, d).value(int(t)) for t in times]) for d in (1.0, 8.0))
    damping = np.sqrt(1e-6 * 365.25 * 86400 / np.pi)
    assert np.ptp(deep) / np.ptp(shallow) == pytest.approx(np.exp(-7.0 / damping), rel=0.1)
    lag_days = (np.argmax(deep) - np.argmax(shallow)) % 366
    assert lag_days == pytest.approx(7.0 / damping / (2 * np.pi) * 365.25, abs=8)


def test_a_storm_rains_at_its_intensity():
    storm = Rain(1, period_s=60.0, storm_begin_us=START_US, storm_mm_h=60.0)
    depth = sum(storm.value(START_US + i * 60_000_000) for i in range(60))
    assert depth == pytest.approx(60.0, rel=0.35)
    assert all(v >= 0 for v in (Rain(1).value(START_US + i * HOUR_US) for i in range(100)))
