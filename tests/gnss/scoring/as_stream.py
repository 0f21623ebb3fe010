"""A RINEX file as a station would have sent it: MSM7 of its epochs, its place, and ephemerides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnss.ephemeris_validity import serves
from gnss.observations import LOST_LOCK
from gnss.rtcm.ephemeris import encode_ephemeris
from gnss.rtcm.framing import build_frame
from gnss.rtcm.msm_epoch import observation_frames
from gnss.rtcm.signals import wavelength_m
from gnss.rtcm.station import encode_1006
from gnss.time import utc_to_gps

FINE_M = 1000.0
"""MSM7 tells a phase by its distance from the satellite's rough range, up to 1,171 m."""
LONGEST_GAP_S = 10.0
QUARTER_US = 900_000_000


def as_stream(rinex, ephemerides=(), reference_station=7):
    """Return the bytes; what MSM7 cannot say is adapted by `sendable`."""
    epochs, o = rinex.epochs, sendable(rinex.epochs)
    columns = type(o).__slots__
    parts = [build_frame(encode_1006(reference_station, rinex.header.position_m, 0.0))]
    first_us, last_us = (int(utc_to_gps(int(epochs.time_us[k]))) for k in (0, -1))
    times_us = [*range(first_us, last_us, QUARTER_US), last_us]
    serving = [one for one in ephemerides if any(serves(one, t) for t in times_us)]
    parts += [build_frame(encode_ephemeris(one)) for one in serving]
    for e in range(len(epochs)):
        rows = np.arange(epochs.first[e], epochs.first[e] + epochs.count[e])
        rows = rows[np.lexsort((o.signal[rows], o.satellite[rows], o.system[rows]))]
        mine = type(o)(*(getattr(o, name)[rows] for name in columns))
        parts += observation_frames(mine, int(epochs.time_us[e]), reference_station, kind=7)
    return b"".join(parts)


def sendable(epochs):
    """Return the observations with lock times, and phases near their ranges.

    A lock time counts from the last loss of lock that the file tells, or from the signal's first epoch; a
    phase is moved by whole cycles, the same number until its satellite or signal is lost.
    """
    o = epochs.observations
    wave_m = wavelength_m(o.system, o.signal, o.channel)
    time_us = epochs.time_us[o.row]
    step_us = np.median(np.diff(epochs.time_us))
    longest_us = max(LONGEST_GAP_S * 1e6, 10 * step_us)
    lock_ms, moved_m = np.zeros(len(o), np.int32), np.zeros(len(o))
    since, last, moved = {}, {}, {}
    anchors = {}
    for i in range(len(o)):
        key = (int(o.system[i]), int(o.satellite[i]), int(o.signal[i]))
        lost = bool(o.flags[i] & LOST_LOCK) or time_us[i] - last.get(key, -(2**62)) > longest_us
        if lost:
            since[key] = time_us[i]
        if key not in since:
            since[key] = time_us[i]
        last[key] = time_us[i]
        lock_ms[i] = min((time_us[i] - since[key]) // 1000, 2**30)
        anchor = (int(o.row[i]), key[0], key[1])
        if not np.isnan(o.range_m[i]):
            anchors.setdefault(anchor, o.range_m[i])
        near_m = anchors.get(anchor, np.nan)
        if np.isnan(o.phase_m[i]) or np.isnan(near_m):
            continue
        if lost or key not in moved or abs(o.phase_m[i] + moved[key] - near_m) > FINE_M:
            moved[key] = np.round((near_m - o.phase_m[i]) / wave_m[i]) * wave_m[i]
        moved_m[i] = moved[key]
    return replace(o, lock_ms=lock_ms, phase_m=o.phase_m + moved_m, flags=np.zeros(len(o), np.uint8))


def cut(rinex, begin, end):
    """Return a file with some of its epochs."""
    epochs = rinex.epochs
    rows = slice(int(epochs.first[begin]), int(epochs.first[end - 1] + epochs.count[end - 1]))
    o = epochs.observations
    mine = type(o)(*(getattr(o, name)[rows] for name in type(o).__slots__))
    columns = {
        name: getattr(epochs, name)[begin:end] for name in type(epochs).__slots__ if name != "observations"
    }
    columns["first"] = columns["first"] - rows.start
    mine = replace(mine, row=mine.row - begin)
    return replace(rinex, epochs=type(epochs)(observations=mine, **columns))
