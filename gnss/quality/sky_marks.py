"""Where satellites are seen from stations, every five minutes: a kernel over stations."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import N_SIGNALS
from gnss.quality.memory import SATELLITES, Memory
from gnss.quality.period import SkyTrack
from kernels.compiled import njit

MARK_US = 300_000_000
MARK = np.dtype(
    [("station", "<i4"), ("slot", "<i4"), ("key", "<i2"), ("azimuth_deg", "<f4"), ("elevation_deg", "<f4"),
     ("cn0_dbhz", "<f4")]
)  # fmt: skip
"""A satellite above the horizon: `slot` counts `MARK_US` since 1970, `key` is system * 64 + satellite - 1."""
_TRACKED_US = 30_000_000
"""A signal that was away for longer is not seen; or three intervals."""


class SeenSky(Protocol):
    """What is read of `gnss.sky.Sky`."""

    @property
    def known(self) -> NDArray[np.uint8]:
        """Shape (448,)."""

    @property
    def healthy(self) -> NDArray[np.uint8]:
        """Shape (448,)."""

    @property
    def position_m(self) -> NDArray[np.float64]:
        """Shape (448, 3)."""


@njit(cache=True, nogil=True)
def _cn0_of(memory: Memory, s: int, key: int, time_us: int) -> float:
    """Return the level of a satellite's first signal that is tracked; NaN: none."""
    k = memory.slot_of[s, key]
    if k == 255:
        return np.nan
    longest_us = max(_TRACKED_US, 3 * memory.station[s].interval_us)
    for signal in range(N_SIGNALS):
        r = memory.row_of[s, k, signal]
        if r >= 0:
            row = memory.signals[s, r]
            if abs(time_us - row.last_us) <= longest_us and row.cn0_level_dbhz > 0.0:
                return float(row.cn0_level_dbhz)
    return np.nan


@njit(cache=True, nogil=True)
def mark(memory: Memory, stations: Any, usable: Any, position_m: Any, time_us: int, out: Any) -> int:
    """Write the satellites above the horizon of each station whose place is known.

    Parameters
    ----------
    stations
        Rows of the table, shape (n,).
    usable, position_m
        The sky, shape (448,) and (448, 3).
    out
        Out: shape (at least 448 n,) of `MARK`.

    Returns
    -------
    How many are written.
    """
    n = 0
    for s in stations:
        station = memory.station[s]
        if station.placed == 0:
            continue
        up_x, up_y, up_z = station.up[0], station.up[1], station.up[2]
        level = math.sqrt(up_x * up_x + up_y * up_y)
        east_x, east_y = (-up_y / level, up_x / level) if level > 0.0 else (0.0, 1.0)
        for key in range(SATELLITES):
            if not usable[key]:
                continue
            dx = position_m[key, 0] - station.ecef_m[0]
            dy = position_m[key, 1] - station.ecef_m[1]
            dz = position_m[key, 2] - station.ecef_m[2]
            up = dx * up_x + dy * up_y + dz * up_z
            if not up >= 0.0:
                continue
            east = east_x * dx + east_y * dy
            north = -up_z * east_y * dx + up_z * east_x * dy + (up_x * east_y - up_y * east_x) * dz
            one = out[n]
            one.station, one.slot, one.key = s, time_us // MARK_US, key
            one.azimuth_deg = math.degrees(math.atan2(east, north)) % 360.0
            one.elevation_deg = math.degrees(math.atan2(up, math.sqrt(east * east + north * north)))
            one.cn0_dbhz = _cn0_of(memory, s, key, time_us)
            n += 1
    return n


def sky_track(marks: NDArray[Any]) -> SkyTrack:
    """Return marks of one station as a report has them."""
    key = marks["key"].astype(np.int64)
    return SkyTrack(
        time_us=marks["slot"].astype(np.int64) * MARK_US,
        system=(key // 64).astype(np.uint8),
        satellite=(key % 64 + 1).astype(np.uint8),
        azimuth_deg=marks["azimuth_deg"].astype(np.float64),
        elevation_deg=marks["elevation_deg"].astype(np.float64),
        cn0_dbhz=marks["cn0_dbhz"].astype(np.float64),
    )
