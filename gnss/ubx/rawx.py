"""UBX-RXM-RAWX: the observations of an epoch.

Source: u-blox interface descriptions, RXM-RAWX versions 0 and 1. Structures are read with numpy, since an
object for each of a hundred observations would cost more than all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.observations import Observations
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S, wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, WEEK_US
from gnss.ubx.framing import UbxFrame
from gnss.ubx.signals import FIRST_OF, NO_SIGNAL, NO_SYSTEM, SIGNAL_OF, SYSTEM_OF, UNKNOWN_SLOT

RXM_RAWX = 0x0215
MOST_LOCK_MS = 64_500
"""At which the receiver's lock time stops."""

_HEAD = np.dtype(
    [
        ("tow_s", "<f8"),
        ("week", "<u2"),
        ("leap_s", "i1"),
        ("count", "u1"),
        ("status", "u1"),
        ("version", "u1"),
        ("reserved", "u1", 2),
    ]
)
_ROW = np.dtype(
    [
        ("range_m", "<f8"),
        ("phase_cycles", "<f8"),
        ("doppler_hz", "<f4"),
        ("gnss", "u1"),
        ("sv", "u1"),
        ("signal", "u1"),
        ("frequency", "u1"),
        ("lock_ms", "<u2"),
        ("cn0_dbhz", "u1"),
        ("deviations", "u1", 3),
        ("tracking", "u1"),
        ("reserved", "u1"),
    ]
)
_LEAPS_KNOWN, _CLOCK_RESET = 1, 2
_RANGE_VALID, _PHASE_VALID, _HALF_CYCLE_KNOWN, _HALF_CYCLE_TAKEN = 1, 2, 4, 8
_NO_PHASES = (0.0, -0.5)
"""What some firmware sends for no phase, also as valid."""
_CHANNEL_OFFSET = 7
_CHANNELS = 14
_WEEK_S = WEEK_US // 1_000_000
_ON_TIME_S = 1e-9
"""Nearer than this to a millisecond a time is that millisecond: it is a double, right to 0.1 ns."""


@dataclass(frozen=True, slots=True)
class UbxEpoch:
    """What a message of observations says."""

    time_gps_us: int
    """GPS time as `gnss.time` counts it, a whole millisecond."""
    observations: Observations
    """In the order of the message; `row` is 0, `lock_ms` that of the receiver, up to `MOST_LOCK_MS`."""
    half_cycle_taken: NDArray[np.bool_]
    """Shape (n,): half a cycle was taken from the phase; the phase jumps where this changes."""
    leap_s: int | None
    """GPS time less UTC as the receiver knows it."""
    clock_reset: bool
    """The receiver has set its clock; phase and range jumped together."""
    unknown_signals: int
    """Observations of signals, systems or GLONASS slots without a number in MSM; they are left out."""


def epoch_of(frame: UbxFrame) -> UbxEpoch | None:
    """Return the epoch of a message; None for another message, a shorter one, or one without a time.

    A receiver's epochs need not lie at whole milliseconds, and MSM has none between. Then its clock is taken
    to show the nearest one: ranges and phases change by what light travels in the difference.
    """
    if frame.kind != RXM_RAWX or len(frame.payload) < _HEAD.itemsize:
        return None
    head = np.frombuffer(frame.payload, _HEAD, 1)[0]
    count, tow_s, week = int(head["count"]), float(head["tow_s"]), int(head["week"])
    if len(frame.payload) < _HEAD.itemsize + count * _ROW.itemsize or not week or not 0 <= tow_s <= _WEEK_S:
        return None
    time_ms = round(tow_s * 1000.0)
    late_s = tow_s - time_ms / 1000.0
    late_m = late_s * SPEED_OF_LIGHT_M_S if abs(late_s) > _ON_TIME_S else 0.0

    rows = np.frombuffer(frame.payload, _ROW, count, _HEAD.itemsize)
    system = SYSTEM_OF[rows["gnss"]]
    # before version 1 a receiver had one signal of a system
    signal = SIGNAL_OF[rows["gnss"], rows["signal"] if head["version"] else 0]
    known = (system != NO_SYSTEM) & (signal != NO_SIGNAL)
    known &= (system != System.GLONASS) | (rows["sv"] != UNKNOWN_SLOT)
    rows, system, signal = rows[known], system[known], signal[known]
    n = len(rows)
    channel = np.zeros(n, np.int8)
    glonass = system == System.GLONASS
    frequency = rows["frequency"][glonass]
    channel[glonass] = np.where(
        frequency < _CHANNELS, frequency.astype(np.int64) - _CHANNEL_OFFSET, UNKNOWN_CHANNEL
    )
    wave_m = wavelength_m(system, signal, channel)
    tracking, phase = rows["tracking"], rows["phase_cycles"]
    has_phase = (tracking & _PHASE_VALID != 0) & ~np.isin(phase, _NO_PHASES)
    leaps_known = bool(head["status"] & _LEAPS_KNOWN)
    return UbxEpoch(
        time_gps_us=GPS_EPOCH_US + week * WEEK_US + time_ms * 1000,
        observations=Observations(
            row=np.zeros(n, np.int32),
            system=system,
            satellite=(rows["sv"] - FIRST_OF[rows["gnss"]]).astype(np.uint8),
            signal=signal,
            range_m=np.where(tracking & _RANGE_VALID != 0, rows["range_m"] - late_m, np.nan),
            phase_m=np.where(has_phase, phase * wave_m - late_m, np.nan),
            rate_m_s=-rows["doppler_hz"].astype(np.float64) * wave_m,
            cn0_dbhz=np.where(rows["cn0_dbhz"] > 0, rows["cn0_dbhz"], np.nan),
            lock_ms=rows["lock_ms"].astype(np.int32),
            lock_indicator=np.full(n, -1, np.int16),
            half_cycle=(tracking & _HALF_CYCLE_KNOWN == 0).astype(np.uint8),
            flags=np.zeros(n, np.uint8),
            channel=channel,
        ),
        half_cycle_taken=tracking & _HALF_CYCLE_TAKEN != 0,
        leap_s=int(head["leap_s"]) if leaps_known else None,
        clock_reset=bool(head["status"] & _CLOCK_RESET),
        unknown_signals=count - n,
    )
