"""Observation types of RINEX 2, 3 and 4 to MSM signal ids.

Sources: RINEX 2.11, table A1 and section 10.1; RINEX 2.12 (the letters A to D); RINEX 3.02, 3.04 and 3.05,
tables 4 to 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnss.rinex.cells import KINDS, MAX_SLOTS, OPAQUE, Layout
from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System

Types = Mapping[System, Sequence[str]]
"""Observation types of a system in the order of their fields: "C1C", or "P1" in RINEX 2."""
Scales = Mapping[tuple[System, str], float]
"""What written values of a type are divided by, where it is not 1."""

MAX_TYPES = 999

_SIGNALS = {system: {code: signal for signal, code in codes.items()} for system, codes in RINEX_CODES.items()}
_B1_OF_OLD_FILES = {"1I": "2I", "1Q": "2Q", "1X": "2X"}
"""RINEX 3.02 calls BeiDou's B1 band 1; from 3.04 on 1 is B1C, which has no component I or Q."""
_B1C_VERSION = 3.04
_LETTERS_VERSION = 2.12

_OLD_CODES: dict[System, dict[str, str]] = {
    System.GPS: {"C1": "1C", "P1": "1W", "C2": "2X", "P2": "2W", "5": "5X"},
    System.GLONASS: {"C1": "1C", "P1": "1P", "C2": "2C", "P2": "2P"},
    System.GALILEO: {"C1": "1X", "1": "1X", "5": "5X", "6": "6X", "7": "7X", "8": "8X"},
    System.SBAS: {"C1": "1C", "1": "1C", "5": "5X"},
    System.QZSS: {"C1": "1C", "1": "1C", "C2": "2X", "2": "2X", "5": "5X", "6": "6X"},
    System.BEIDOU: {"2": "2I", "6": "6I", "7": "7I"},
    System.NAVIC: {"5": "5A"},
}
"""RINEX 2: by type (a range) or by band (the rest). P is P(Y) of GPS, tracked without its code (W)."""
_LETTER_CODES: dict[System, dict[str, str]] = {
    System.GPS: {"A": "1C", "B": "1X", "C": "2X"},
    System.GLONASS: {"A": "1C", "C": "2C", "D": "2C"},
    System.SBAS: {"A": "1C"},
    System.QZSS: {"A": "1C", "B": "1X", "C": "2X"},
}
"""RINEX 2.12 has a letter instead of the band for civil signals."""


def signal_of(system: System, code: str, version: float) -> int | None:
    """Return the MSM signal id of a band and attribute ("1C") of RINEX 3 or 4; None: MSM has none."""
    if system is System.BEIDOU and code in _B1_OF_OLD_FILES and (version < _B1C_VERSION or code != "1X"):
        code = _B1_OF_OLD_FILES[code]
    return _SIGNALS[system].get(code)


def old_code(system: System, kind: str, version: float, listed: Sequence[str]) -> tuple[str, str] | None:
    """Return kind ("C") and band with attribute ("1W") of a type of RINEX 2 ("P1"); None: not known.

    Phase, Doppler and strength do not say which code they belong to. On L1 they are taken for those of C/A
    where the file has C1, on L2 for those of P(Y) where it has P2: so did the receivers of that time. A
    satellite with the other range only has them with that one (`Layout.twin`).

    Parameters
    ----------
    listed
        All types of the file.
    """
    if len(kind) != 2 or kind[0] not in "CPLDS":
        return None
    letter, band = kind[0], kind[1]
    new_kind = "C" if letter == "P" else letter
    codes = _OLD_CODES[system]
    if version >= _LETTERS_VERSION and band in "ABCD":
        code = _LETTER_CODES.get(system, {}).get(band)
    elif letter in "CP":
        code = codes.get(kind) or (codes.get(band) if letter == "C" else None)
    elif band in "12" and system in {System.GPS, System.GLONASS}:
        civil, precise = f"C{band}", f"P{band}"
        first, second = (civil, precise) if band == "1" else (precise, civil)
        code = codes[first if first in listed or second not in listed else second]
    else:
        code = codes.get(band)
    return None if code is None else (new_kind, code)


def layout(revisions: Sequence[tuple[Types, Scales]], version: float) -> Layout:
    """Return what stands in which field.

    A type for which MSM has no id, and a second type for the same value, is `OPAQUE`.

    Parameters
    ----------
    revisions
        At least one: types and scales as the header has them, and as they changed.
    version
        Of the format, for instance 3.05.
    """
    most = max((len(types) for known, _ in revisions for types in known.values()), default=0)
    shape = (len(revisions), len(System), max(1, most))
    made = Layout(
        np.zeros(shape[:2], np.int16),
        np.full(shape, OPAQUE, np.int16),
        np.ones(shape),
        np.zeros((*shape[:2], MAX_SLOTS), np.uint8),
        np.full((*shape[:2], MAX_SLOTS), -1, np.int16),
    )
    for r, (types, scales) in enumerate(revisions):
        for system, kinds in types.items():
            made.types[r, system] = len(kinds)
            signals: list[int] = []
            taken: set[int] = set()
            for k, kind in enumerate(kinds):
                made.scale[r, system, k] = scales.get((system, kind), 1.0)
                found = _value_of(system, kind, version, kinds)
                if found is None:
                    continue
                column, signal = found
                if signal not in signals:
                    signals.append(signal)
                target = 4 * signals.index(signal) + column
                if target not in taken:
                    taken.add(target)
                    made.target[r, system, k] = target
            made.signal[r, system, : len(signals)] = signals
            for one, other in _twins(system, version):
                if one in signals and other in signals:
                    made.twin[r, system, signals.index(one)] = signals.index(other)
    return made


def _twins(system: System, version: float) -> list[tuple[int, int]]:
    """Return pairs of signals of which phase, Doppler and strength have one type in RINEX 2.

    The second one has them where the first has no range.
    """
    if version >= 3.0 or system not in {System.GPS, System.GLONASS}:
        return []
    codes = _OLD_CODES[system]
    pairs = (("C1", "P1"), ("P2", "C2"))
    return [(_SIGNALS[system][codes[a]], _SIGNALS[system][codes[b]]) for a, b in pairs]


def _value_of(system: System, kind: str, version: float, listed: Sequence[str]) -> tuple[int, int] | None:
    if version < 3.0:
        old = old_code(system, kind, version, listed)
        if old is None:
            return None
        kind = "".join(old)
    if len(kind) != 3 or kind[0] not in KINDS:
        return None
    signal = signal_of(system, kind[1:], version)
    return None if signal is None else (KINDS.index(kind[0]), signal)
