"""Values of RINEX files and of columns as plain dictionaries, for comparing one with the other."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import numpy as np

from gnss.epoch_columns import NO_TIME_US, EpochColumns
from gnss.observations import Observations
from gnss.rtcm.signals import rinex_code, wavelength_m
from gnss.systems import System

Key = tuple[int, str, str]
"""UTC in us less the leap seconds of the file (its own time), satellite, observation type."""


def moment_us(text: str) -> int:
    """Return the us since 1970 of "2019 04 06 23 50 09.0000000", which may have spaces for zeros."""
    year, month, day, hour, minute, seconds = text.split()
    begin = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)
    return int(begin.timestamp()) * 1_000_000 + round(float(seconds) * 1e6)


def rinex_3(text: str, *, every: int = 1) -> dict[Key, tuple[float, int]]:
    """Return value and loss of lock indicator of RINEX 3 text, of each n-th epoch; 0 is no value."""
    lines = iter(text.splitlines())
    types: dict[str, list[str]] = {}
    letter = ""
    for line in lines:
        if line[60:].startswith("SYS / # / OBS TYPES"):
            letter = line[0].strip() or letter
            types.setdefault(letter, []).extend(line[6:60].split())
        if line[60:].startswith("END OF HEADER"):
            break
    found: dict[Key, tuple[float, int]] = {}
    number = -1
    for line in lines:
        if line[0] == ">":
            time_us = moment_us(line[2:29])
            number += 1
        elif number % every == 0:
            for i, kind in enumerate(types[line[0]]):
                written = line[3 + 16 * i : 17 + 16 * i].strip()
                if written and float(written) != 0.0:
                    found[time_us, line[:3], kind] = (
                        float(written),
                        int(line[17 + 16 * i : 18 + 16 * i].strip() or 0),
                    )
    return found


def of_columns(epochs: EpochColumns, behind_us: int, *, every: int = 1) -> dict[Key, tuple[float, int]]:
    """Return the same of columns; `behind_us` is how far UTC is behind the time that the file has."""
    seen = epochs.observations
    wave = wavelength_m(seen.system, seen.signal, seen.channel)
    columns = {
        "C": seen.range_m,
        "L": seen.phase_m / wave,
        "D": -seen.rate_m_s / wave,
        "S": seen.cn0_dbhz,
    }
    indicator = ((seen.flags & 1) | (seen.half_cycle << 1)).tolist()
    rows = np.flatnonzero(seen.row % every == 0)
    times = (epochs.time_us[seen.row] + behind_us).tolist()
    names = [
        f"{System(system).letter}{satellite:02d}"
        for system, satellite in zip(seen.system.tolist(), seen.satellite.tolist(), strict=True)
    ]
    codes = [rinex_code(s, g) for s, g in zip(seen.system.tolist(), seen.signal.tolist(), strict=True)]
    found: dict[Key, tuple[float, int]] = {}
    for letter, column in columns.items():
        values = column.tolist()
        present = ~np.isnan(column)
        for i in rows[present[rows]].tolist():
            found[times[i], names[i], f"{letter}{codes[i]}"] = values[i], indicator[i] if letter == "L" else 0
    return found


def joined(parts: list[tuple[int, Observations]]) -> EpochColumns:
    """Return epochs of station 0 from the times and observations of single ones."""
    counts = np.array([len(seen) for _, seen in parts], np.int32)
    n = len(parts)
    columns = {
        f.name: np.concatenate([getattr(seen, f.name) for _, seen in parts])
        for f in fields(Observations)
        if f.name != "row"
    }
    return EpochColumns(
        station=np.zeros(n, np.int32),
        time_us=np.array([time_us for time_us, _ in parts], np.int64),
        received_at_us=np.full(n, NO_TIME_US, np.int64),
        closed_by=np.zeros(n, np.uint8),
        first=(np.cumsum(counts) - counts).astype(np.int64),
        count=counts,
        frames=np.zeros(n, np.int32),
        bad_frames=np.zeros(n, np.int32),
        begin=np.zeros(n, np.int64),
        observations=Observations(row=np.repeat(np.arange(n, dtype=np.int32), counts), **columns),
    )
