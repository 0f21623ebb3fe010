"""The check behind a BINEX record, by the length of what it covers.

Source: UNAVCO, BINEX record structure: up to 127 bytes from the record id to the end of the message have an
8-bit exclusive or, up to 4,095 a CRC-16 (x^16 + x^12 + x^5 + 1), up to 1,048,575 a CRC-32 (polynomial of
IEEE 802.3), both beginning at 0 and with the first bit the highest one; longer ones have an MD5.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer
from kernels.compiled import njit

LEAST_CRC16, LEAST_CRC32, LEAST_MD5 = 128, 4_096, 1_048_576
"""Covered bytes from which on a check is used."""
MD5_BYTES = 16
_CRC16, _CRC32 = 0x1021, 0x04C11DB7

UInt8 = NDArray[np.uint8]


def _table(polynomial: int, width: int) -> NDArray[np.uint32]:
    table = np.zeros(256, np.uint32)
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (width - 1) else 0)
            value &= (1 << width) - 1
        table[byte] = value
    return table


_TABLE16, _TABLE32 = _table(_CRC16, 16), _table(_CRC32, 32)


@njit(cache=True, nogil=True)
def check_bytes(covered: Integer) -> int:
    """Return how long the check of so many covered bytes is."""
    if covered < LEAST_CRC16:
        return 1
    if covered < LEAST_CRC32:
        return 2
    return 4 if covered < LEAST_MD5 else MD5_BYTES


@njit(cache=True, nogil=True)
def check_kernel(buffer: UInt8, begin: Integer, end: Integer) -> Integer:
    """Return the check of bytes shorter than those with an MD5."""
    covered = end - begin
    value = np.int64(0)
    if covered < LEAST_CRC16:
        for at in range(begin, end):
            value ^= np.int64(buffer[at])
    elif covered < LEAST_CRC32:
        for at in range(begin, end):
            value = (value << 8 & 0xFF00) ^ np.int64(_TABLE16[value >> 8 ^ np.int64(buffer[at])])
    else:
        for at in range(begin, end):
            value = (value << 8 & 0xFFFFFF00) ^ np.int64(_TABLE32[value >> 24 ^ np.int64(buffer[at])])
    return value


def check_of(covered: bytes, *, is_big: bool) -> bytes:
    """Return the check as it is sent.

    Parameters
    ----------
    covered
        From the record id to the end of the message.
    is_big
        Whether the record's numbers have their highest byte first.
    """
    n = len(covered)
    if n >= LEAST_MD5:
        digest = hashlib.md5(covered, usedforsecurity=False).digest()
        return digest if is_big else digest[::-1]
    value = int(check_kernel(np.frombuffer(covered, np.uint8), 0, n))
    return value.to_bytes(check_bytes(n), "big" if is_big else "little")
