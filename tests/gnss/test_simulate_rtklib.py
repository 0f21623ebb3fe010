"""RTKLIB reads a simulated stream and finds the station where it was put."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gnss.simulate import SimulatedStation
from gnss.systems import System
from gnss.time import GPS_EPOCH_US

SECOND_US = 1_000_000
START_US = 1_789_999_980 * SECOND_US
SYSTEMS = {"all": 61, "GPS": 1, "GLONASS": 4, "Galileo": 8, "GPS and QZSS": 17}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install Debian's package rtklib")
    return found


@pytest.fixture(scope="module", params=["steered", "free"])
def converted(request, tmp_path_factory) -> tuple[SimulatedStation, Path]:
    """Return a station whose ten minutes convbin made RINEX of, and the folder."""
    source = SimulatedStation(1234, 121.2, 31.1, 22.0, seed=1, clock=request.param)
    folder = tmp_path_factory.mktemp("rtklib")
    convert(folder, stream_of(source, range(0, 600, 5)))
    return source, folder


def stream_of(source: SimulatedStation, seconds: range) -> bytes:
    return b"".join(frame for i in seconds for frame in source.emit(START_US + i * SECOND_US).frames)


def convert(folder: Path, stream: bytes) -> None:
    """Let convbin make RINEX of a stream that begins at `START_US`."""
    (folder / "stream.rtcm3").write_bytes(stream)
    options = ["-r", "rtcm3", "-tr", "2026/09/21", "14:13:00", "-od", "-v", "3.04", "-o", "obs", "-n", "nav"]
    command = [program("convbin"), *options, "stream.rtcm3"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def solved(folder: Path, settings: str) -> list[list[str]]:
    """Return the lines of rnx2rtkp's solution."""
    (folder / "conf").write_text(settings)
    command = [program("rnx2rtkp"), "-k", "conf", "obs", "nav"]
    out = subprocess.run(command, check=True, capture_output=True, cwd=folder, text=True).stdout
    return [line.split() for line in out.splitlines() if line and not line.startswith("%")]


@pytest.mark.integration
def test_convbin_finds_all_ephemerides(converted):
    source, folder = converted
    found = {line[:3] for line in (folder / "nav").read_text().splitlines() if line[:1] in set("GREJC")}
    up = [s for s in source.truth(START_US + 300 * SECOND_US).satellites if s.elevation_deg > 10]
    assert found >= {f"{s.system.letter}{s.satellite:02d}" for s in up}


@pytest.mark.integration
@pytest.mark.parametrize("systems", list(SYSTEMS))
def test_single_point_positions_are_right(converted, systems: str):
    """Free of the ionosphere from two codes: metres each, decimetres in the mean. RTKLIB lacks B1I/B3I."""
    source, folder = converted
    settings = (
        f"pos1-posmode =single\npos1-frequency =l1+2\npos1-elmask =10\npos1-ionoopt =dual-freq\n"
        f"pos1-tropopt =saas\npos1-navsys ={SYSTEMS[systems]}\nout-solformat =xyz\nout-timesys =gpst\n"
    )
    lines = solved(folder, settings)
    errors = np.array([[float(v) for v in line[2:5]] for line in lines]) - source.ecef_m
    assert len(errors) > 110
    assert np.median(np.linalg.norm(errors, axis=1)) < 2.5
    assert np.abs(errors.mean(axis=0)).max() < 1.0
    assert np.linalg.norm(errors, axis=1).max() < 10.0


@pytest.mark.integration
@pytest.mark.parametrize("clock", ["steered", "free"])
def test_the_velocity_of_a_moving_rover_is_right(tmp_path: Path, clock):
    """From Doppler alone, whatever the places say: these stay where they are."""
    velocity = np.array([60.0, -25.0, 3.0])
    rover = SimulatedStation(1234, 121.2, 31.1, 22.0, seed=1, clock=clock)
    rover.move(121.2, 31.1, 22.0, tuple(velocity))
    convert(tmp_path, stream_of(rover, range(60)))
    lines = solved(tmp_path, "pos1-posmode =single\npos1-navsys =9\nout-solformat =llh\nout-outvel =on\n")
    found = np.array([[float(line[k]) for k in (16, 15, 17)] for line in lines])  # it writes the north first
    assert len(found) > 40
    assert np.abs(found - velocity).max() < 0.1
    assert np.abs(found.mean(axis=0) - velocity).max() < 0.02


@pytest.mark.integration
def test_the_week_is_right(converted):
    source, folder = converted
    first = next(line for line in (folder / "obs").read_text().splitlines() if "TIME OF FIRST OBS" in line)
    assert first.split()[:5] == ["2026", "09", "21", "14", "13"]
    ephemeris = source.sky.sent(0, START_US)[0]
    assert ephemeris.system is System.GPS
    assert (ephemeris.toe_gps_us - GPS_EPOCH_US) % (7200 * SECOND_US) == 0
