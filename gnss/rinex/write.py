"""RINEX 3.05 observation files from epochs as they come.

A header names the observation types before the first value stands there. `RinexWriter` keeps the epochs of a
file and writes them at its end; where a recording can be read twice, `RinexSurvey` finds in a first pass what
the header says, and `RinexBody` writes the epochs of a second one as they come, a day at 5 Hz as well as a
minute. The text is a function of the epochs, the station and the time of making.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.rinex.cells import FIELD_WIDTH, PHASE
from gnss.rinex.header import ObservationHeader
from gnss.rinex.loss_of_lock import LossMemory
from gnss.rinex.pick import Picker
from gnss.rinex.piece import Part, Piece, ordered, thousandths
from gnss.rinex.survey import Survey, fields_of
from gnss.rinex.text import HEAD_BYTES, NOTHING, write_epochs
from gnss.rinex.write_header import Contents, calendar_of, header_text
from gnss.time import utc_to_gps

_REPEATED = "epochs of a time that came before"


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
        self._station = station
        self._picker = Picker(begin_us, end_us, number)
        self._channels = dict(glonass_channels or {})
        self._parts: list[Part] = []

    def add(self, epochs: EpochColumns) -> None:
        """Take epochs; in any order, in as many pieces as there are."""
        part = self._picker.pick(epochs)
        if part is not None:
            self._parts.append(part)

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
        if not self._parts:
            raise ValueError("no epoch of this station and period: there is nothing to write")
        piece, repeated = ordered(self._parts)
        is_written = self._picker.is_written(piece.time_us)
        survey = Survey()
        survey.take(piece, is_written)
        contents = survey.contents(self._channels)
        lines = _Lines(contents)
        body = lines.of(piece, is_written)
        left_out = self._picker.left_out + Counter({_REPEATED: repeated}) + lines.left_out
        return RinexFile(header_text(self._station, contents, made_us) + body, lines.epochs, dict(left_out))


class RinexSurvey:
    """First pass over the epochs of one station and file period: what the file will hold.

    Arguments are as for `RinexWriter`; `interval_s`: only epochs at multiples of it are written.
    """

    def __init__(
        self, *, begin_us: int, end_us: int, number: int = 0, interval_s: float | None = None
    ) -> None:
        self._stream = _Stream(Picker(begin_us, end_us, number, interval_s))
        self._survey = Survey()

    def add(self, epochs: EpochColumns) -> None:
        """Look at epochs; those that are not behind all before them are left out."""
        found = self._stream.next(epochs)
        if found is not None:
            self._survey.take(*found)

    def contents(self, glonass_channels: Mapping[int, int]) -> Contents:
        """Return what the file holds; see `Survey.contents`."""
        return self._survey.contents(glonass_channels)


class RinexBody:
    """Second pass over the same epochs: the lines behind the header (`write_header.header_text`)."""

    def __init__(
        self,
        contents: Contents,
        *,
        begin_us: int,
        end_us: int,
        number: int = 0,
        interval_s: float | None = None,
    ) -> None:
        """Begin a file; `contents` is what `RinexSurvey` found, the other arguments as it had them."""
        self._picker = Picker(begin_us, end_us, number, interval_s)
        self._stream = _Stream(self._picker)
        self._lines = _Lines(contents)

    def add(self, epochs: EpochColumns) -> bytes:
        """Return the lines of epochs; those that are not behind all before them are left out."""
        found = self._stream.next(epochs)
        return b"" if found is None else self._lines.of(*found)

    @property
    def epochs(self) -> int:
        """Epochs that were written."""
        return self._lines.epochs

    @property
    def left_out(self) -> dict[str, int]:
        """What could not be written, by reason."""
        return dict(self._picker.left_out + self._lines.left_out)


class _Stream:
    """The epochs of a file in their order, piece by piece."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker
        self._latest_us: int | None = None

    def next(self, epochs: EpochColumns) -> tuple[Piece, NDArray[np.bool_]] | None:
        """Return the epochs that are behind all before them, and which of them are written."""
        part = self._picker.pick(epochs)
        if part is None:
            return None
        highest = np.maximum.accumulate(part.time_us)
        before = np.concatenate(([self._latest_us or part.time_us[0] - 1], highest[:-1]))
        ahead = part.time_us > before
        self._picker.left_out[_REPEATED] += int(np.count_nonzero(~ahead))
        self._latest_us = max(self._latest_us or int(highest[-1]), int(highest[-1]))
        if not ahead.any():
            return None
        rows = np.repeat(ahead, part.count)
        columns = {name: column[rows] for name, column in part.columns.items()}
        piece, _ = ordered([Part(part.time_us[ahead], part.count[ahead], columns)])
        return piece, self._picker.is_written(piece.time_us)


class _Lines:
    """Makes text of epochs."""

    def __init__(self, contents: Contents) -> None:
        self._channels = contents.glonass_channels
        self._fields = fields_of(contents.types)
        self._memory = LossMemory()
        self.epochs = 0
        self.left_out: Counter[str] = Counter()

    def of(self, piece: Piece, is_written: NDArray[np.bool_]) -> bytes:
        """Return the lines of some epochs, the next ones; losses of lock of the others are told with them."""
        columns = piece.columns
        values, reasons = thousandths(columns, self._channels)
        of_file = is_written[piece.epoch]
        for reason, rows in reasons.items():
            self.left_out[reason] += int(np.count_nonzero(rows[of_file]))
        values[~of_file] = NOTHING
        indicator = self._memory.indicators(columns, piece.epoch, piece.time_us, values[:, PHASE] != NOTHING)
        chosen = (values != NOTHING).any(axis=1)
        kept, row = np.unique(piece.epoch[chosen], return_inverse=True)
        if not len(kept):
            return b""
        self.epochs += len(kept)
        system, satellite, signal = (
            columns[name][chosen].astype(np.uint8) for name in ("system", "satellite", "signal")
        )
        return _text(
            utc_to_gps(piece.time_us[kept]),
            np.searchsorted(row, np.arange(len(kept) + 1)),
            system,
            satellite,
            self._fields[system, signal],
            values[chosen],
            indicator[chosen],
        )


def _text(
    gps_us: NDArray[np.int64],
    first: NDArray[np.int64],
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    field: NDArray[np.int16],
    values: NDArray[np.int64],
    indicator: NDArray[np.uint8],
) -> bytes:
    calendar = np.array([calendar_of(t) for t in gps_us.tolist()], np.int64)
    starts = np.ones(len(system), bool)
    starts[1:] = (np.diff(system.astype(int)) != 0) | (np.diff(satellite.astype(int)) != 0)
    starts[first[:-1]] = True
    width = int(field.max()) + 1
    room = HEAD_BYTES * len(gps_us) + int(np.count_nonzero(starts)) * (4 + FIELD_WIDTH * width)
    out = np.empty(room, np.uint8)
    size = write_epochs(out, calendar, first, system, satellite, field, values, indicator)
    return out[:size].tobytes()
