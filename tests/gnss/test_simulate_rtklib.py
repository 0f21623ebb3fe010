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
    stream = b"".join(f for i in range(0, 600, 5) for f in source.emit(START_US + i * SECOND_US).frames)
    (folder / "stream.rtcm3").write_bytes(stream)
    options = ["-r", "rtcm3", "-tr", "2026/09/21", "14:13:00", "-v", "3.04", "-o", "obs", "-n", "nav"]
    command = [program("convbin"), *options, "stream.rtcm3"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return source, folder


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
    (folder / "conf").write_text(
        f"pos1-posmode =single\npos1-frequency =l1+2\npos1-elmask =10\npos1-ionoopt =dual-freq\n"
        f"pos1-tropopt =saas\npos1-navsys ={SYSTEMS[systems]}\nout-solformat =xyz\nout-timesys =gpst\n"
    )
    command = [program("rnx2rtkp"), "-k", "conf", "obs", "nav"]
    out = subprocess.run(command, check=True, capture_output=True, cwd=folder, text=True).stdout
    lines = [line.split() for line in out.splitlines() if line and not line.startswith("%")]
    errors = np.array([[float(v) for v in line[2:5]] for line in lines]) - source.ecef_m
    assert len(errors) > 110
    assert np.median(np.linalg.norm(errors, axis=1)) < 2.5
    assert np.abs(errors.mean(axis=0)).max() < 1.0
    assert np.linalg.norm(errors, axis=1).max() < 10.0


@pytest.mark.integration
def test_the_week_is_right(converted):
    source, folder = converted
    first = next(line for line in (folder / "obs").read_text().splitlines() if "TIME OF FIRST OBS" in line)
    assert first.split()[:5] == ["2026", "09", "21", "14", "13"]
    ephemeris = source.sky.sent(0, START_US)[0]
    assert ephemeris.system is System.GPS
    assert (ephemeris.toe_gps_us - GPS_EPOCH_US) % (7200 * SECOND_US) == 0
