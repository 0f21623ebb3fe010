"""Make the frames of one station those of another, or of another time, without encoding them again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import copy_bytes, frozen
from gnss.rtcm.crc import crc24q_kernel
from gnss.rtcm.framing import CRC_BYTES, HEADER_BYTES, find_frames
from gnss.rtcm.msm_layout import (
    BDS_TO_GPS_MS,
    DAY_BITS,
    FIRST_MESSAGE,
    GLONASS_DAY_UNKNOWN,
    LAST_MESSAGE,
    MOSCOW_MS,
    MS_PER_DAY,
    MS_PER_WEEK,
)
from gnss.systems import System
from gnss.time import msm_time_ms
from kernels.compiled import njit

STATION_MESSAGES = (1005, 1006, 1007, 1008, 1013, 1033, 1230)
"""These tell the station (DF003) behind their number, as all MSM do; ephemerides tell none."""
KEEP = -1
"""No other time."""

UInt8 = NDArray[np.uint8]


def restamp(frames: bytes, reference_station: int, epoch_us: int | None = None) -> bytes:
    """Return the same frames with another reference station, and their MSM with another time.

    Parameters
    ----------
    frames
        RTCM 3; bytes that are in no valid frame are left as they are.
    reference_station
        DF003, 0 to 4095.
    epoch_us
        UTC, rounded to ms; None keeps the times.

    Raises
    ------
    ValueError
        The station does not fit its field.
    """
    return restamp_for(frames, np.array([reference_station], np.int64), epoch_us)[0]


def restamp_for(frames: bytes, stations: NDArray[np.int64], epoch_us: int | None = None) -> list[bytes]:
    """Return the frames once for each of many reference stations, shape (n,); see `restamp`."""
    if len(stations) and not (stations.min() >= 0 and stations.max() < 4096):
        msg = f"reference stations are 0 to 4095, not {stations.min()} to {stations.max()}"
        raise ValueError(msg)
    buffer = frozen(np.frombuffer(frames, np.uint8), np.uint8)
    index = find_frames(buffer, final=True)
    times = np.full(len(System), KEEP, np.int64)
    if epoch_us is not None:
        times[:] = [_time_sent(epoch_us, system) for system in System]
    out = np.empty((len(stations), len(frames)), np.uint8)
    _restamp(buffer, index.start, index.length, index.message.astype(np.int64), stations, times, out)
    return [row.tobytes() for row in out]


def _time_sent(epoch_us: int, system: System) -> int:
    """Return the 30 bits that an MSM of the system has (DF004, DF427, or DF416 and DF034)."""
    time_ms = msm_time_ms(epoch_us, system)
    if system is System.GLONASS:
        return GLONASS_DAY_UNKNOWN << DAY_BITS | (time_ms + MOSCOW_MS) % MS_PER_DAY
    if system is System.BEIDOU:
        return (time_ms - BDS_TO_GPS_MS) % MS_PER_WEEK
    return time_ms


@njit(cache=True, nogil=True)
def _restamp(
    buffer: UInt8,
    start: NDArray[np.int64],
    length: NDArray[np.int32],
    message: NDArray[np.int64],
    stations: NDArray[np.int64],
    times: NDArray[np.int64],
    out: UInt8,
) -> None:
    """Fill `out`, shape (stations, bytes), with the buffer once for each station."""
    for i in range(len(stations)):
        row = out[i]
        copy_bytes(buffer, 0, buffer.size, row, 0)
        for k in range(len(start)):
            number = message[k]
            is_msm = FIRST_MESSAGE <= number <= LAST_MESSAGE and number % 10 in (1, 2, 3, 4, 5, 6, 7)
            if not is_msm and number not in STATION_MESSAGES:
                continue
            at, end = start[k] + HEADER_BYTES, start[k] + HEADER_BYTES + length[k]
            if length[k] < 3:
                continue
            row[at + 1] = (row[at + 1] & 0xF0) | (stations[i] >> 8)
            row[at + 2] = stations[i] & 0xFF
            sent = times[(number - FIRST_MESSAGE) // 10] if is_msm else KEEP
            if sent != KEEP and length[k] >= 7:
                row[at + 3] = sent >> 22
                row[at + 4] = (sent >> 14) & 0xFF
                row[at + 5] = (sent >> 6) & 0xFF
                row[at + 6] = ((sent & 0x3F) << 2) | (row[at + 6] & 3)
            crc = crc24q_kernel(row, start[k], end)
            for b in range(CRC_BYTES):
                row[end + b] = (crc >> (8 * (CRC_BYTES - 1 - b))) & 0xFF
