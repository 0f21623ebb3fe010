"""What the caster has to know of each epoch, frame by frame: 8,000 stations are looked at each second.

A frame is 0xD3, six zero bits, ten bits of length, the message, 24 bits of CRC; a message begins with its
number in twelve bits (RTCM 10403, section 4). All frames here are whole and valid. The interpreter's lock is
kept: a call takes microseconds, and to get the lock back may take thousands.
"""

from __future__ import annotations

import enum

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
MOST_KEPT = 512
"""Frames of one piece; no station sends so many at once that are to be kept."""
_EPHEMERIS = np.zeros(4096, np.bool_)
_EPHEMERIS[list(EPHEMERIS_MESSAGES)] = True
_FIRST_SLOT = np.zeros(4096, np.int64)
_FIRST_SLOT[[1019, 1020, 1042, 1045, 1046, 1041, 1043, 1044]] = 0, 32, 64, 128, 192, 240, 165, 230
"""Of a message's satellites. Two that share a slot are told as if nobody remembered."""
SLOTS = 256
REPEATED_AFTER_S = 60
"""An ephemeris that is as before is told again after so long: a station repeats each every few seconds."""
_IS_TOLD = 1 << 24
_KEPT = _EPHEMERIS.copy()
_KEPT[list(STATION_ORDER)] = True


def prepare() -> None:
    """Compile what would else hold up all streams with the first epoch, or load it."""
    frames = np.frombuffer(b"\xd3\0\0\0\0\0", np.uint8)
    look_at(
        frames,
        np.array([len(frames)]),
        np.zeros(1),
        np.zeros(1, np.int64),
        np.zeros((1, 1), np.int64),
        np.zeros((1, 1, 2)),
        np.zeros((1, SLOTS, 2), np.int32),
        np.zeros((1, 2), np.int64),
        np.zeros(1, np.int64),
        np.zeros((MOST_KEPT, len(Kept)), np.int64),
    )
    first_time_ms(frames)
    count_frames(frames)
    end_of_epoch(frames, False)
    list_messages(frames, np.zeros((1, 5), np.int64))


class Kept(enum.IntEnum):
    """What is told of a frame that a new rover needs (int64)."""

    PIECE = 0
    NUMBER = 1
    SATELLITE = 2
    """Of an ephemeris, else 0."""
    BEGIN = 3
    END = 4


_PIECE, _NUMBER, _SATELLITE = int(Kept.PIECE), int(Kept.NUMBER), int(Kept.SATELLITE)
_BEGIN, _END = int(Kept.BEGIN), int(Kept.END)


@njit(cache=True)
def look_at(
    frames: UInt8,
    ends: NDArray[np.int64],
    at_s: NDArray[np.float64],
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    rhythms: NDArray[np.float64],
    told: NDArray[np.int32],
    counts: NDArray[np.int64],
    time_ms: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> tuple[Integer, Integer]:
    """Note which messages came in pieces of several stations, and find what has to be kept of them.

    Parameters
    ----------
    frames
        All pieces, one behind the other.
    ends, at_s, rows
        Where each piece ends, when it came (monotonic), and the row of its station.
    numbers, rhythms
        Of all stations, shapes (stations, types) and (stations, types, 2): message numbers in the order in
        which they were seen first, 0 where there is room; when each came last, and the mean interval (NaN: it
        came once).
    told
        Of all stations, shape (stations, `SLOTS`, 2): CRC of an ephemeris that was told, and when (s).
    counts
        Of all stations, shape (stations, 2): bytes, and pieces that were not empty.
    time_ms
        Gets when the first observations of each piece were made, in ms of GPS time's day (`NO_TIME`: there
        are none).
    kept
        Gets the frames of the stations themselves and those with an ephemeris that was not told for
        `REPEATED_AFTER_S`, shape (n, kinds of `Kept`), n not below `MOST_KEPT`; what one piece has beyond
        that is left out.

    Returns
    -------
    How many pieces were looked at (as many as there was room for what is kept of them), and how many frames
    are to be kept.
    """
    at, n_kept = np.int64(0), np.int64(0)
    for piece in range(len(ends)):
        until, most = ends[piece], n_kept + MOST_KEPT
        if most > len(kept):
            return np.int64(piece), n_kept
        time_ms[piece] = NO_TIME
        counts[rows[piece], 0] += until - at
        counts[rows[piece], 1] += until > at
        while at + 6 <= until:
            length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
            end = at + length + OVERHEAD_BYTES
            if length >= 2:
                number = np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4
                _note_rhythm(number, at_s[piece], numbers[rows[piece]], rhythms[rows[piece]])
                if _KEPT[number]:
                    if n_kept < most and end <= until:
                        satellite = _satellite(frames, at, number)
                        if not _EPHEMERIS[number] or _is_to_be_told(
                            told[rows[piece], (_FIRST_SLOT[number] + satellite) % SLOTS],
                            frames,
                            end,
                            at_s[piece],
                        ):
                            row = kept[n_kept]
                            row[_PIECE], row[_NUMBER], row[_SATELLITE] = piece, number, satellite
                            row[_BEGIN], row[_END] = at, end
                            n_kept += 1
                elif time_ms[piece] == NO_TIME and length >= 7 and end <= until:
                    time_ms[piece] = _time_ms(frames, at, number)
            at = end
        at = until
    return np.int64(len(ends)), n_kept


@njit(cache=True)
def _note_rhythm(
    number: Integer, now_s: float, numbers: NDArray[np.int64], rhythms: NDArray[np.float64]
) -> None:
    for i in range(len(numbers)):
        if numbers[i] == number:
            passed_s = now_s - rhythms[i, 0]
            if passed_s >= _SAME_EPOCH_S:
                rhythms[i, 0] = now_s
                if np.isnan(rhythms[i, 1]):
                    rhythms[i, 1] = passed_s
                else:
                    rhythms[i, 1] += _SMOOTHING * (passed_s - rhythms[i, 1])
            return
        if numbers[i] == 0:
            numbers[i], rhythms[i, 0], rhythms[i, 1] = number, now_s, np.nan
            return


@njit(cache=True)
def _is_to_be_told(slot: NDArray[np.int32], frames: UInt8, end: Integer, at_s: float) -> bool:
    """Return whether an ephemeris is another one than before, or is due again; note that it is told."""
    crc = np.int64(frames[end - 3]) << 16 | np.int64(frames[end - 2]) << 8 | np.int64(frames[end - 1])
    if slot[0] == crc | _IS_TOLD and 0 <= at_s - slot[1] < REPEATED_AFTER_S:
        return False
    slot[0], slot[1] = crc | _IS_TOLD, np.int64(at_s)
    return True


@njit(cache=True)
def _satellite(frames: UInt8, at: Integer, number: Integer) -> Integer:
    """Return the satellite of an ephemeris: QZSS's have numbers of four bits (DF429), all others' of six."""
    if not _EPHEMERIS[number]:
        return np.int64(0)
    first_bits = np.int64(frames[at + 4]) & 15
    return first_bits if number == 1044 else first_bits << 2 | np.int64(frames[at + 5]) >> 6


@njit(cache=True)
def _time_ms(frames: UInt8, at: Integer, number: Integer) -> Integer:
    """Return the time of a message of seven bytes at least."""
    word = np.int64(0)
    for i in range(at + 6, at + 10):
        word = word << 8 | np.int64(frames[i])
    return time_of_day_ms(number, word)


@njit(cache=True)
def first_time_ms(frames: UInt8) -> Integer:
    """Return when the first observations were made, ms of GPS time's day; `NO_TIME`: there are none."""
    at = np.int64(0)
    time_ms: Integer = np.int64(NO_TIME)
    while at + 6 <= len(frames) and time_ms == NO_TIME:
        length = (np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])
        end = at + length + OVERHEAD_BYTES
        if length >= 7 and end <= len(frames):
            time_ms = _time_ms(frames, at, np.int64(frames[at + 3]) << 4 | np.int64(frames[at + 4]) >> 4)
        at = end
    return time_ms


@njit(cache=True)
def count_frames(frames: UInt8) -> Integer:
    """Return how many frames there are."""
    at, count = np.int64(0), np.int64(0)
    while at + 6 <= len(frames):
        at += ((np.int64(frames[at + 1]) & 3) << 8 | np.int64(frames[at + 2])) + OVERHEAD_BYTES
        count += 1
    return count


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
                row[3] = _time_ms(frames, at, number)
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
