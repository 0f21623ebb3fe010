"""What both scans of observation files share: their columns and findings, and epoch lines.

Source: RINEX 2.11, table A2; RINEX 3.05, table A3 (RINEX 4 has the same records).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.fields import (
    BAD,
    BLANK,
    READ,
    Bytes,
    calendar_us,
    decimal,
    is_blank,
    whole_number,
)
from gnss.rtcm.bits import Integer
from kernels.compiled import njit

WRONG_COUNT, LOST, BAD_EPOCH, SATELLITE, REPEATED, FIELD, INDICATOR, CUT, NO_TYPES = range(9)
"""Kinds of findings."""
MAX_FINDINGS = 100
NO_US = -1
MAX_SATELLITE = 64
N_SYSTEMS = 7

_LETTERS = np.frombuffer(b"GRESJCI", np.uint8)
_SPACE, _ZERO, ARROW = 32, 48, 62
_LABEL_AT = 60
_LABEL = np.frombuffer(b"RINEX VERSION / TYPE", np.uint8)
FLAG_POWER, FLAG_SLIPS = 1, 6


Rows: TypeAlias = NDArray[np.int64] | slice


class Epochs(NamedTuple):
    """Epochs of a scan; arrays of the shape (n,)."""

    time_us: NDArray[np.int64]
    """In the file's time scale, counted from 1970; `NO_US` of an event without a time."""
    clock_s: NDArray[np.float64]
    """Receiver clock offset; NaN where there is none."""
    flag: NDArray[np.uint8]
    line: NDArray[np.int32]

    def taken(self, rows: Rows) -> Epochs:
        """Return some of the rows."""
        return Epochs(self.time_us[rows], self.clock_s[rows], self.flag[rows], self.line[rows])


class Satellites(NamedTuple):
    """Satellites of the epochs; arrays of the shape (n,)."""

    line: NDArray[np.int32]
    """First line of its values."""
    epoch: NDArray[np.int32]
    system: NDArray[np.uint8]
    satellite: NDArray[np.uint8]
    revision: NDArray[np.uint8]
    """Which types of observations held."""

    def taken(self, rows: Rows) -> Satellites:
        """Return some of the rows."""
        line, epoch, revision = self.line[rows], self.epoch[rows], self.revision[rows]
        return Satellites(line, epoch, self.system[rows], self.satellite[rows], revision)


class Findings(NamedTuple):
    """What does not fit: line, kind and two numbers that depend on the kind; shape (MAX_FINDINGS, 4)."""

    rows: NDArray[np.int64]
    total: NDArray[np.int64]
    """Shape (1,): all of them, also those without a row."""


def no_findings() -> Findings:
    """Return an empty list."""
    return Findings(np.zeros((MAX_FINDINGS, 4), np.int64), np.zeros(1, np.int64))


@njit(cache=True, nogil=True)
def find(findings: Findings, line: Integer, kind: Integer, first: Integer, second: Integer) -> None:
    """Add a finding; only counted when the list is full."""
    n = findings.total[0]
    if n < len(findings.rows):
        findings.rows[n, 0] = line
        findings.rows[n, 1] = kind
        findings.rows[n, 2] = first
        findings.rows[n, 3] = second
    findings.total[0] = n + 1


@njit(cache=True, nogil=True)
def satellite_id(text: Bytes, at: Integer, blank_system: Integer) -> tuple[Integer, Integer]:
    """Return system and number of "G05" or "G 5" at `at`; system -1: none that is known.

    blank_system
        What a satellite without a letter belongs to; -1: to nothing.
    """
    system: Integer = np.int64(-1)
    if text[at] == _SPACE:
        system = blank_system
    for i in range(len(_LETTERS)):
        if text[at] == _LETTERS[i]:
            system = i
    state, number = whole_number(text, at + 1, at + 3)
    if state != READ or number < 1 or number > MAX_SATELLITE:
        return -1, number
    return system, number


@njit(cache=True, nogil=True)
def begins_header(text: Bytes, at: Integer, length: Integer) -> bool:
    """Tell whether the line at `at` is the first one of a header."""
    if length < _LABEL_AT + len(_LABEL):
        return False
    for i in range(len(_LABEL)):  # noqa: SIM110
        if text[at + _LABEL_AT + i] != _LABEL[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _moment(
    text: Bytes, at: Integer, year_at: Integer, year_width: Integer, rest_at: Integer
) -> tuple[Integer, Integer]:
    """Return what a date is and its us since 1970: year, then four times I2 behind a space, then F11.7."""
    if is_blank(text, at + year_at, at + rest_at + 23):
        return BLANK, NO_US
    state, year = whole_number(text, at + year_at, at + year_at + year_width)
    if state != READ:
        return BAD, NO_US
    if year_width == 2:
        year += 1900 if year >= 80 else 2000
    parts = np.zeros(4, np.int64)
    for i in range(4):
        begin = at + rest_at + 3 * i
        state, parts[i] = whole_number(text, begin + 1, begin + 3)
        if state != READ or text[begin] != _SPACE:
            return BAD, NO_US
    state, seconds = decimal(text, at + rest_at + 12, at + rest_at + 23)
    if state != READ:
        return BAD, NO_US
    time_us = calendar_us(year, parts[0], parts[1], parts[2], parts[3], seconds)
    return (BAD if time_us < 0 else READ), time_us


@njit(cache=True, nogil=True)
def _head(
    text: Bytes, at: Integer, length: Integer, year_at: Integer, year_width: Integer, flag_at: Integer
) -> tuple[bool, Integer, Integer, Integer]:
    """Read what epoch lines of all versions have; return whether it is one, its time, flag and count."""
    rest_at = year_at + year_width
    if length < flag_at + 4:
        return False, NO_US, 0, 0
    if not is_blank(text, at + flag_at - 2, at + flag_at):
        return False, NO_US, 0, 0
    flag: Integer = np.int64(text[at + flag_at]) - _ZERO
    if text[at + flag_at] == _SPACE:
        flag = 0
    state, time_us = _moment(text, at, year_at, year_width, rest_at)
    is_event = 2 <= flag <= 5
    if not 0 <= flag <= 6 or state == BAD or (state == BLANK and not is_event):
        return False, NO_US, 0, 0
    state, count = whole_number(text, at + flag_at + 1, at + min(length, flag_at + 4))
    if state == BAD or (state == BLANK and not is_event):
        return False, NO_US, 0, 0
    return True, time_us, flag, count


@njit(cache=True, nogil=True)
def head_3(text: Bytes, at: Integer, length: Integer) -> tuple[bool, Integer, Integer, Integer]:
    """Read an epoch line of RINEX 3; return whether it is one, its time, flag and count."""
    if length == 0 or text[at] != ARROW:
        return False, NO_US, 0, 0
    return _head(text, at, length, 2, 4, 31)


@njit(cache=True, nogil=True)
def head_2(text: Bytes, at: Integer, length: Integer) -> tuple[bool, Integer, Integer, Integer]:
    """Read an epoch line of RINEX 2 as `head_3` does."""
    if length == 0 or text[at] != _SPACE:
        return False, NO_US, 0, 0
    return _head(text, at, length, 1, 2, 28)


@njit(cache=True, nogil=True)
def clock_offset(text: Bytes, at: Integer, length: Integer, clock_at: Integer, width: Integer) -> float:
    """Return the receiver clock offset in s, which is so wide and stands behind `clock_at`; NaN: none."""
    if length <= clock_at:
        return np.nan
    state, value = decimal(text, at + clock_at, at + min(length, clock_at + width))
    return value if state == READ else np.nan


@njit(cache=True, nogil=True)
def add_epoch(
    epochs: Epochs, filled: Any, time_us: Integer, clock_s: float, flag: Integer, line: Integer
) -> None:
    """Add a row to the epochs; `filled` counts them."""
    row = filled[0]
    epochs.time_us[row] = time_us
    epochs.clock_s[row] = clock_s
    epochs.flag[row] = flag
    epochs.line[row] = line
    filled[0] = row + 1


@njit(cache=True, nogil=True)
def add_satellite(
    text: Bytes,
    name_at: Integer,
    length: Integer,
    line: Integer,
    epoch: Integer,
    blank_system: Integer,
    revision: Integer,
    satellites: Satellites,
    filled: Any,
    findings: Findings,
    last_epoch: Any,
) -> None:
    """Add the satellite named at `name_at` to those of an epoch, unless it is there or not known.

    The line ends `length` bytes behind `name_at`; its values begin in line `line`. The rest as in
    `gnss.rinex.scan.scan_3`.
    """
    system: Integer = np.int64(-1)
    number: Integer = np.int64(0)
    if length >= 3:
        system, number = satellite_id(text, name_at, blank_system)
    if system < 0:
        find(findings, line, SATELLITE, 0, 0)
        return
    if last_epoch[system, number] == epoch:
        find(findings, line, REPEATED, system, number)
        return
    last_epoch[system, number] = epoch
    row = filled[1]
    satellites.line[row] = line
    satellites.epoch[row] = epoch
    satellites.system[row] = system
    satellites.satellite[row] = number
    satellites.revision[row] = revision
    filled[1] = row + 1
