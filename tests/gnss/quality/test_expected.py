"""What the ephemerides let expect, against a plain twin in dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gnss.geodesy import ecef_to_enu, geodetic_to_ecef
from gnss.quality.memory import SATELLITES
from gnss.quality.table import REGISTERED
from gnss.systems import UNKNOWN_CHANNEL
from tests.gnss.quality.one_station import StationQuality

ECEF_M = np.array(geodetic_to_ecef(117.0, 32.0, 40.0))


@dataclass
class FixedSky:
    """Satellites that stand still at elevations that a test chooses."""

    known: NDArray[np.uint8]
    healthy: NDArray[np.uint8]
    position_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.velocity_m_s = np.zeros((SATELLITES, 3))
        self.acceleration_m_s2 = np.zeros((SATELLITES, 3))
        self.clock_s = self.clock_rate = np.zeros(SATELLITES)
        self.group_delay_s = np.zeros((SATELLITES, 2))
        self.channel = np.full(SATELLITES, UNKNOWN_CHANNEL, np.int8)

    def __call__(self, time_us: int) -> Any:
        return self


def fixed(elevation_deg: dict[tuple[int, int], float]) -> FixedSky:
    known, position = np.zeros(SATELLITES, np.uint8), np.zeros((SATELLITES, 3))
    lon, lat = np.radians(117.0), np.radians(32.0)
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    for (system, satellite), degrees in elevation_deg.items():
        j = system * 64 + satellite - 1
        known[j] = 1
        e = np.radians(degrees)
        position[j] = ECEF_M + 2.2e7 * (np.sin(e) * up + np.cos(e) * north)
    return FixedSky(known, known.copy(), position)


def all_up(elevation: float = 40.0) -> dict[tuple[int, int], float]:
    return {(0, s): elevation for s in range(1, 13)} | {(2, s): elevation for s in range(1, 9)}


def station(sky: FixedSky) -> StationQuality:
    quality = StationQuality(1.0, sky=sky)
    quality.table.place(quality.s, ECEF_M, REGISTERED)
    return quality


def last(quality: StationQuality, sky: Any, seconds: range, keep: Any = None) -> Any:
    row = None
    for i in seconds:
        row = quality.observe(sky.time_us(i), None, sky.at(i, keep=keep))[-1].row
    return row


def test_the_fixed_sky_is_where_it_should_be() -> None:
    enu = ecef_to_enu(fixed({(0, 1): 25.0}).position_m[0], ECEF_M)
    assert np.degrees(np.arctan2(enu[2], np.hypot(enu[0], enu[1]))) == pytest.approx(25.0, abs=1e-9)


def test_all_that_is_up_is_expected_and_came(sky: Any) -> None:
    row = last(station(fixed(all_up())), sky, range(90))
    assert (row["sky_expected"], row["sky_have"]) == (52, 52)
    assert (row["mask_expected"], row["mask_have"]) == (52, 52)


def test_two_masks(sky: Any) -> None:
    places = all_up() | {(0, 1): 5.0, (0, 2): 9.99, (0, 3): 10.01, (0, 4): -1.0}
    quality = station(fixed(places))
    last(quality, sky, range(90))
    row = last(quality, sky, range(90, 91), keep=(sky.system == 2) | (sky.satellite > 4))
    assert (row["sky_expected"], row["sky_have"]) == (52 - 3, 52 - 12)
    assert (row["mask_expected"], row["mask_have"]) == (52 - 9, 52 - 12)


def test_a_satellite_without_ephemeris_or_unhealthy_is_unknown_not_missing(sky: Any) -> None:
    places = fixed(all_up())
    places.known[0] = 0
    places.healthy[1] = 0
    quality = station(places)
    last(quality, sky, range(90))
    row = last(quality, sky, range(90, 91), keep=sky.satellite > 2)
    assert (row["sky_expected"], row["sky_have"]) == (52 - 6, 52 - 6 - 4)


def test_a_satellite_never_seen_is_expected_with_what_its_system_has_in_common(sky: Any) -> None:
    quality = station(fixed(all_up() | {(0, 30): 50.0, (5, 3): 50.0}))
    row = last(quality, sky, range(90))
    assert row["sky_expected"] - row["sky_have"] == 3, "three signals of G30; BeiDou is not tracked here"


def test_a_signal_is_learnt_after_a_minute(sky: Any) -> None:
    quality = station(fixed(all_up()))
    last(quality, sky, range(30))
    brief = last(quality, sky, range(30, 31), keep=sky.signal != 10)
    assert brief["sky_expected"] == brief["sky_have"] == 40
    last(quality, sky, range(31, 100))
    lost = last(quality, sky, range(100, 101), keep=sky.signal != 10)
    assert (lost["sky_expected"], lost["sky_have"]) == (52, 40)


def test_without_a_position_or_a_sky_nothing_is_expected(sky: Any) -> None:
    no_place = StationQuality(1.0, sky=fixed(all_up()))
    no_sky = StationQuality(1.0)
    no_sky.table.place(no_sky.s, ECEF_M, REGISTERED)
    for quality in (no_place, no_sky):
        row = last(quality, sky, range(40))
        assert (row["sky_expected"], row["mask_expected"]) == (-1, -1)
        assert np.isnan(row["values"][3])


def test_missing_satellites_degrade(sky: Any) -> None:
    quality = station(fixed(all_up()))
    last(quality, sky, range(90))
    for i in range(90, 160):
        judgement = quality.observe(sky.time_us(i), None, sky.at(i, keep=sky.system == 0))[-1]
    assert "expected" in [f.code for f in judgement.findings]
    assert judgement.state == "bad"
