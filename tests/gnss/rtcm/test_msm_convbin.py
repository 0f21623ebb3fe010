"""Observations against the RINEX file that RTKLIB's convbin writes from the same capture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import rinex_code, wavelength_m
from gnss.systems import System

LEAP_MS = 18_000
DAY_MS, WEEK_MS = 86_400_000, 604_800_000
# with the date, and how many values of each kind must be compared at least
CAPTURES = {
    "swift/week-rollover-STR24.rtcm3": ("2019/04/06 23:50:00", 10_000),
    "asv/imu_rtcm": ("2019/04/03 14:40:00", 10_000),
    "swift/switch-legacy-msm-legacy-msm.rtcm": ("2020/09/09 13:46:00", 20_000),
    "swift/leica.rtcm": ("2020/09/08 18:40:00", 800),
    "swift/topcon.rtcm": ("2020/09/07 18:30:00", 1_200),
    "swift/navcom.rtcm": ("2020/09/12 00:30:00", 2_000),
    "swift/geo++_SOK.rtcm": ("2020/09/09 23:10:00", 1_100),
    "gpsd/rtcm3.bndm.log": ("2020/09/12 02:10:00", 1_100),
}

Key = tuple[int, str, str]


def read_rinex(path: Path) -> dict[Key, float]:
    """Return values by ms of the GPS day, satellite and observation type, of a RINEX 3 file."""
    lines = iter(path.read_text().splitlines())
    types: dict[str, list[str]] = {}
    letter = ""
    for line in lines:
        if line[60:].startswith("SYS / # / OBS TYPES"):
            letter = line[0].strip() or letter
            types.setdefault(letter, []).extend(line[6:60].split())
        if line[60:].startswith("END OF HEADER"):
            break
    values: dict[Key, float] = {}
    for line in lines:
        if line.startswith(" "):  # an event (another station): a count of header lines
            for _ in range(int(line.split()[1])):
                next(lines)
            continue
        if line.startswith(">"):
            hour, minute, second = line.split()[4:7]
            time_ms = (int(hour) * 60 + int(minute)) * 60_000 + round(float(second) * 1000)
            continue
        for i, kind in enumerate(types[line[0]]):
            written = line[3 + 16 * i : 17 + 16 * i].strip()
            if written:
                values[time_ms, line[:3], kind] = float(written)
    return values


@pytest.mark.integration
@pytest.mark.parametrize("capture", list(CAPTURES))
def test_observations_equal_convbin(data, tmp_path: Path, capture: str) -> None:
    convbin = shutil.which("convbin")
    if convbin is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    source = data / f"rtcm3/{capture}"
    date, at_least = CAPTURES[capture]
    options = ["-r", "rtcm3", "-tr", *date.split(), "-v", "3.04", "-os"]
    command = [convbin, *options, "-o", str(tmp_path / "obs"), "-n", str(tmp_path / "nav"), str(source)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    theirs = read_rinex(tmp_path / "obs")

    stream = np.fromfile(source, np.uint8)
    index = find_frames(stream, final=True)
    frames, seen = decode_msm(stream, index.start, index.length)
    time_ms = np.where(frames.system == System.GLONASS, frames.time_ms + LEAP_MS, frames.time_ms) % DAY_MS
    channel = seen.channel.astype(int)
    cycles = seen.phase_m / wavelength_m(seen.system, seen.signal, channel)
    columns = {"C": (seen.range_m, 6e-4), "L": (cycles, 6e-4), "S": (seen.cn0_dbhz, 0.13)}
    compared = dict.fromkeys(columns, 0)
    for i in range(len(seen)):
        system = System(int(seen.system[i]))
        code = rinex_code(system, int(seen.signal[i]))
        satellite = f"{system.letter}{seen.satellite[i]:02d}"
        for kind, (ours, tolerance) in columns.items():
            key = int(time_ms[seen.row[i]]), satellite
            found = theirs.pop((*key, f"{kind}{code}"), None)
            if found is None and code == "2W" and frames.message[seen.row[i]] == 1004:
                found = theirs.pop((*key, f"{kind}2D"), None)  # cross-correlation: MSM has no id for 2D
            if found is None or (kind == "L" and np.isnan(ours[i])):
                continue  # convbin keeps three or four signals of a satellite; MSM4 has no GLONASS channel
            assert abs(found - ours[i]) <= tolerance, (satellite, kind, code, found, ours[i])
            compared[kind] += 1
    assert not theirs, f"{len(theirs)} values only convbin has, for instance {next(iter(theirs))}"
    assert min(compared.values()) > at_least
