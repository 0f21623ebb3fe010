"""UBX-RXM-SFRBX: the words of navigation messages, collected until they make an ephemeris.

Source: u-blox interface descriptions, RXM-SFRBX. Read are LNAV of GPS and QZSS, I/NAV of Galileo, D1 of
BeiDou and GLONASS's strings; CNAV, F/NAV, D2 and SBAS are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gnss.ephemeris import Ephemeris, is_orbit
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.ubx import d1, glonass_strings, inav, lnav
from gnss.ubx.framing import UbxFrame
from gnss.ubx.pieces import Bits
from gnss.ubx.signals import SYSTEMS

RXM_SFRBX = 0x0213
_HEAD_BYTES = 8
_MOST_SATELLITE = 63
_PARTS = {
    System.GPS: lnav.PARTS,
    System.QZSS: lnav.PARTS,
    System.GALILEO: inav.PARTS,
    System.BEIDOU: d1.PARTS,
    System.GLONASS: glonass_strings.PARTS,
}
_F_NAV_SIGNALS = (3, 4)
_D2_SIGNALS = (1, 3, 10)
_CHANNELS, _CHANNEL_OFFSET = 14, 7


class NavigationWords:
    """Collects the words of one receiver; keeps at most five parts for each of some hundred satellites."""

    def __init__(self) -> None:
        self._parts: dict[tuple[System, int], dict[int, Bits]] = {}

    def take(self, frame: UbxFrame, near_us: int) -> Ephemeris | None:
        """Take the next message; return the ephemeris that it completes.

        A set of parts gives an ephemeris once; then it begins anew, so that a satellite gives one for each
        time that it has sent all of it.

        Parameters
        ----------
        near_us
            UTC, right to half a day.

        Returns
        -------
        None for another message, one that completes nothing, and an orbit that no satellite has.
        """
        payload = frame.payload
        if frame.kind != RXM_SFRBX or len(payload) < _HEAD_BYTES:
            return None
        gnss, satellite, signal, frequency, n_words = payload[:5]
        system = SYSTEMS.get(gnss)
        if system is None or not 1 <= satellite <= _MOST_SATELLITE:
            return None
        if len(payload) < _HEAD_BYTES + 4 * n_words:
            return None
        part = _part(system, satellite, signal, struct.unpack_from(f"<{n_words}I", payload, _HEAD_BYTES))
        if part is None:
            return None
        number, bits = part
        parts = self._parts.setdefault((system, satellite), {})
        parts[number] = bits
        if len(parts) < len(_PARTS[system]):
            return None
        found = _ephemeris(system, satellite, frequency, parts, near_us)
        if found is None:
            return None
        parts.clear()
        return found if is_orbit(found) else None


def _part(system: System, satellite: int, signal: int, words: Sequence[int]) -> tuple[int, Bits] | None:
    if system in {System.GPS, System.QZSS}:
        return lnav.part_of(words)
    if system is System.GALILEO:
        return None if signal in _F_NAV_SIGNALS else inav.part_of(words)
    if system is System.BEIDOU:
        return None if signal in _D2_SIGNALS else d1.part_of(words, satellite)
    if system is System.GLONASS:
        return glonass_strings.part_of(words)
    return None


def _ephemeris(
    system: System, satellite: int, frequency: int, parts: dict[int, Bits], near_us: int
) -> Ephemeris | None:
    if system is System.GALILEO:
        return inav.ephemeris_of(satellite, parts, near_us)
    if system is System.BEIDOU:
        return d1.ephemeris_of(satellite, parts, near_us)
    if system is System.GLONASS:
        channel = frequency - _CHANNEL_OFFSET if frequency < _CHANNELS else UNKNOWN_CHANNEL
        return glonass_strings.ephemeris_of(satellite, channel, parts, near_us)
    return lnav.ephemeris_of(system, satellite, parts, near_us)
