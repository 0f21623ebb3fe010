"""RTKLIB's convbin as an independent reader, and our RTCM in the words of its RINEX files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import rinex_code, wavelength_m
from gnss.systems import System

LEAP_MS = 18_000
DAY_MS = 86_400_000
Key = tuple[int, str, str]
"""ms of the GPS day, satellite, observation type."""


class Value(NamedTuple):
    value: float
    half: bool
    """The phase may be off by half a cycle."""


def convbin(folder: Path, kind: str, stream: bytes, *options: str) -> tuple[Path, Path]:
    """Return the observation and the navigation file that convbin makes of a stream."""
    program = shutil.which("convbin")
    if program is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    source = folder / f"stream.{kind}"
    source.write_bytes(stream)
    made = folder / f"{kind}.obs", folder / f"{kind}.nav"
    command = [program, "-r", kind, "-v", "3.04", "-od", "-os", *options]
    command += ["-o", str(made[0]), "-n", str(made[1]), str(source)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return made


def read_rinex(path: Path) -> dict[Key, Value]:
    """Return the values of a RINEX 3 file."""
    lines = iter(path.read_text().splitlines())
    types: dict[str, list[str]] = {}
    letter = ""
    for line in lines:
        if line[60:].startswith("SYS / # / OBS TYPES"):
            letter = line[0].strip() or letter
            types.setdefault(letter, []).extend(line[6:60].split())
        if line[60:].startswith("END OF HEADER"):
            break
    values: dict[Key, Value] = {}
    time_ms = 0
    for line in lines:
        if line.startswith(">"):
            hour, minute, second = line.split()[4:7]
            time_ms = (int(hour) * 60 + int(minute)) * 60_000 + round(float(second) * 1000)
            continue
        for i, kind in enumerate(types[line[0]]):
            written = line[3 + 16 * i : 17 + 16 * i].strip()
            indicator = line[17 + 16 * i : 18 + 16 * i].strip() or "0"
            if written:
                values[time_ms, line[:3], kind] = Value(float(written), int(indicator) & 2 != 0)
    return values


def read_rtcm(stream: bytes) -> dict[Key, Value]:
    """Return the same of the MSM in a stream."""
    buffer = np.frombuffer(stream, np.uint8)
    index = find_frames(buffer, final=True)
    assert (index.bad, index.skipped_bytes) == (0, 0)
    frames, seen = decode_msm(buffer, index.start, index.length)
    glonass = frames.system == System.GLONASS
    time_ms = np.where(glonass, frames.time_ms + LEAP_MS, frames.time_ms) % DAY_MS
    wave_m = wavelength_m(seen.system, seen.signal, seen.channel)
    columns = {
        "C": seen.range_m,
        "L": seen.phase_m / wave_m,
        "D": -seen.rate_m_s / wave_m,
        "S": seen.cn0_dbhz,
    }
    values: dict[Key, Value] = {}
    for i in range(len(seen)):
        satellite = f"{System(seen.system[i]).letter}{seen.satellite[i]:02d}"
        for letter, column in columns.items():
            if not np.isnan(column[i]):
                key = (
                    int(time_ms[seen.row[i]]),
                    satellite,
                    f"{letter}{rinex_code(seen.system[i], seen.signal[i])}",
                )
                assert key not in values
                values[key] = Value(float(column[i]), bool(seen.half_cycle[i]))
    return values


HALF_STEPS = {"C": 0.0008, "L": 0.0012, "D": 0.0011, "S": 0.0005}
"""Of MSM7 and the file's last digit: 0.28 and 0.5 mm, 0.04 mm and 0.0005 cycles, 0.05 mm/s and 0.0005 Hz."""


def assert_equal(
    ours: dict[Key, Value], theirs: dict[Key, Value], steps: dict[str, float] | None = None
) -> None:
    """All that the file has stands in our stream, with the same values."""
    for key, (value, half) in theirs.items():
        mine = ours.get(key)
        assert mine is not None, key
        assert mine.value == pytest.approx(value, abs=(steps or HALF_STEPS)[key[2][0]]), key
        if key[2][0] == "L":
            assert mine.half == half, key
