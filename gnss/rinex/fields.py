"""Kernels that read fixed-width fields of text: lines, integers, decimals, calendar dates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer
from kernels.compiled import njit

Bytes = NDArray[np.uint8]

BLANK, READ, BAD = 0, 1, 2
"""What a field is: nothing but spaces, a value, or neither."""

MAX_LINES = 1 << 25
"""Lines behind them are not read; an ordinary file of 1 GiB has a quarter of it."""

_NEWLINE, _RETURN, _SPACE, _PLUS, _MINUS, _POINT, _ZERO, _NINE = 10, 13, 32, 43, 45, 46, 48, 57
_VALUE_WIDTH, _POINT_AT = 14, 10
_DAY_S = 86_400
_US = 1_000_000


@njit(cache=True, nogil=True)
def count_lines(text: Bytes) -> Integer:
    """Return the lines of a text, shape (n,) uint8; what stands behind the last line end is one too."""
    count = np.int64(0)
    for i in range(len(text)):
        if text[i] == _NEWLINE:
            count += 1
    return count + 1 if len(text) > 0 and text[len(text) - 1] != _NEWLINE else count


@njit(cache=True, nogil=True)
def index_lines(text: Bytes, begin: NDArray[np.int64]) -> None:
    """Write where lines begin to an int64 array of their number + 1; the last is the end of the text.

    Lines that have no room are left out.
    """
    line = 1
    begin[0] = 0
    for i in range(len(text)):
        if text[i] == _NEWLINE:
            if line == len(begin):
                return
            begin[line] = i + 1
            line += 1
    if line < len(begin):
        begin[line] = len(text)


@njit(cache=True, nogil=True)
def line_length(text: Bytes, begin: NDArray[np.int64], line: Integer) -> Integer:
    """Return the length of a line without its end; text and begin as in `index_lines`."""
    end = begin[line + 1]
    if end > begin[line] and text[end - 1] == _NEWLINE:
        end -= 1
    if end > begin[line] and text[end - 1] == _RETURN:
        end -= 1
    return np.int64(end - begin[line])


@njit(cache=True, nogil=True)
def is_blank(text: Bytes, begin: Integer, end: Integer) -> bool:
    """Tell whether text[begin:end], uint8, has spaces only."""
    for i in range(begin, end):  # noqa: SIM110 (a kernel has no generators)
        if text[i] != _SPACE:
            return False
    return True


@njit(cache=True, nogil=True)
def whole_number(text: Bytes, begin: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Return what text[begin:end], uint8, is and its value: unsigned, with spaces before and behind it."""
    value = np.int64(0)
    state = 0
    for i in range(begin, end):
        character = text[i]
        if character == _SPACE:
            if state == 1:
                state = 2
        elif _ZERO <= character <= _NINE and state < 2 and value < 10**15:
            value = value * 10 + np.int64(character - _ZERO)
            state = 1
        else:
            return BAD, 0
    return (READ if state else BLANK), value


@njit(cache=True, nogil=True)
def decimal(text: Bytes, begin: Integer, end: Integer) -> tuple[Integer, float]:
    """Return what text[begin:end], uint8, is and its value: sign, digits, a point or none.

    Spaces may stand before and behind it. Digits from the 18th on are not read.
    """
    mantissa, scale = np.int64(0), 1.0
    negative = pointed = False
    digits = state = 0
    for i in range(begin, end):
        character = text[i]
        if character == _SPACE:
            if state == 1:
                state = 2
        elif state == 2:
            return BAD, 0.0
        elif _ZERO <= character <= _NINE:
            state = 1
            digits += 1
            if mantissa < 10**17:
                mantissa = mantissa * 10 + np.int64(character - _ZERO)
                if pointed:
                    scale *= 10.0
            elif not pointed:
                return BAD, 0.0
        elif character == _POINT and not pointed:
            pointed = True
            state = 1
        elif character in (_PLUS, _MINUS) and state == 0:
            negative = character == _MINUS
            state = 1
        else:
            return BAD, 0.0
    if state == 0:
        return BLANK, 0.0
    if digits == 0:
        return BAD, 0.0
    value = np.float64(mantissa) / scale
    return READ, -value if negative else value


@njit(cache=True, nogil=True)
def value_field(text: Bytes, at: Integer, end: Integer) -> tuple[Integer, float]:
    """Return what the F14.3 field at `at` is and its value; the line ends at `end`.

    The point must stand where the format has it, so that a line in which a character is missing, or which
    was cut, does not give wrong values.
    """
    if end - at < _VALUE_WIDTH:
        return (BLANK if is_blank(text, at, max(at, end)) else BAD), 0.0
    if text[at + _POINT_AT] != _POINT:
        return (BLANK if is_blank(text, at, at + _VALUE_WIDTH) else BAD), 0.0
    thousandths = np.int64(0)
    negative = begun = False
    for i in range(at, at + _VALUE_WIDTH):
        character = text[i]
        if i == at + _POINT_AT:
            begun = True
        elif _ZERO <= character <= _NINE:
            thousandths = thousandths * 10 + np.int64(character - _ZERO)
            begun = True
        elif begun or character not in (_SPACE, _PLUS, _MINUS):
            return BAD, 0.0
        elif character != _SPACE:
            negative = character == _MINUS
            begun = True
    value = np.float64(thousandths) / 1000.0
    return READ, -value if negative else value


@njit(cache=True, nogil=True)
def days_since_1970(year: Integer, month: Integer, day: Integer) -> Integer:
    """Return days of the Gregorian calendar; years from 1601 on."""
    # years that begin in March have their leap day at the end
    years = year - 1600 - (1 if month <= 2 else 0)
    months = (month + 9) % 12
    leap_days = years // 4 - years // 100 + years // 400
    return years * 365 + leap_days + (153 * months + 2) // 5 + day - 135_081


@njit(cache=True, nogil=True)
def calendar_us(
    year: Integer, month: Integer, day: Integer, hour: Integer, minute: Integer, seconds: float
) -> Integer:
    """Return a calendar date and time as us since 1970, rounded, in its own time scale; -1: no such time."""
    if not (1980 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31):
        return -1
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0.0 <= seconds < 61.0):
        return -1
    days = days_since_1970(year, month, day)
    following = days_since_1970(year + month // 12, month % 12 + 1, 1)
    if days >= following:
        return -1
    whole_s = days * _DAY_S + hour * 3600 + minute * 60
    return whole_s * _US + np.int64(np.rint(seconds * _US))


def as_lines(text: bytes) -> tuple[Bytes, NDArray[np.int64]]:
    """Return a text and where its lines begin, as the kernels want them (`index_lines`)."""
    array = np.frombuffer(text, np.uint8)
    begin = np.empty(min(int(count_lines(array)), MAX_LINES) + 1, np.int64)
    index_lines(array, begin)
    return array, begin
