"""CRC-24Q, eight bytes at a step.

Polynomial 0x1864CFB, initial value 0, no reflection (Qualcomm; RTCM 10403, clause on the transport layer).
Method: M. E. Kounavis, F. L. Berry, "Novel table lookup-based algorithms for high-performance CRC
generation", IEEE Transactions on Computers 57 (2008), 1550-1560.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer, frozen, load_be64
from kernels.compiled import njit

POLYNOMIAL = 0x864CFB


def _tables() -> NDArray[np.uint32]:
    """Return shape (8, 256): the remainder of a byte followed by 0 to 7 zero bytes, in the upper 24 bits."""
    tables = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        remainder = byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (POLYNOMIAL << 8 if remainder & 0x8000_0000 else 0)
            remainder &= 0xFFFF_FFFF
        tables[0, byte] = remainder
    for step in range(1, 8):
        before = tables[step - 1]
        tables[step] = (before << np.uint32(8)) ^ tables[0][before >> np.uint32(24)]
    return tables


_TABLES = _tables()


@njit(cache=True, nogil=True)
def crc24q_kernel(buffer: NDArray[np.uint8], begin: Integer, end: Integer) -> Integer:
    """Return the CRC-24Q of bytes `begin` to `end` (exclusive) of a contiguous uint8 array."""
    state = np.uint64(0)
    at = begin
    low = np.uint64(255)
    while at + 8 <= end:
        word = load_be64(buffer, at) ^ (state << np.uint64(32))
        state = np.uint64(
            _TABLES[7, word >> np.uint64(56)]
            ^ _TABLES[6, (word >> np.uint64(48)) & low]
            ^ _TABLES[5, (word >> np.uint64(40)) & low]
            ^ _TABLES[4, (word >> np.uint64(32)) & low]
            ^ _TABLES[3, (word >> np.uint64(24)) & low]
            ^ _TABLES[2, (word >> np.uint64(16)) & low]
            ^ _TABLES[1, (word >> np.uint64(8)) & low]
            ^ _TABLES[0, word & low]
        )
        at += 8
    while at < end:
        top = (state >> np.uint64(24)) ^ np.uint64(buffer[at])
        state = ((state << np.uint64(8)) & np.uint64(0xFFFF_FFFF)) ^ np.uint64(_TABLES[0, top])
        at += 1
    return np.int64(state >> np.uint64(8))


def _powers() -> NDArray[np.uint32]:
    """Return x to the power of 8 n modulo the polynomial, for n of 0 to 1,029 bytes (a whole frame)."""
    powers = np.empty(1030, np.uint32)
    power = 1
    for n in range(len(powers)):
        powers[n] = power
        power = (power << 8 & 0xFFFFFF) ^ int(_TABLES[0, power >> 16]) >> 8
    return powers


_POWERS = _powers()


@njit(cache=True, nogil=True)
def prefixes_kernel(buffer: NDArray[np.uint8], begin: Integer, prefixes: NDArray[np.uint32]) -> None:
    """Write the CRC-24Q of bytes `begin` to `begin + i` (exclusive) to `prefixes[i]`, for all i."""
    state = np.uint32(0)
    prefixes[0] = 0
    for i in range(len(prefixes) - 1):
        top = (state >> np.uint32(16)) ^ np.uint32(buffer[begin + i])
        state = ((state << np.uint32(8)) & np.uint32(0xFFFFFF)) ^ (_TABLES[0, top] >> np.uint32(8))
        prefixes[i + 1] = state


@njit(cache=True, nogil=True)
def crc24q_between(prefixes: NDArray[np.uint32], begin: Integer, end: Integer) -> Integer:
    """Return the CRC-24Q of at most 1,029 bytes from the CRCs of what ends before and behind them.

    With initial value 0 the CRC is linear: that of all is that of the first part, moved on by the length of
    the second, plus that of the second.
    """
    power, rest = np.int64(_POWERS[end - begin]), np.int64(prefixes[begin])
    moved = np.int64(0)
    for bit in range(23, -1, -1):
        moved <<= 1
        if moved & 0x1000000:
            moved ^= 0x1000000 | POLYNOMIAL
        if rest >> bit & 1:
            moved ^= power
    return moved ^ np.int64(prefixes[end])


def crc24q(data: bytes) -> int:
    """Return the CRC-24Q of `data`, 0 to 0xFFFFFF."""
    return int(crc24q_kernel(frozen(np.frombuffer(data, np.uint8), np.uint8), 0, len(data)))
