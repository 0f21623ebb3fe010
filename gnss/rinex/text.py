"""The kernel that writes the epochs of an observation file (RINEX 3.05, table A3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.cells import FIELD_WIDTH
from gnss.rtcm.bits import Integer
from kernels.compiled import njit

HEAD_BYTES = 36
"""An epoch line with its end."""
MAX_THOUSANDTHS = 9_999_999_999_999
MIN_THOUSANDTHS = -999_999_999_999
"""What F14.3 has room for."""
NOTHING = 0
"""A value of 0 is the format's missing value."""

_SPACE, _MINUS, _POINT, _ZERO, _NEWLINE, _ARROW = 32, 45, 46, 48, 10, 62
_LETTERS = np.frombuffer(b"GRESJCI", np.uint8)


@njit(cache=True, nogil=True)
def _put_digits(out: Any, at: Integer, width: Integer, value: Any) -> None:
    for i in range(width - 1, -1, -1):
        out[at + i] = _ZERO + value % 10
        value //= 10


@njit(cache=True, nogil=True)
def _put_value(out: Any, at: Integer, thousandths: Integer) -> None:
    """Write F14.3 into a field of spaces."""
    value: Any = abs(thousandths)
    place = at + 13
    for i in range(4):
        if i == 3:
            out[place] = _POINT
            place -= 1
        if i < 3:
            out[place] = _ZERO + value % 10
            value //= 10
            place -= 1
    while True:
        out[place] = _ZERO + value % 10
        value //= 10
        place -= 1
        if value == 0:
            break
    if thousandths < 0:
        out[place] = _MINUS


@njit(cache=True, nogil=True)
def write_epochs(
    out: NDArray[np.uint8],
    calendar: NDArray[np.int64],
    first: NDArray[np.int64],
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    field: NDArray[np.int16],
    thousandths: NDArray[np.int64],
    indicator: NDArray[np.uint8],
) -> Integer:
    """Write epochs of n rows as text.

    Parameters
    ----------
    out
        Room for `HEAD_BYTES` each epoch and four bytes and its fields each satellite.
    calendar
        Shape (e, 6): year, month, day, hour, minute, and 1e-7 s.
    first
        Shape (e + 1,): first row of each epoch. Rows of a satellite stand together.
    system, satellite
        Shape (n,).
    field
        Shape (n, 4): number of the field of range, phase, Doppler and strength; -1: not written.
    thousandths
        Shape (n, 4): values; `NOTHING`: missing.
    indicator
        Shape (n,): loss of lock indicator of the phase; 0: blank.

    Returns
    -------
    Bytes written.
    """
    place = np.int64(0)
    for e in range(len(calendar)):
        satellites = np.int64(0)
        for i in range(first[e], first[e + 1]):
            if i == first[e] or system[i] != system[i - 1] or satellite[i] != satellite[i - 1]:
                satellites += 1
        out[place : place + HEAD_BYTES] = _SPACE
        out[place] = _ARROW
        _put_digits(out, place + 2, 4, calendar[e, 0])
        for k in range(1, 5):
            _put_digits(out, place + 4 + 3 * k, 2, calendar[e, k])
        _put_digits(out, place + 19, 2, calendar[e, 5] // 10_000_000)
        out[place + 21] = _POINT
        _put_digits(out, place + 22, 7, calendar[e, 5] % 10_000_000)
        out[place + 31] = _ZERO
        shown = satellites
        for k in range(3):
            if shown > 0 or k == 0:
                out[place + 34 - k] = _ZERO + shown % 10
            shown //= 10
        out[place + 35] = _NEWLINE
        place += HEAD_BYTES
        i = first[e]
        while i < first[e + 1]:
            begin = place
            out[place] = _LETTERS[system[i]]
            _put_digits(out, place + 1, 2, np.int64(satellite[i]))
            end = place + 3
            same = i
            while same < first[e + 1] and system[same] == system[i] and satellite[same] == satellite[i]:
                for kind in range(4):
                    if field[same, kind] < 0 or thousandths[same, kind] == NOTHING:
                        continue
                    at = begin + 3 + FIELD_WIDTH * np.int64(field[same, kind])
                    if at + FIELD_WIDTH > end:
                        out[end : at + FIELD_WIDTH] = _SPACE
                        end = at + FIELD_WIDTH
                    _put_value(out, at, thousandths[same, kind])
                    if kind == 1 and indicator[same] > 0:
                        out[at + 14] = _ZERO + indicator[same]
                same += 1
            while out[end - 1] == _SPACE:
                end -= 1
            out[end] = _NEWLINE
            place = end + 1
            i = same
    return place
