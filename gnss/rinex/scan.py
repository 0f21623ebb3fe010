"""Kernels that find epochs and satellites in the lines of an observation file, RINEX 2 and 3 (4).

Source: RINEX 2.11, table A2; RINEX 3.05, table A3 (RINEX 4 has the same records).

They stop where header records stand between epochs, so that the caller reads those, and go on behind them.
A line that does not fit is a finding; reading goes on at the next epoch line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.epoch_lines import (
    ARROW,
    BAD_EPOCH,
    CUT,
    FLAG_POWER,
    FLAG_SLIPS,
    LOST,
    NO_US,
    WRONG_COUNT,
    Epochs,
    Findings,
    Satellites,
    add_epoch,
    add_satellite,
    begins_header,
    clock_offset,
    find,
    head_2,
    head_3,
)
from gnss.rinex.fields import Bytes, is_blank, line_length
from gnss.rtcm.bits import Integer
from kernels.compiled import njit

END, RECORDS, HEADER = 0, 1, 2
"""Why a scan stopped: end of the text, an event with header records, another file's header."""
SATELLITES_A_LINE, FIELDS_A_LINE = 12, 5
"""Of RINEX 2."""

_NONE, _LEFT_OUT = -1, -2


@njit(cache=True, nogil=True)
def scan_3(
    text: Bytes,
    begin: NDArray[np.int64],
    line: Integer,
    revision: Integer,
    epochs: Epochs,
    satellites: Satellites,
    filled: NDArray[np.int64],
    findings: Findings,
    last_epoch: NDArray[np.int64],
) -> tuple[Integer, Integer, Integer]:
    """Go through lines of RINEX 3 and 4 from `line` on.

    Parameters
    ----------
    text, begin
        As `index_lines` has them.
    line, revision
        Where to begin, and what the satellites' `revision` is.
    epochs, satellites
        Filled; a row for each line is room enough.
    filled
        Shape (2,): rows that are filled, of both.
    findings
        Filled.
    last_epoch
        Shape (7, 65): the last epoch of each satellite, -1 at first.

    Returns
    -------
    The line where it stopped; why; how many header records stand there (`RECORDS`).
    """
    n_lines = len(begin) - 1
    epoch: Integer = np.int64(_NONE)
    head: Integer = np.int64(0)
    promised: Integer = np.int64(0)
    have: Integer = np.int64(0)
    while line < n_lines:
        at, length = begin[line], line_length(text, begin, line)
        if length > 0 and text[at] == ARROW:
            if epoch != _NONE and have != promised:
                find(findings, head, WRONG_COUNT, promised, have)
            found, time_us, flag, promised = head_3(text, at, length)
            epoch, head, have = _NONE, line, 0
            if not found:
                find(findings, line, BAD_EPOCH, 0, 0)
                epoch = _LEFT_OUT
                promised = 0
            elif flag == FLAG_SLIPS:
                epoch = _LEFT_OUT
            else:
                epoch = filled[0]
                add_epoch(epochs, filled, time_us, clock_offset(text, at, length, 41, 15), flag, line)
                if flag > FLAG_POWER:
                    return line + 1, RECORDS, promised
        elif begins_header(text, at, length):
            break
        elif not is_blank(text, at, at + length):
            if epoch == _NONE:
                find(findings, line, LOST, 0, 0)
                epoch = _LEFT_OUT
                head, promised = line, 0
            have += 1
            if epoch >= 0:
                add_satellite(
                    text, at, length, line, epoch, -1, revision, satellites, filled, findings, last_epoch
                )
            elif promised == 0:
                have = 0
        line += 1
    if epoch != _NONE and have != promised:
        find(findings, head, CUT if line == n_lines and have < promised else WRONG_COUNT, promised, have)
    return line, (END if line == n_lines else HEADER), 0


@njit(cache=True, nogil=True)
def scan_2(
    text: Bytes,
    begin: NDArray[np.int64],
    line: Integer,
    revision: Integer,
    epochs: Epochs,
    satellites: Satellites,
    filled: NDArray[np.int64],
    findings: Findings,
    last_epoch: NDArray[np.int64],
    blank_system: Integer,
    lines_each: Integer,
) -> tuple[Integer, Integer, Integer]:
    """Go through lines of RINEX 2 from `line` on; the rest as `scan_3`.

    Parameters
    ----------
    blank_system
        What a satellite without a letter belongs to.
    lines_each
        Lines of values that a satellite has.
    """
    n_lines = len(begin) - 1
    first = np.int64(filled[1])
    in_step = True
    while line < n_lines:
        at, length = begin[line], line_length(text, begin, line)
        found, time_us, flag, count = head_2(text, at, length)
        is_event = flag > FLAG_POWER and flag != FLAG_SLIPS
        if not found or (is_event and time_us == NO_US and not in_step):
            if begins_header(text, at, length):
                return line, HEADER, 0
            if in_step and not is_blank(text, at, at + length):
                in_step = False
                find(findings, line, LOST, 0, 0)
                filled[1] = first  # one line too many: nobody knows which
            line += 1
            continue
        in_step = True
        first = filled[1]
        epoch, head = filled[0], line
        if flag != FLAG_SLIPS:
            add_epoch(epochs, filled, time_us, clock_offset(text, at, length, 68, 12), flag, line)
        if is_event:
            return line + 1, RECORDS, count
        line += max(1, (count + SATELLITES_A_LINE - 1) // SATELLITES_A_LINE)
        for i in range(count):
            if line + lines_each > n_lines:
                find(findings, head, CUT, count, i)
                filled[1] = first  # cut, or a line is missing
                line = n_lines
                break
            inside = _next_head_2(text, begin, line, lines_each)
            if inside >= 0:
                find(findings, head, WRONG_COUNT, count, i)
                filled[1] = first  # a line is missing: nobody knows which
                line = inside
                break
            if flag != FLAG_SLIPS:
                named = head + i // SATELLITES_A_LINE
                name_at = 32 + 3 * (i % SATELLITES_A_LINE)
                length = line_length(text, begin, named) - name_at
                add_satellite(
                    text,
                    np.int64(begin[named]) + name_at,
                    length,
                    line,
                    epoch,
                    blank_system,
                    revision,
                    satellites,
                    filled,
                    findings,
                    last_epoch,
                )
            line += lines_each
    return min(line, n_lines), END, 0


@njit(cache=True, nogil=True)
def _next_head_2(text: Bytes, begin: NDArray[np.int64], line: Integer, lines: Integer) -> Integer:
    """Return the first of some lines that is an epoch line, or -1."""
    for i in range(line, line + lines):
        found, _, _, _ = head_2(text, begin[i], line_length(text, begin, i))
        if found:
            return i
    return -1
