"""What the caster has to know of each epoch, frame by frame: 8,000 stations are looked at each second.

A frame is 0xD3, six zero bits, ten bits of length, the message, 24 bits of CRC; a message begins with its
number in twelve bits (RTCM 10403, section 4). All frames here are whole and valid. The interpreter's lock is
kept: a call takes a microsecond, and to get the lock back may take thousands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectors.gathering.epochs_kernel import stays_open
from gnss.rtcm.bits import Integer
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.framing import OVERHEAD_BYTES
from gnss.rtcm.msm_layout import MS_PER_DAY
from kernels.compiled import njit

UInt8 = NDArray[np.uint8]
STATION_ORDER = (1005, 1006, 1007, 1008, 1033, 1230)
"""What a station says of itself, in the order in which a rover gets it."""
GLONASS_TO_GPS_MS = 18_000 - 3 * 3_600_000
"""GLONASS tells the time of Moscow's day; 18 leap seconds, as since 2017. Only neighbours are compared."""
BEIDOU_TO_GPS_MS = 14_000
NO_TIME = -1

_SAME_EPOCH_S = 0.02
"""Messages of a type that come closer together belong to one epoch (its data were split over several)."""
_SMOOTHING = 0.2
_KEPT = np.zeros(4096, np.bool_)
_KEPT[[*STATION_ORDER, *EPHEMERIS_MESSAGES]] = True


def prepare() -> None:
    """Compile what would else hold up all streams with the first epoch, or load it."""
    frames = np.frombuffer(b"\xd3\0\0\0\0\0", np.uint8)
    note_rhythms(frames, 0.0, np.zeros(1, np.int64), np.zeros((1, 2)))
    find_kept(frames, np.zeros((1, 3), np.int64))
    end_of_epoch(frames, False)
    list_messages(frames, np.zeros((1, 5), np.int64))


@njit(cache=True)
def note_rhythms(
    frames: UInt8, now_s: float, numbers: NDArray[np.int64], rhythms: NDArray[np.float64]
) -> Integer:
    """Note which messages came, and return how many frames there are.

    Parameters
    ----------
    now_s
        When they came (monotonic).
    numbers, rhythms
        Of a station, shapes (n,) and (n, 2): message numbers in the order in which they were seen first, 0
        where there is room; when each came last, and the mean interval (NaN: it came once).
    """
    at, count = np.int64(0), np.int64(0)
    while at + 6 <= len(frames):
        length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
        if length >= 2:
            number = np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4
            for i in range(len(numbers)):
                if numbers[i] == number:
                    passed_s = now_s - rhythms[i, 0]
                    if passed_s >= _SAME_EPOCH_S:
                        rhythms[i, 0] = now_s
                        if np.isnan(rhythms[i, 1]):
                            rhythms[i, 1] = passed_s
                        else:
                            rhythms[i, 1] += _SMOOTHING * (passed_s - rhythms[i, 1])
                    break
                if numbers[i] == 0:
                    numbers[i], rhythms[i, 0], rhythms[i, 1] = number, now_s, np.nan
                    break
        at += length + OVERHEAD_BYTES
        count += 1
    return count


@njit(cache=True)
def find_kept(frames: UInt8, places: NDArray[np.int64]) -> tuple[Integer, Integer]:
    """Find frames that a new rover needs, and when the first observations were made.

    Parameters
    ----------
    places
        Room for number, begin and end of each frame of the station itself or with an ephemeris, shape (n, 3);
        what does not fit is left out.

    Returns
    -------
    How many were found, and ms of GPS time's day (`NO_TIME`: there are no observations).
    """
    at, found = np.int64(0), np.int64(0)
    time_ms: Integer = np.int64(NO_TIME)
    while at + 6 <= len(frames):
        length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
        end = at + length + OVERHEAD_BYTES
        if length >= 2:
            number = np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4
            if _KEPT[number]:
                if found < len(places) and end <= len(frames):
                    places[found, 0], places[found, 1], places[found, 2] = number, at, end
                    found += 1
            elif time_ms == NO_TIME and length >= 7 and end <= len(frames):
                word = np.int64(0)
                for i in range(at + 6, at + 10):
                    word = word << 8 | np.int64(frames[i])
                time_ms = time_of_day_ms(number, word)
        at = end
    return found, time_ms


@njit(cache=True)
def list_messages(frames: UInt8, rows: NDArray[np.int64]) -> tuple[Integer, Integer]:
    """List the messages of some frames.

    Parameters
    ----------
    rows
        Gets number, begin and end of the frame, ms of GPS time's day (`NO_TIME`: it has no observations), and
        whether more of the epoch follows, of each message, shape (n, 5).

    Returns
    -------
    How many there are, and where the first begins that did not fit.
    """
    at, found = np.int64(0), np.int64(0)
    while at + 6 <= len(frames) and found < len(rows):
        length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
        end = at + length + OVERHEAD_BYTES
        if length >= 2 and end <= len(frames):
            row = rows[found]
            number = np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4
            row[0], row[1], row[2], row[3], row[4] = number, at, end, NO_TIME, 0
            if length >= 7:
                word = np.int64(0)
                for i in range(at + 6, at + 10):
                    word = word << 8 | np.int64(frames[i])
                row[3] = time_of_day_ms(number, word)
                row[4] = stays_open(frames, at, length, number, np.int64(0))
            found += 1
        at = end
    return found, at


@njit(cache=True)
def end_of_epoch(frames: UInt8, is_open: bool) -> Integer:
    """Return how many bytes there are up to the last frame behind which nothing of an epoch is missing."""
    at, cut = np.int64(0), np.int64(0)
    more: Integer = np.int64(is_open)
    while at + 6 <= len(frames):
        length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
        if 7 <= length <= len(frames) - at - OVERHEAD_BYTES:
            number = np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4
            more = stays_open(frames, at, length, number, more)
        at += length + OVERHEAD_BYTES
        if not more:
            cut = at
    return cut


@njit(cache=True)
def time_of_day_ms(number: Integer, word: Integer) -> Integer:
    """Return a message's time by the 32 bits behind its number and station (DF004 and its like).

    It is in ms of GPS time's day; `NO_TIME`: the message has none.
    """
    if 1001 <= number <= 1004:
        return (word >> 2) % MS_PER_DAY
    if 1009 <= number <= 1012:
        return ((word >> 5) + GLONASS_TO_GPS_MS) % MS_PER_DAY
    if not 1071 <= number <= 1137 or not 1 <= number % 10 <= 7:
        return NO_TIME
    if number < 1080 or number >= 1130 or 1090 <= number < 1120:
        return (word >> 2) % MS_PER_DAY
    if number < 1090:
        return ((word >> 2 & 0x7FF_FFFF) + GLONASS_TO_GPS_MS) % MS_PER_DAY
    of_week_ms = word >> 2
    if of_week_ms >= (1 << 30) - BEIDOU_TO_GPS_MS:  # a sender that forgot where the week begins
        of_week_ms -= 1 << 30
    return (of_week_ms + BEIDOU_TO_GPS_MS) % MS_PER_DAY
