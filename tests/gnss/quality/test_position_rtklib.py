"""Positions of recordings against RTKLIB's single-point positions, and against the stations' coordinates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import hatanaka
import numpy as np
import pytest
from numpy.typing import NDArray

from gnss.ephemeris_book import EphemerisBook
from gnss.geodesy import ecef_to_enu
from gnss.quality.position import solve
from gnss.rinex.navigation import read_navigation
from gnss.rinex.observation import read_observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.station import decode_position
from gnss.sky import Sky, sky_at
from gnss.systems import System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc

Float64 = NDArray[np.float64]

CONF = """
pos1-posmode=single
pos1-frequency=l1+l2
pos1-elmask=10
pos1-ionoopt=dual-freq
pos1-tropopt=saas
pos1-sateph=brdc
pos1-navsys={mask}
out-solformat=xyz
out-timesys=gpst
out-timeform=tow
out-outstat=residual
"""
STREAM = "rtcm3/swift/week-rollover-STR24.rtcm3"
MASK = {"G": 1, "R": 4, "E": 8, "C": 32}
RTKLIB_SIGNALS = {
    System.GPS: (2, 10),
    System.GLONASS: (2, 8),
    System.GALILEO: (2, 15),
    System.BEIDOU: (2, 14),
}
"""What RTKLIB 2.4.3 combines: L1 C/A and L2 P(Y), C/A twice, E1 and E5b, B1I and B2I."""


class Recording(NamedTuple):
    """Files for RTKLIB, and the same in our columns."""

    observations: Path
    navigation: Path
    every_s: int
    epochs: Any
    book: EphemerisBook
    reference_m: Float64

    def rows(self) -> list[int]:
        """Return the epochs that RTKLIB is asked for."""
        seconds = self.epochs.time_us // SECOND_US
        return [int(i) for i in np.flatnonzero((seconds + 18) % self.every_s == 0)]

    def solve(
        self, row: int, systems: str, start_m: Float64, satellites: set[str] | None = None
    ) -> tuple[int, Float64]:
        """Solve an epoch; with `satellites` as RTKLIB does: these only, and its signals."""
        sky = sky_at(self.book, int(self.epochs.time_us[row]))
        part = slice(int(self.epochs.first[row]), int(self.epochs.first[row] + self.epochs.count[row]))
        o = self.epochs.observations
        range_m = o.range_m[part].copy()
        for i, (system, satellite, signal) in enumerate(
            zip(o.system[part], o.satellite[part], o.signal[part], strict=True)
        ):
            name = f"{System(system).letter}{satellite:02d}"
            is_wanted = name[0] in systems
            if satellites is not None:
                is_wanted &= name in satellites and signal in RTKLIB_SIGNALS[System(system)]
            if not is_wanted:
                range_m[i] = np.nan
        return solve_columns(o, part, range_m, sky, start_m)


def solve_columns(o: Any, part: slice, range_m: Float64, sky: Sky, start_m: Float64) -> tuple[int, Float64]:
    out = np.full(8, np.nan)
    used = solve(
        o.system[part], o.satellite[part], o.signal[part], range_m, o.cn0_dbhz[part], sky.healthy,
        sky.position_m, sky.velocity_m_s, sky.acceleration_m_s2, sky.clock_s, sky.clock_rate,
        sky.group_delay_s, start_m, out,
    )  # fmt: skip
    return used, out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rtklib")


@pytest.fixture(scope="module")
def day(data: Any, folder: Path) -> Recording:
    """ESBC, a day of five systems, each 20 minutes of it."""
    packed = (data / "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz").read_bytes()
    told = (data / "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz").read_bytes()
    observations, navigation = folder / "day.rnx", folder / "day.nav"
    observations.write_bytes(hatanaka.decompress(packed))
    navigation.write_bytes(hatanaka.decompress(told))
    read = read_observations(observations.read_bytes())
    book = EphemerisBook()
    book.extend(read_navigation(told).ephemerides)
    assert read.header.position_m is not None
    reference_m = np.array(read.header.position_m)
    return Recording(observations, navigation, 1200, read.epochs, book, reference_m)


@pytest.fixture(scope="module")
def stream(data: Any, folder: Path) -> Recording:
    """STR24, 19 minutes of RTCM with all ephemerides (of July 2018), each 20 seconds of it."""
    source = data / STREAM
    observations, navigation = folder / "stream.obs", folder / "stream.nav"
    command = ["convbin", "-r", "rtcm3", "-v", "3.03", "-tr", "2018/07/14", "23:50:00", "-od", "-os"]
    run([*command, "-o", str(observations), "-n", str(navigation), str(source)])
    book, reference_m = EphemerisBook(), np.zeros(3)
    buffer = np.fromfile(source, np.uint8)
    index = find_frames(buffer, final=True)
    begin_us = int(gps_to_utc(GPS_EPOCH_US + 2010 * WEEK_US)) - 11 * 60 * SECOND_US
    for start, length in zip(index.start, index.length, strict=True):
        payload = buffer[start + 3 : start + 3 + length].tobytes()
        book.add_message(payload, begin_us)
        position = decode_position(payload)
        if position is not None:
            reference_m = np.array(position.ecef_m)
    read = read_observations(observations.read_bytes())
    return Recording(observations, navigation, 20, read.epochs, book, reference_m)


def run(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} (Debian package rtklib) is not installed")
    subprocess.run(command, check=True, capture_output=True)


def rtklib(recording: Recording, systems: str, folder: Path) -> dict[int, tuple[Float64, set[str]]]:
    """Return positions and satellites by UTC in us."""
    conf, out = folder / "conf", folder / "out.pos"
    conf.write_text(CONF.format(mask=sum(MASK[s] for s in systems)))
    command = ["rnx2rtkp", "-k", str(conf), "-ti", str(recording.every_s), "-o", str(out)]
    run([*command, str(recording.observations), str(recording.navigation)])

    def utc_us(week: str, tow: str) -> int:
        return int(gps_to_utc(GPS_EPOCH_US + int(week) * WEEK_US + round(float(tow) * 1e6)))

    satellites: dict[int, set[str]] = {}
    for line in Path(f"{out}.stat").read_text().splitlines():
        if line.startswith("$SAT"):
            fields = line.split(",")
            satellites.setdefault(utc_us(*fields[1:3]), set()).add(fields[3])
    found = {}
    for line in out.read_text().splitlines():
        if line and line[0] != "%":
            words = line.split()
            time_us = utc_us(*words[:2])
            found[time_us] = np.array([float(w) for w in words[2:5]]), satellites[time_us]
    return found


@pytest.mark.integration
@pytest.mark.parametrize(
    # GLONASS alone: RTKLIB weighs by elevation less and keeps satellites that do not agree
    ("name", "systems", "median_m"),
    [
        ("day", "G", 1.0),
        ("day", "E", 1.0),
        ("day", "C", 1.2),
        ("day", "R", 2.0),
        ("day", "GREC", 1.0),
        ("stream", "G", 1.0),
    ],
)
def test_epochs_against_rtklib(
    name: str, systems: str, median_m: float, request: pytest.FixtureRequest, folder: Path
) -> None:
    recording: Recording = request.getfixturevalue(name)
    theirs = rtklib(recording, systems, folder)
    differences = []
    for row in recording.rows():
        found = theirs.get(int(recording.epochs.time_us[row]))
        if found is None:
            continue
        used, out = recording.solve(row, systems, recording.reference_m, found[1])
        if used:
            assert used <= len(found[1])
            differences.append(out[:3] - found[0])
    assert len(differences) >= (25 if systems == "C" else 50)
    enu = ecef_to_enu(recording.reference_m + np.array(differences), recording.reference_m)
    assert np.median(np.linalg.norm(enu, axis=1)) < median_m
    assert np.abs(np.median(enu, axis=0)).max() < 1.0


@pytest.mark.parametrize(
    # the first is told in ETRS89, the second in GDA94: 0.7 m and 1.7 m from the frame of the satellites then
    ("name", "known_off_m", "spread_m"),
    [("day", (0.5, 0.55, 0.2), (0.6, 0.7, 1.3)), ("stream", (0.3, 1.6, 0.0), (0.7, 0.9, 1.7))],
)
def test_the_mean_of_all_systems_is_the_station(
    name: str,
    known_off_m: tuple[float, ...],
    spread_m: tuple[float, ...],
    request: pytest.FixtureRequest,
) -> None:
    recording: Recording = request.getfixturevalue(name)
    enu = []
    for row in recording.rows():
        used, out = recording.solve(row, "GRECJ", recording.reference_m)
        assert used >= 15
        again = recording.solve(row, "GRECJ", np.zeros(3))[1]
        assert np.linalg.norm(again[:3] - out[:3]) < 0.01
        assert out[3] < 4.0
        assert out[6] < 2.0
        enu.append(ecef_to_enu(out[:3], recording.reference_m))
    assert len(enu) >= 50
    mean, spread = np.mean(enu, axis=0), np.std(enu, axis=0)
    assert np.linalg.norm(mean) < 2.0
    assert np.abs(mean - known_off_m).max() < 1.0
    assert (spread < spread_m).all()


@pytest.mark.parametrize(("system", "tolerance_m"), [("G", 1.0), ("R", 2.5), ("E", 1.0)])
def test_each_system_alone_tells_the_same_place(day: Recording, system: str, tolerance_m: float) -> None:
    enu = []
    for row in day.rows():
        used, out = day.solve(row, system, day.reference_m)
        if used:
            enu.append(ecef_to_enu(out[:3], day.reference_m))
    assert len(enu) >= 70
    # 0.5 m north and east is the frame
    assert np.abs(np.median(enu, axis=0) - (0.4, 0.5, 0.5)).max() < tolerance_m


def test_either_carrier_of_galileo_gives_the_same_place(day: Recording) -> None:
    """Broadcast group delays bring E1/E5a and E1/E5b together, satellite by satellite."""
    apart = []
    o = day.epochs.observations
    for row in day.rows():
        part = slice(int(day.epochs.first[row]), int(day.epochs.first[row] + day.epochs.count[row]))
        sky = sky_at(day.book, int(day.epochs.time_us[row]))
        places = []
        for signal in (23, 15):
            keep = (o.system[part] == System.GALILEO) & np.isin(o.signal[part], (2, signal))
            used, out = solve_columns(o, part, np.where(keep, o.range_m[part], np.nan), sky, day.reference_m)
            places.append(out[:3] if used else np.full(3, np.nan))
        apart.append(np.linalg.norm(places[0] - places[1]))
    assert np.nanmedian(apart) < 0.8
