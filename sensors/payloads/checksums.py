"""The checksums of Chinese frames: one polynomial (8005, reflected), two routines."""

from __future__ import annotations


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _table()


def modbus(data: bytes) -> int:
    """Return the CRC-16 of Modbus, which SL 651-2014 has (6.2.3.1 and H.3.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def hj212(data: bytes) -> int:
    """Return the checksum of HJ 212 (annex A): each byte meets the high half of the register, alone."""
    crc = 0xFFFF
    for byte in data:
        crc = _TABLE[crc >> 8 ^ byte]
    return crc
