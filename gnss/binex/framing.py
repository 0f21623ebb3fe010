"""Records of BINEX: find them in a byte stream, and build them.

A record is a synchronisation byte that also tells the order of bytes, a record id and the message's length,
both numbers of one to four bytes, the message, and a check (UNAVCO, BINEX record structure). Forward records
with the regular check are read, in both orders of bytes; those with the enhanced check or that can be read
backwards, which no station is known to stream, count as skipped bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.binex.checksum import check_bytes, check_kernel, check_of
from gnss.patience import MOST_CREDIT, earned
from gnss.rtcm.bits import Integer, frozen
from kernels.compiled import njit

SYNC_BIG, SYNC_LITTLE = 0xE2, 0xC2
MAX_MESSAGE_BYTES = 16_384
"""Of a record that is read: 64 satellites with seven signals have 6 kB. A longer one is taken for noise, so
none whose check is an MD5 is read from a stream."""
_LEAST_RECORD_BYTES = 4
_LARGEST_NUMBER = (1 << 29) - 1
_TOO_SHORT, _NO_RECORD = 0, -1

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose check is right."""

    record: int
    """Its id, for instance 0x7F."""
    message: bytes
    is_big: bool
    """Whether its numbers have their highest byte first."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a piece of a stream brought."""

    records: list[Record]
    bad: int
    """Synchronisation bytes outside of every record whose length and check make no record."""
    skipped_bytes: int
    """That belong to no record."""


@njit(cache=True, nogil=True)
def read_number(buffer: UInt8, at: Integer, end: Integer, is_big: bool) -> tuple[Integer, Integer]:
    """Return a number of one to four bytes and how many they are; 0 bytes: the buffer ends before.

    Each of the first three has seven bits and says with its highest one whether another follows.
    """
    value = np.int64(0)
    for i in range(4):
        if at + i >= end:
            return np.int64(0), np.int64(0)
        byte = np.int64(buffer[at + i])
        bits = 7 if i < 3 else 8
        part = byte if i == 3 else byte & 0x7F
        value = value << bits | part if is_big else value | part << (7 * i)
        if i == 3 or not byte & 0x80:
            return value, np.int64(i + 1)
    return value, np.int64(4)


@njit(cache=True, nogil=True)
def _length_of(buffer: UInt8, at: Integer, credit: Integer) -> tuple[Integer, Integer, Integer, Integer]:
    """Return the record's bytes, `_TOO_SHORT` or `_NO_RECORD`; its id, its message's begin and length."""
    is_big = buffer[at] == SYNC_BIG
    none = np.int64(0)
    record, id_bytes = read_number(buffer, at + 1, buffer.size, is_big)
    if not id_bytes:
        return np.int64(_TOO_SHORT), none, none, none
    length, length_bytes = read_number(buffer, at + 1 + id_bytes, buffer.size, is_big)
    if not length_bytes:
        return np.int64(_TOO_SHORT), none, none, none
    begin = at + 1 + id_bytes + length_bytes
    if length > MAX_MESSAGE_BYTES or length > credit:
        return np.int64(_NO_RECORD), none, none, none
    covered = id_bytes + length_bytes + length
    total = 1 + covered + check_bytes(covered)
    if at + total > buffer.size:
        return np.int64(_TOO_SHORT), none, none, none
    return total, record, begin, length


@njit(cache=True, nogil=True)
def _check_is_right(buffer: UInt8, at: Integer, last: Integer) -> bool:
    """Whether the check behind `last` is that of the record from `at` on."""
    sent = np.int64(0)
    for i in range(check_bytes(last - at - 1)):
        byte = np.int64(buffer[last + i])
        sent = sent << 8 | byte if buffer[at] == SYNC_BIG else sent | byte << (8 * i)
    return bool(check_kernel(buffer, at + 1, last) == sent)


@njit(cache=True, nogil=True)
def _scan(
    buffer: UInt8, final: bool, credit: Integer, out: NDArray[np.int64]
) -> tuple[int, int, int, Integer, Integer]:
    """Fill rows of id, begin, length and order; return rows, bad, skipped bytes, what is consumed, credit."""
    found = bad = skipped = 0
    at: Integer = np.int64(0)
    while at < buffer.size:
        if buffer[at] != SYNC_BIG and buffer[at] != SYNC_LITTLE:
            at += 1
            skipped += 1
            credit = earned(credit, 1)
            continue
        total, record, begin, length = _length_of(buffer, at, credit)
        if total == _TOO_SHORT and not final:
            break
        if total > 0 and _check_is_right(buffer, at, begin + length):
            out[found, 0], out[found, 1], out[found, 2] = record, begin, length
            out[found, 3] = buffer[at] == SYNC_BIG
            found += 1
            at += total
            credit = earned(credit, total)
            continue
        if total != _TOO_SHORT:
            bad += 1
        if total > 0:
            credit -= length
        at += 1
        skipped += 1
        credit = earned(credit, 1)
    return found, bad, skipped, at, credit


class BinexFramer:
    """Cuts a live stream into records; keeps less than one record between calls."""

    def __init__(self) -> None:
        self._tail = b""
        self._credit = MOST_CREDIT

    def feed(self, data: bytes) -> Records:
        """Take the next bytes of the stream; return the records that they completed."""
        return self._advance(self._tail + data, final=False)

    def finish(self) -> Records:
        """End the stream: what waited for more bytes is searched as it is. The framer is then as new."""
        found = self._advance(self._tail, final=True)
        self._credit = MOST_CREDIT
        return found

    def _advance(self, data: bytes, *, final: bool) -> Records:
        buffer = frozen(np.frombuffer(data, np.uint8), np.uint8)
        out = np.empty((len(data) // _LEAST_RECORD_BYTES, 4), np.int64)
        n, bad, skipped, consumed, credit = _scan(buffer, final, self._credit, out)
        self._tail, self._credit = data[consumed:], int(credit)
        rows = out[:n].tolist()
        records = [Record(number, data[at : at + length], bool(big)) for number, at, length, big in rows]
        return Records(records, bad, skipped)


def build_record(record: int, message: bytes, *, is_big: bool = True) -> bytes:
    """Return the record of a message.

    Raises
    ------
    ValueError
        The id or the length is not a number that BINEX can say.
    """
    covered = _number(record, is_big=is_big) + _number(len(message), is_big=is_big) + message
    return bytes((SYNC_BIG if is_big else SYNC_LITTLE,)) + covered + check_of(covered, is_big=is_big)


def _number(value: int, *, is_big: bool) -> bytes:
    """Return a number as `read_number` reads it."""
    if not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError(f"{value} is no number of BINEX: give 0 to {_LARGEST_NUMBER}")
    if value < 1 << 21:
        n = 1 if value < 1 << 7 else 2 if value < 1 << 14 else 3
        parts = [value >> 7 * i & 0x7F for i in range(n)]
    elif is_big:
        parts = [value & 0xFF, *(value >> (8 + 7 * i) & 0x7F for i in range(3))]
    else:
        parts = [*(value >> 7 * i & 0x7F for i in range(3)), value >> 21]
    if is_big:
        parts.reverse()
    return bytes([part | 0x80 for part in parts[:-1]] + parts[-1:])
