"""Marks of the sky against the geometry of `gnss.geodesy`, and the levels that the table remembers."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.geodesy import ecef_to_enu, geodetic_to_ecef
from gnss.quality.measure import TOLD
from gnss.quality.period_builder import About, PeriodBuilder
from gnss.quality.sky_marks import MARK_US
from gnss.quality.table import QualityTable

T_US = 1_700_000_000_000_000 // MARK_US * MARK_US


def some_sky(seed=1):
    random = np.random.default_rng(seed)
    position_m = random.normal(size=(448, 3))
    position_m *= 2.6e7 / np.linalg.norm(position_m, axis=1)[:, np.newaxis]
    known, healthy = (np.array(random.random(448) < share, np.uint8) for share in (0.5, 0.9))
    position_m[known == 0] = np.nan
    return SimpleNamespace(known=known, healthy=healthy, position_m=position_m)


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_angles_are_those_of_the_horizon(longitude_deg, latitude_deg):
    place_m = np.array(geodetic_to_ecef(longitude_deg, latitude_deg, 100.0))
    table = QualityTable()
    table.place(table.add(1.0), place_m, TOLD)
    sky = some_sky()
    builder = PeriodBuilder(table)
    builder.sky_marks(sky, T_US + 17)
    track = builder.take({0: About("A")})[0].sky
    enu = ecef_to_enu(sky.position_m, place_m)
    elevation = np.degrees(np.arctan2(enu[:, 2], np.hypot(enu[:, 0], enu[:, 1])))
    azimuth = np.degrees(np.arctan2(enu[:, 0], enu[:, 1])) % 360.0
    row = track.system.astype(int) * 64 + track.satellite - 1
    clear = np.abs(elevation) > 1e-6
    up = np.flatnonzero((sky.known == 1) & (sky.healthy == 1) & (elevation >= 0) & clear)
    assert row[clear[row]].tolist() == up.tolist()
    np.testing.assert_allclose(track.elevation_deg, elevation[row], atol=1e-5)
    away = (track.azimuth_deg - azimuth[row] + 180.0) % 360.0 - 180.0
    if abs(latitude_deg) < 89.9:
        assert np.abs(away).max() < 1e-3
    assert set(track.time_us.tolist()) == {T_US}
    assert np.isnan(track.cn0_dbhz).all()


def test_the_level_of_the_first_tracked_signal_is_shown(sky, new_sky):
    from tests.gnss.quality.one_station import StationQuality

    quality = StationQuality(1.0)
    place_m = np.array(geodetic_to_ecef(10.0, 50.0, 100.0))
    quality.table.place(quality.s, place_m, TOLD)
    for i in range(30):
        keep = (sky.signal != 2) | (sky.satellite != 3) if i >= 10 else None
        quality.observe(sky.time_us(i), None, sky.at(i, keep=keep))
    seen = some_sky()
    seen.known[:] = seen.healthy[:] = 1
    seen.position_m[:] = 2.6e7 * place_m / np.linalg.norm(place_m)  # all of them overhead
    builder = PeriodBuilder(quality.table)
    builder.sky_marks(seen, sky.time_us(29))
    builder.sky_marks(seen, sky.time_us(29) + 1)  # the same five minutes
    track = builder.take({quality.s: About("A")})[0].sky
    assert len(track.system) == 448
    tracked = ~np.isnan(track.cn0_dbhz)
    names = set(zip(track.system[tracked].tolist(), track.satellite[tracked].tolist(), strict=True))
    assert names == {(0, n) for n in range(1, 13)} | {(2, n) for n in range(1, 9)}
    level = {
        (s, n): c
        for s, n, c in zip(
            track.system.tolist(), track.satellite.tolist(), track.cn0_dbhz.tolist(), strict=True
        )
    }
    assert level[0, 1] == pytest.approx(42.0, abs=0.5)  # signal 2: 44 - 2 % 3
    late = PeriodBuilder(quality.table)
    late.sky_marks(seen, sky.time_us(29) + 31_000_000)
    assert np.isnan(late.take({quality.s: About("A")})[0].sky.cn0_dbhz).all()


def test_stations_without_a_place_and_skies_that_are_not_known_leave_no_marks():
    table = QualityTable()
    table.add(1.0)
    builder = PeriodBuilder(table)
    builder.sky_marks(some_sky(), T_US)
    builder.sky_marks(None, T_US + MARK_US)
    assert len(builder.take({0: About("A")})[0].sky.time_us) == 0


def test_marks_that_nobody_takes_are_bounded():
    table = QualityTable()
    table.place(table.add(1.0), np.array(geodetic_to_ecef(0.0, 0.0, 0.0)), TOLD)
    builder = PeriodBuilder(table, most_minutes=5)
    for k in range(20):
        builder.sky_marks(some_sky(), T_US + k * MARK_US)
    track = builder.take({0: About("A")})[0].sky
    assert len(set(track.time_us.tolist())) == 5
