"""Satellite systems: their numbers in columns and their letters in RINEX."""

from __future__ import annotations

from enum import IntEnum

UNKNOWN_CHANNEL = -128
"""A GLONASS frequency number that nobody told us."""


class System(IntEnum):
    """A satellite system. The number stands in columns; the order is that of the MSM message groups."""

    GPS = 0
    GLONASS = 1
    GALILEO = 2
    SBAS = 3
    QZSS = 4
    BEIDOU = 5
    NAVIC = 6

    @property
    def letter(self) -> str:
        """RINEX letter: G R E S J C I."""
        return "GRESJCI"[self]
