"""Observations of some epochs as a file has them: in its order, as thousandths of its units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.observations import PARTIAL, Observations
from gnss.rinex.loss_of_lock import Columns
from gnss.rinex.text import MAX_THOUSANDTHS, MIN_THOUSANDTHS, NOTHING
from gnss.rtcm.signals import N_SIGNALS, rinex_code, wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System

N_SYSTEMS = len(System)
SATELLITES = 256
_NAMES = tuple(f.name for f in fields(Observations) if f.name not in {"row", "lock_indicator"})
_NO_CODE = 99


@dataclass(frozen=True, slots=True)
class Piece:
    """Epochs of one station with all their observations."""

    time_us: NDArray[np.int64]
    """Of each epoch, UTC, ascending; shape (e,)."""
    epoch: NDArray[np.int64]
    """Row of each observation's epoch, ascending; shape (n,)."""
    columns: Columns
    """`Observations` by name, those of an epoch by system, satellite and code; shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Part:
    """Epochs as they came."""

    time_us: NDArray[np.int64]
    count: NDArray[np.int32]
    columns: Columns


def chosen(epochs: EpochColumns, rows: NDArray[np.int64]) -> Part:
    """Return some epochs, shape (e,), with their observations."""
    count = epochs.count[rows]
    of_rows = _ranges(epochs.first[rows], count)
    columns: Columns = {name: getattr(epochs.observations, name)[of_rows] for name in _NAMES}
    return Part(epochs.time_us[rows], count, columns)


def ordered(parts: list[Part]) -> tuple[Piece, int]:
    """Return parts, at least one, in order, and how many epochs had a time that came before."""
    times = np.concatenate([part.time_us for part in parts])
    counts = np.concatenate([part.count for part in parts])
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in _NAMES}
    time_us, first = np.unique(times, return_index=True)
    begins = np.cumsum(counts) - counts
    rows = _ranges(begins[first], counts[first])
    epoch = np.repeat(np.arange(len(time_us)), counts[first])
    columns = {name: column[rows] for name, column in columns.items()}
    code = _CODE_ORDER[columns["system"].astype(np.intp), columns["signal"].astype(np.intp) % N_SIGNALS]
    order = np.lexsort((code, columns["satellite"], columns["system"], epoch))
    columns = {name: column[order] for name, column in columns.items()}
    return Piece(time_us, epoch[order], columns), len(times) - len(time_us)


def told_channels(columns: Columns) -> dict[int, int]:
    """Return the frequency numbers of GLONASS slots that observations tell."""
    channel = columns["channel"].astype(np.int8)
    told = (columns["system"] == System.GLONASS) & (channel != UNKNOWN_CHANNEL)
    slots, first = np.unique(columns["satellite"][told], return_index=True)
    return {int(slot): int(channel[told][i]) for slot, i in zip(slots, first, strict=True)}


def thousandths(
    columns: Columns, channels: Mapping[int, int], *, otherwise: int = UNKNOWN_CHANNEL
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    """Return what is written, shape (n, 4): m, cycles, Hz and dB-Hz in thousandths, rounded.

    Parameters
    ----------
    channels
        GLONASS frequency numbers by slot, for observations that do not tell them.
    otherwise
        Number of all other slots.

    Returns
    -------
    The values, and the rows of which something is left out, by reason: shape (n,), or (n, 4) for values that
    have no room.
    """
    flags = columns["flags"].astype(np.uint8)
    has_code, named = _has_code(columns), columns["satellite"] != 0
    writable = has_code & named
    partial = ((flags & PARTIAL) != 0) & writable
    wave_m = wavelength_m(columns["system"], columns["signal"], _channels(columns, channels, otherwise))
    phase_m = columns["phase_m"].astype(np.float64)
    values = np.column_stack(
        (
            np.where(partial, np.nan, columns["range_m"]),
            np.where(partial, np.nan, phase_m) / wave_m,
            -columns["rate_m_s"].astype(np.float64) / wave_m,
            columns["cn0_dbhz"],
        )
    ).astype(np.float64)
    values[~writable] = np.nan
    values *= 1000.0
    fits = (values <= MAX_THOUSANDTHS) & (values >= MIN_THOUSANDTHS)
    whole_phase = ~np.isnan(phase_m) & ~partial & writable
    return np.where(fits, np.rint(np.where(fits, values, 0.0)), NOTHING).astype(np.int64), {
        "signals without a RINEX code": ~has_code,
        "observations without a satellite number": ~named,
        "ranges and phases without whole milliseconds": partial,
        "GLONASS phases without a frequency number": whole_phase & np.isnan(wave_m),
        "values that have no room in their field": ~fits & ~np.isnan(values),
    }


def codes_in_order(system: System) -> list[tuple[str, int]]:
    """Return the codes of a system with their signals, in the order of the fields."""
    return sorted(
        (code, signal) for signal in range(N_SIGNALS) if (code := rinex_code(system, signal)) is not None
    )


def _ranges(first: NDArray[np.int64], count: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return first[0], ..., first[0] + count[0] - 1, first[1], ..."""
    behind = np.cumsum(count, dtype=np.int64)
    starts: NDArray[np.int64] = np.asarray(first, np.int64) - (behind - count)
    return np.repeat(starts, count) + np.arange(behind[-1] if len(behind) else 0)


def _channels(columns: Columns, channels: Mapping[int, int], otherwise: int) -> NDArray[np.int8]:
    channel = columns["channel"].astype(np.int8)
    unknown = (columns["system"] == System.GLONASS) & (channel == UNKNOWN_CHANNEL)
    of_slot = np.full(SATELLITES, otherwise, np.int8)
    for slot, number in channels.items():
        of_slot[slot] = number
    return np.where(unknown, of_slot[columns["satellite"].astype(np.intp)], channel)


def _has_code(columns: Columns) -> NDArray[np.bool_]:
    signal = columns["signal"].astype(np.intp)
    order = _CODE_ORDER[columns["system"].astype(np.intp), signal % N_SIGNALS]
    found: NDArray[np.bool_] = (signal < N_SIGNALS) & (order != _NO_CODE)
    return found


def _code_order() -> NDArray[np.int64]:
    """Return the place of each signal's code among those of its system."""
    order = np.full((N_SYSTEMS, N_SIGNALS), _NO_CODE, np.int64)
    for system in System:
        for place, (_, signal) in enumerate(codes_in_order(system)):
            order[system, signal] = place
    return order


_CODE_ORDER = _code_order()
