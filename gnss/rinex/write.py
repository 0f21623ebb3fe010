"""RINEX 3.05 observation files from epochs as they come.

A header names the observation types before the first value stands there, so a writer keeps the epochs of one
file (an hour at 1 Hz of five systems: about 25 MB) and writes them at its end, with the types that came. The
text is a function of the epochs, the station and the time of making; nothing is read or written elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.observations import PARTIAL, Observations
from gnss.rinex.cells import FIELD_WIDTH, KINDS, PHASE
from gnss.rinex.header import ObservationHeader
from gnss.rinex.loss_of_lock import Columns, loss_indicators
from gnss.rinex.text import HEAD_BYTES, MAX_THOUSANDTHS, MIN_THOUSANDTHS, NOTHING, write_epochs
from gnss.rinex.write_header import Contents, calendar_of, header_text
from gnss.rtcm.signals import N_SIGNALS, rinex_code, wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import utc_to_gps

_N_SYSTEMS = len(System)
_COLUMNS = tuple(f.name for f in fields(Observations) if f.name not in {"row", "lock_indicator"})
_SATELLITES = 256


@dataclass(frozen=True, slots=True)
class RinexFile:
    """A file that was written."""

    text: bytes
    epochs: int
    left_out: dict[str, int]
    """What could not be written, by reason."""


class RinexWriter:
    """Takes the epochs of one station and file period; `finish` gives the file."""

    def __init__(
        self,
        station: ObservationHeader,
        *,
        begin_us: int,
        end_us: int,
        number: int = 0,
        glonass_channels: Mapping[int, int] | None = None,
    ) -> None:
        """Begin a file.

        Parameters
        ----------
        station
            Marker, receiver, antenna and position go into the header; types, times and frequency numbers
            come from the epochs.
        begin_us, end_us
            UTC; epochs before and from the end on are left out. `gnss.rinex.names.period_begin_us` gives
            the begin of an hour or day of GPS time.
        number
            Of the station in `EpochColumns.station`; epochs of other stations are passed over.
        glonass_channels
            Frequency numbers by slot, for streams that do not tell them (MSM4 without 1020).

        Raises
        ------
        ValueError
            The period has no length.
        """
        if end_us <= begin_us:
            raise ValueError("end_us must be behind begin_us")
        self._station = station
        self._begin_us, self._end_us, self._number = begin_us, end_us, number
        self._channels = dict(glonass_channels or {})
        self._times: list[NDArray[np.int64]] = []
        self._counts: list[NDArray[np.int32]] = []
        self._parts: list[Columns] = []
        self._outside = 0

    def add(self, epochs: EpochColumns) -> None:
        """Take epochs; in any order, in as many pieces as there are."""
        ours = epochs.station == self._number
        inside = ours & (epochs.time_us >= self._begin_us) & (epochs.time_us < self._end_us)
        self._outside += int(np.count_nonzero(ours & ~inside))
        chosen = np.flatnonzero(inside)
        if len(chosen) == 0:
            return
        count = epochs.count[chosen]
        rows = _ranges(epochs.first[chosen], count)
        self._times.append(epochs.time_us[chosen])
        self._counts.append(count)
        self._parts.append({name: getattr(epochs.observations, name)[rows] for name in _COLUMNS})

    def finish(self, made_us: int) -> RinexFile:
        """Return the file.

        Parameters
        ----------
        made_us
            When it is made, for the header; UTC.

        Raises
        ------
        ValueError
            No epoch with a value that RINEX can hold came.
        """
        left_out = {"epochs outside of the period": self._outside}
        if not self._parts:
            raise ValueError("no epoch of this station and period: there is nothing to write")
        time_us, epoch, columns = self._in_order(left_out)
        _count(left_out, "signals without a RINEX code", ~_has_code(columns))
        partial = (columns["flags"].astype(np.uint8) & PARTIAL) != 0
        _count(left_out, "ranges and phases without whole milliseconds", partial & _has_code(columns))
        channel, channels = self._known_channels(columns)
        thousandths = self._thousandths(columns, partial, channel, left_out)
        written = (thousandths != NOTHING).any(axis=1)
        indicator = loss_indicators(columns, epoch, time_us, thousandths[:, PHASE] != NOTHING)[written]
        kept, row = np.unique(epoch[written], return_inverse=True)
        if len(kept) == 0:
            raise ValueError("no epoch has a value that RINEX can hold: there is nothing to write")
        system = columns["system"][written].astype(np.uint8)
        signal = columns["signal"][written].astype(np.uint8)
        satellite = columns["satellite"][written].astype(np.uint8)
        thousandths = thousandths[written]
        types, field = _fields(system, signal, thousandths)
        first = np.searchsorted(row, np.arange(len(kept) + 1))
        gps_us = utc_to_gps(time_us[kept])
        body = _body(gps_us, first, system, satellite, field, thousandths, indicator)
        seen = np.unique(system.astype(np.int64) * _SATELLITES + satellite)
        slots = {int(s) for s in satellite[system == System.GLONASS]}
        contents = Contents(
            gps_us=gps_us,
            types=types,
            satellites=len(seen),
            glonass_channels={slot: n for slot, n in sorted(channels.items()) if slot in slots},
        )
        head = header_text(self._station, contents, made_us)
        return RinexFile(head + body, len(kept), {reason: n for reason, n in left_out.items() if n})

    def _in_order(self, left_out: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], Columns]:
        """Return times of the epochs, and of each observation its epoch and columns, all in order."""
        times, counts = np.concatenate(self._times), np.concatenate(self._counts)
        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in _COLUMNS}
        time_us, first = np.unique(times, return_index=True)
        left_out["epochs of a time that came before"] = len(times) - len(time_us)
        begins = np.cumsum(counts) - counts
        rows = _ranges(begins[first], counts[first])
        epoch = np.repeat(np.arange(len(time_us)), counts[first])
        columns = {name: column[rows] for name, column in columns.items()}
        code = _code_order()[columns["system"].astype(np.intp), columns["signal"].astype(np.intp) % N_SIGNALS]
        order = np.lexsort((code, columns["satellite"], columns["system"], epoch))
        return time_us, epoch[order], {name: column[order] for name, column in columns.items()}

    def _known_channels(self, columns: Columns) -> tuple[NDArray[np.int8], dict[int, int]]:
        """Return frequency numbers of the observations, and of the slots; one tells it for all."""
        channel = columns["channel"].astype(np.int8)
        glonass = columns["system"] == System.GLONASS
        told = glonass & (channel != UNKNOWN_CHANNEL)
        satellite = columns["satellite"].astype(np.intp)
        slots, first = np.unique(satellite[told], return_index=True)
        channels = self._channels | {
            int(slot): int(channel[told][i]) for slot, i in zip(slots, first, strict=True)
        }
        of_slot = np.full(_SATELLITES, UNKNOWN_CHANNEL, np.int8)
        for slot, number in channels.items():
            of_slot[slot] = number
        return np.where(glonass & ~told, of_slot[satellite], channel), channels

    @staticmethod
    def _thousandths(
        columns: Columns, partial: NDArray[np.bool_], channel: NDArray[np.int8], left_out: dict[str, int]
    ) -> NDArray[np.int64]:
        """Return what is written, shape (n, 4): m, cycles, Hz, dB-Hz in thousandths, rounded."""
        wave_m = wavelength_m(columns["system"], columns["signal"], channel)
        values = np.column_stack(
            (
                np.where(partial, np.nan, columns["range_m"]),
                np.where(partial, np.nan, columns["phase_m"]) / wave_m,
                -columns["rate_m_s"].astype(np.float64) / wave_m,
                columns["cn0_dbhz"],
            )
        ).astype(np.float64)
        has_code = _has_code(columns)
        values[~has_code] = np.nan
        whole_phase = ~np.isnan(columns["phase_m"].astype(np.float64)) & ~partial & has_code
        _count(left_out, "GLONASS phases without a frequency number", whole_phase & np.isnan(wave_m))
        values *= 1000.0
        fits = (values <= MAX_THOUSANDTHS) & (values >= MIN_THOUSANDTHS)
        _count(left_out, "values that have no room in their field", ~fits & ~np.isnan(values))
        return np.where(fits, np.rint(np.where(fits, values, 0.0)), NOTHING).astype(np.int64)


def _ranges(first: NDArray[np.int64], count: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return first[0], ..., first[0] + count[0] - 1, first[1], ..."""
    behind = np.cumsum(count, dtype=np.int64)
    starts: NDArray[np.int64] = np.asarray(first, np.int64) - (behind - count)
    return np.repeat(starts, count) + np.arange(behind[-1] if len(behind) else 0)


def _count(left_out: dict[str, int], reason: str, rows: NDArray[np.bool_]) -> None:
    left_out[reason] = int(np.count_nonzero(rows))


def _code_order() -> NDArray[np.int64]:
    """Return the place of each signal's code among those of its system; 99: no code."""
    order = np.full((_N_SYSTEMS, N_SIGNALS), 99, np.int64)
    for system in System:
        codes = sorted(
            (code, signal) for signal in range(N_SIGNALS) if (code := rinex_code(system, signal)) is not None
        )
        for place, (_, signal) in enumerate(codes):
            order[system, signal] = place
    return order


def _has_code(columns: Columns) -> NDArray[np.bool_]:
    known = _code_order() < 99
    signal = columns["signal"].astype(np.intp)
    found: NDArray[np.bool_] = (signal < N_SIGNALS) & known[
        columns["system"].astype(np.intp), signal % N_SIGNALS
    ]
    return found


def _fields(
    system: NDArray[np.uint8], signal: NDArray[np.uint8], thousandths: NDArray[np.int64]
) -> tuple[dict[System, tuple[str, ...]], NDArray[np.int16]]:
    """Return the observation types that have a value, and the field of each value."""
    has = np.zeros((_N_SYSTEMS, N_SIGNALS, len(KINDS)), bool)
    for kind in range(len(KINDS)):
        present = thousandths[:, kind] != NOTHING
        has[system[present], signal[present], kind] = True
    numbers = np.full(has.shape, -1, np.int16)
    types: dict[System, tuple[str, ...]] = {}
    order = _code_order()
    for of in System:
        names: list[str] = []
        for one in np.argsort(order[of], kind="stable").tolist():
            for kind, letter in enumerate(KINDS):
                if has[of, one, kind]:
                    numbers[of, one, kind] = len(names)
                    names.append(f"{letter}{rinex_code(of, one)}")
        if names:
            types[of] = tuple(names)
    chosen: NDArray[np.int16] = numbers[system, signal]
    return types, chosen


def _body(
    gps_us: NDArray[np.int64],
    first: NDArray[np.int64],
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    field: NDArray[np.int16],
    thousandths: NDArray[np.int64],
    indicator: NDArray[np.uint8],
) -> bytes:
    calendar = np.array([calendar_of(t) for t in gps_us.tolist()], np.int64)
    starts = np.ones(len(system), bool)
    starts[1:] = (np.diff(system.astype(int)) != 0) | (np.diff(satellite.astype(int)) != 0)
    starts[first[:-1]] = True
    width = int(field.max()) + 1
    room = HEAD_BYTES * len(gps_us) + int(np.count_nonzero(starts)) * (4 + FIELD_WIDTH * width)
    out = np.empty(room, np.uint8)
    size = write_epochs(out, calendar, first, system, satellite, field, thousandths, indicator)
    return out[:size].tobytes()
