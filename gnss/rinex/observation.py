"""Observation files of RINEX 2, 3 and 4, packed or not, into the columns that decoders write.

What stands in the file and what the columns hold:

- phase in cycles becomes metres by the wavelength of its signal, Doppler D becomes a rate of -D wavelengths
  a second; both need a frequency number for GLONASS, which RINEX 2 does not have: the caller may give it;
- 0.000 and blanks are missing values;
- bit 0 of the loss of lock indicator is `LOST_LOCK`, bit 1 is `half_cycle`; behind a power failure all
  signals have `LOST_LOCK`. There are no lock times: `lock_ms` and `lock_indicator` are -1;
- the signal strength digit (1 to 9) is not read: a class of 6 dB is no C/N0;
- a type that MSM has no signal id for is counted by its name, not mixed up with another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.rinex import scan
from gnss.rinex.cells import most_cells, no_cells, read_cells
from gnss.rinex.codes import Scales, Types, layout
from gnss.rinex.columns import epoch_columns, to_observations
from gnss.rinex.epoch_lines import (
    FLAG_POWER,
    MAX_SATELLITE,
    NO_US,
    Epochs,
    Findings,
    Satellites,
    no_findings,
)
from gnss.rinex.fields import MAX_LINES, as_lines, line_length
from gnss.rinex.findings import tell
from gnss.rinex.header import (
    MAX_HEADER_LINES,
    SYSTEM_OF,
    ObservationHeader,
    RecordReader,
    label_of,
    read_header,
)
from gnss.rinex.problems import NotRinexError, Problems, printable
from gnss.rinex.time_scales import to_utc
from gnss.rinex.unpack import MAX_BYTES, unpack
from gnss.systems import System

MAX_REVISIONS = 100
"""Changes of the observation types within a file that are followed."""
MAX_EVENTS = 1000
"""Events that are kept."""
MAX_STOPS = 200_000
"""Events that are read; a day of one a second has less than half."""

_LETTERS = [system.letter for system in System]


@dataclass(frozen=True, slots=True)
class Event:
    """What the file says happened: flags 1 (power failure before this epoch) to 5."""

    line: int
    flag: int
    time_us: int | None
    """UTC; None: not said."""


@dataclass(frozen=True, slots=True)
class RinexObservations:
    """An observation file."""

    header: ObservationHeader
    """As it holds at the end of the file."""
    epochs: EpochColumns
    """Station 0; no frames, no receiving times; `begin` is the offset in the plain text."""
    clock_offset_s: NDArray[np.float64]
    """Receiver clock offset of each epoch, shape (n_epochs,); NaN where there is none."""
    opaque: dict[str, int]
    """Values of types that MSM has no signal id for, by system and type: {"R C3Q": 12}."""
    phases_without_channel: int
    """GLONASS phases that are missing because nobody told the frequency number."""
    events: tuple[Event, ...]
    """At most `MAX_EVENTS`."""
    problems: tuple[str, ...]
    """What could not be read, in words, at most `gnss.rinex.problems.MAX_PROBLEMS`."""
    problem_count: int
    """All of them."""


def read_observations(
    data: bytes, *, glonass_channels: Mapping[int, int] | None = None, max_bytes: int = MAX_BYTES
) -> RinexObservations:
    """Read an observation file.

    A damaged file gives what can be read; what is wrong stands in `problems`.

    Parameters
    ----------
    data
        RINEX 2.x, 3.x or 4.xx; plain or packed with gzip, Unix compress, Hatanaka (`gnss.rinex.unpack`).
    glonass_channels
        Frequency numbers by slot, for a file whose header has none.
    max_bytes
        Longest plain text.

    Raises
    ------
    NotRinexError
        Nothing can be read: no RINEX observation file, another version, or too long.
    """
    problems = Problems()
    return _File(unpack(data, problems, max_bytes), problems).read(glonass_channels or {})


class _File:
    """One file while it is read."""

    def __init__(self, text: bytes, problems: Problems) -> None:
        self.bytes = text
        self.text, self.begin = as_lines(text)
        self.n_lines = len(self.begin) - 1
        if self.n_lines == MAX_LINES:
            problems.add(0, f"only the first {MAX_LINES} lines are read")
        self.problems = problems
        begins, self.body = self._header_lines()
        self.header = read_header(begins, problems)
        self.old = self.header.version < 3.0
        if not self.header.types:
            raise NotRinexError("the header names no observation types")
        self.revisions: list[tuple[Types, Scales]] = []
        self.lines_each: list[int] = []
        self._add_revision()

    def line(self, line: int) -> str:
        """Return a line, counted from 0."""
        begin = int(self.begin[line])
        return self.bytes[begin : begin + int(line_length(self.text, self.begin, line))].decode("latin-1")

    def read(self, glonass_channels: Mapping[int, int]) -> RinexObservations:
        """Read what stands behind the header."""
        findings = no_findings()
        epochs, satellites = self._scan(findings)
        counted = epochs.flag <= FLAG_POWER
        events = self._events(epochs)
        rows, order = self._rows(epochs, counted)
        epochs = epochs.taken(order)
        satellites = _rearranged(satellites, rows)
        made = layout(self.revisions, self.header.version)
        per_line = np.array(self.lines_each, np.int64)
        n = len(satellites.line)
        cells = no_cells(int(most_cells(self.text, self.begin, satellites, n, made, per_line)))
        opaque = np.zeros(made.target.shape, np.int64)
        width, column = (scan.FIELDS_A_LINE, 0) if self.old else (1 << 20, 3)
        filled = read_cells(
            self.text, self.begin, satellites, n, made, per_line, width, column, cells, opaque, findings
        )
        cells = cells.first(int(filled))
        tell(findings, self.line, self.problems)
        time_us = to_utc(epochs.time_us, self.header.time_system)
        channels = dict(glonass_channels) | self.header.glonass_channels
        observations, without = to_observations(cells, satellites, epochs, channels)
        return RinexObservations(
            header=self.header,
            epochs=epoch_columns(time_us, self.begin[epochs.line], observations),
            clock_offset_s=epochs.clock_s,
            opaque=self._opaque(opaque),
            phases_without_channel=without,
            events=events,
            problems=self.problems.in_words(),
            problem_count=self.problems.total,
        )

    def _header_lines(self) -> tuple[list[tuple[int, str]], int]:
        """Return the header's lines and the number of the line behind it."""
        lines: list[tuple[int, str]] = []
        for line in range(min(self.n_lines, MAX_HEADER_LINES)):
            text = self.line(line)
            if text[:1] == ">":
                self.problems.add(line + 1, "an epoch before END OF HEADER")
                return lines, line
            lines.append((line + 1, text))
            if label_of(text) == "END OF HEADER":
                return lines, line + 1
        if self.n_lines:
            self.problems.add(min(self.n_lines, MAX_HEADER_LINES), "no END OF HEADER")
        return lines, len(lines)

    def _add_revision(self) -> None:
        types = self.header.types
        self.revisions.append((dict(types), dict(self.header.scales)))
        most = max(map(len, types.values()))
        self.lines_each.append(max(1, -(-most // scan.FIELDS_A_LINE)) if self.old else 1)

    def _scan(self, findings: Findings) -> tuple[Epochs, Satellites]:
        """Find epochs and satellites; read the header records between them."""
        n = self.n_lines - self.body
        epochs = Epochs(
            np.empty(n, np.int64), np.empty(n, np.float64), np.empty(n, np.uint8), np.empty(n, np.int32)
        )
        satellites = Satellites(
            np.empty(n, np.int32),
            np.empty(n, np.int32),
            np.empty(n, np.uint8),
            np.empty(n, np.uint8),
            np.empty(n, np.uint8),
        )
        filled = np.zeros(2, np.int64)
        last_epoch = np.full((len(System), MAX_SATELLITE + 1), -1, np.int64)
        records = RecordReader(self.header, self.problems)
        blank = int(SYSTEM_OF.get(self.header.system_letter, System.GPS))
        line, stops = self.body, 0
        while line < self.n_lines:
            stops += 1
            if stops > MAX_STOPS:
                self.problems.add(line + 1, "too many events: what follows is left out")
                break
            state = (self.text, self.begin, line, len(self.revisions) - 1, epochs, satellites, filled)
            if self.old:
                stop = scan.scan_2(*state, findings, last_epoch, blank, self.lines_each[-1])
            else:
                stop = scan.scan_3(*state, findings, last_epoch)
            line, why, count = map(int, stop)
            if why == scan.HEADER:
                line, count = line + 1, self._until_end_of_header(line)
            if why == scan.END or count < 0:
                break
            behind = min(line + count, self.n_lines)
            for i in range(line, behind):
                records.take(i + 1, self.line(i))
            line = behind
            if records.finish() and not self._revised(line):
                break
        rows, seen = filled.tolist()
        return epochs.taken(slice(rows)), satellites.taken(slice(seen))

    def _until_end_of_header(self, line: int) -> int:
        """Return the lines of another file's header behind its first; -1 when it cannot be followed."""
        self.problems.add(line + 1, "another header begins: read on as the same file")
        first = self.line(line)
        if first[5:6] != self.line(0)[5:6]:
            self.problems.add(line + 1, "another version begins: what follows is left out")
            return -1
        for i in range(line + 1, min(self.n_lines, line + MAX_HEADER_LINES)):
            if label_of(self.line(i)) == "END OF HEADER":
                return i - line
        self.problems.add(line + 1, "that header has no end: what follows is left out")
        return -1

    def _revised(self, line: int) -> bool:
        if len(self.revisions) == MAX_REVISIONS:
            self.problems.add(line, "too many changes of the observation types: what follows is left out")
            return False
        self._add_revision()
        return True

    def _rows(
        self, epochs: Epochs, counted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the new row of each epoch (-1: left out), and the epochs in their new order."""
        order = np.flatnonzero(counted)
        time_us = epochs.time_us[order]
        steps = np.diff(time_us)
        if len(steps) and steps.min() <= 0:
            back = int(np.count_nonzero(steps < 0))
            if back:
                at = int(epochs.line[order[int(np.argmax(steps < 0)) + 1]])
                self.problems.add(at + 1, f"times go back ({back} in all): epochs are put in order")
            order = order[np.argsort(time_us, kind="stable")]
            again = np.concatenate(([False], np.diff(epochs.time_us[order]) == 0))
            for epoch in order[again].tolist():
                self.problems.add(int(epochs.line[epoch]) + 1, "an epoch of the same time came before")
            order = order[~again]
        rows = np.full(len(counted), -1, np.int64)
        rows[order] = np.arange(len(order))
        return rows, order

    def _events(self, epochs: Epochs) -> tuple[Event, ...]:
        rows = np.flatnonzero(epochs.flag > 0)[:MAX_EVENTS]
        times = to_utc(epochs.time_us[rows], self.header.time_system).tolist()
        return tuple(
            Event(
                int(epochs.line[row]) + 1,
                int(epochs.flag[row]),
                None if epochs.time_us[row] == NO_US else time_us,
            )
            for row, time_us in zip(rows.tolist(), times, strict=True)
        )

    def _opaque(self, counts: NDArray[np.int64]) -> dict[str, int]:
        found: Counter[str] = Counter()
        for r, s, k in np.argwhere(counts).tolist():
            found[f"{_LETTERS[s]} {self._type_name(r, s, k)}"] += int(counts[r, s, k])
        return dict(sorted(found.items()))

    def _type_name(self, revision: int, system: int, k: int) -> str:
        return printable(self.revisions[revision][0][System(system)][k]) or f"#{k + 1}"


def _rearranged(satellites: Satellites, rows: NDArray[np.int64]) -> Satellites:
    """Give satellites their new epochs; those of epochs that are left out are gone."""
    epoch = rows[satellites.epoch]
    if len(epoch) == 0 or (epoch[0] >= 0 and np.all(np.diff(epoch) >= 0) and epoch.min() >= 0):
        return satellites._replace(epoch=epoch.astype(np.int32))
    order = np.argsort(epoch, kind="stable")
    order = order[np.searchsorted(epoch[order], 0) :]
    return satellites.taken(order)._replace(epoch=epoch[order].astype(np.int32))
