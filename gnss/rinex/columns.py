"""Values as a file has them into the columns that decoders write."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import CLOSED_BY, NO_TIME_US, EpochColumns
from gnss.observations import LOST_LOCK, Observations
from gnss.rinex.cells import DOPPLER, PHASE, RANGE, STRENGTH, Cells
from gnss.rinex.epoch_lines import FLAG_POWER, Epochs, Satellites
from gnss.rtcm.signals import wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System


def to_observations(
    cells: Cells, satellites: Satellites, epochs: Epochs, channels: Mapping[int, int]
) -> tuple[Observations, int]:
    """Return the columns, and how many GLONASS phases lack their frequency number."""
    system = satellites.system[cells.satellite]
    satellite = satellites.satellite[cells.satellite]
    row = satellites.epoch[cells.satellite]
    channel = np.zeros(len(row), np.int8)
    of_slot = np.full(256, UNKNOWN_CHANNEL, np.int8)
    for slot, number in channels.items():
        if 0 < slot < len(of_slot) and -7 <= number <= 13:
            of_slot[slot] = number
    glonass = system == System.GLONASS
    channel[glonass] = of_slot[satellite[glonass]]
    wave_m = wavelength_m(system, cells.signal, channel)
    phase = cells.value[:, PHASE]
    without = int(np.count_nonzero(~np.isnan(phase) & np.isnan(wave_m)))
    lost = (cells.indicator & 1).astype(bool) | (epochs.flag[row] == FLAG_POWER)
    n = len(row)
    made = Observations(
        row=row,
        system=system,
        satellite=satellite,
        signal=cells.signal,
        range_m=cells.value[:, RANGE].copy(),
        phase_m=phase * wave_m,
        rate_m_s=-cells.value[:, DOPPLER] * wave_m,
        cn0_dbhz=cells.value[:, STRENGTH].copy(),
        lock_ms=np.full(n, -1, np.int32),
        lock_indicator=np.full(n, -1, np.int16),
        half_cycle=(cells.indicator >> 1 & 1).astype(np.uint8),
        flags=np.where(lost, LOST_LOCK, 0).astype(np.uint8),
        channel=channel,
    )
    return made, without


def epoch_columns(
    time_us: NDArray[np.int64], begin: NDArray[np.int64], observations: Observations
) -> EpochColumns:
    """Return epochs of station 0: times (UTC) and offsets of shape (n,), observations in their order."""
    n = len(time_us)
    edges = np.searchsorted(observations.row, np.arange(n + 1))
    return EpochColumns(
        station=np.zeros(n, np.int32),
        time_us=time_us,
        received_at_us=np.full(n, NO_TIME_US, np.int64),
        closed_by=np.full(n, CLOSED_BY.index("complete"), np.uint8),
        first=edges[:-1].astype(np.int64),
        count=np.diff(edges).astype(np.int32),
        frames=np.zeros(n, np.int32),
        bad_frames=np.zeros(n, np.int32),
        begin=begin,
        observations=observations,
    )
