"""Which codes a position is made of, and how much later than the broadcast clock each leaves the satellite.

Satellites are taken in groups: one for each system, but two of BeiDou, since receivers and ephemerides set
BeiDou-2 and BeiDou-3 some metres apart. A group is used as one kind: a pair of carriers (free of the
ionosphere) or one carrier, the same for all its satellites, so that what the receiver adds to a kind is the
same for all of them and falls into the group's clock.

Delays against the clock that a broadcast ephemeris tells (its clock terms with relativity):

- GPS, QZSS: the clock is that of the L1/L2 combination; L1 is later by TGD, a carrier f by
  (f1/f)^2 TGD (IS-GPS-200, 20.3.3.3.3.2; IS-QZSS-PNT 5.5.2). C/A is taken as P(Y): up to two metres off in
  L1/L2. For L5 the inter-signal correction comes in CNAV only, so L1/L5 is off by what a satellite's L5
  differs from that law: a metre, of GPS III up to seven. So L1/L2 comes first.
- GLONASS: the clock is taken as that of G1, and G2 is later by delta tau_n (ICD GLONASS 5.1, 4.4).
- Galileo: I/NAV tells the clock of E1/E5b, F/NAV that of E1/E5a. BGD(E1,E5x) is
  (delay E1 - delay E5x) / (1 - (f1/f5x)^2), and E1 is later than the clock of E1/E5x by BGD(E1,E5x)
  (Galileo OS SIS ICD 2.1, 5.1.5). F/NAV has no BGD(E1,E5b): a zero there says which clock it is.
- BeiDou: the clock is that of B3I; B1I is later by TGD1, B2I by TGD2 (BDS-SIS-ICD B1I 3.0, 5.2.4.10). The
  delays of B1C and B2a come in B-CNAV only: B1C is taken as B1I, B2a as B3I, a metre or two off, so that B1I
  comes first.
- NavIC: the clock is that of L5/S; S is later by TGD, L5 by (fS/f5)^2 TGD (NavIC SIS ICD for SPS 1.1,
  6.2.1.5).

SBAS is left out: its ephemerides are made for corrections, and few receivers have two carriers of it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.signals import (
    B1I_HZ,
    B3I_HZ,
    E5B_HZ,
    GLONASS_G1_HZ,
    GLONASS_G2_HZ,
    L1_HZ,
    L2_HZ,
    L5_HZ,
    N_SIGNALS,
    N_SYSTEMS,
    NAVIC_S_HZ,
    RINEX_CODES,
)
from gnss.systems import System
from kernels.compiled import njit

SLOTS = 5
"""Carriers of a system that are told apart."""
GROUPS = 8
"""The seven systems in their order, and BeiDou-3."""
BEIDOU_3 = 7
PAIRS = 2
KINDS = PAIRS + SLOTS
"""Ways to use a group: its pairs, best first, then its single carriers."""

_LAST_OF_BEIDOU_2 = 18
_SLOTS: dict[int, tuple[tuple[str, float], ...]] = {
    System.GPS: (("1", L1_HZ), ("2", L2_HZ), ("5", L5_HZ)),
    System.GLONASS: (("1", GLONASS_G1_HZ), ("2", GLONASS_G2_HZ)),
    System.GALILEO: (("1", L1_HZ), ("5", L5_HZ), ("7", E5B_HZ)),
    System.QZSS: (("1", L1_HZ), ("2", L2_HZ), ("5", L5_HZ)),
    System.BEIDOU: (("2", B1I_HZ), ("6", B3I_HZ), ("7", E5B_HZ), ("1", L1_HZ), ("5", L5_HZ)),
    System.NAVIC: (("9", NAVIC_S_HZ), ("5", L5_HZ)),
}
"""RINEX bands and their frequencies. The ratio of GLONASS's two is the same for all channels."""
_PAIRS: dict[int, tuple[tuple[int, int], ...]] = {
    System.GPS: ((0, 1), (0, 2)),
    System.GLONASS: ((0, 1),),
    System.GALILEO: ((0, 1), (0, 2)),
    System.QZSS: ((0, 1), (0, 2)),
    System.BEIDOU: ((0, 1), (0, 2)),
    System.NAVIC: ((0, 1),),
    BEIDOU_3: ((0, 1), (3, 4)),
}
_ATTRIBUTES = "CWPXLSQIDBAZ"
"""Codes of one carrier, best first: what most receivers have of most satellites."""
_ATTRIBUTES_L2 = "WPXLSC"
_NOT_THAT_CARRIER = {(System.BEIDOU, "7D")}
"""B2b of BeiDou-3 is on B2I's frequency, but another signal with a delay of its own."""
_SOME = 0.7
"""A kind that stands further behind is taken when an earlier one has less than this share of its
satellites."""
_ENOUGH = 0.3
"""A pair is taken when at least this share of the satellites has it, else one carrier."""

_UNKNOWNS = 3
"""Of a place."""
_BEIDOU = 5


def _signal_tables() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    slot = np.full((N_SYSTEMS, N_SIGNALS), -1, np.int8)
    rank = np.zeros((N_SYSTEMS, N_SIGNALS), np.int8)
    for system, codes in RINEX_CODES.items():
        bands = [band for band, _ in _SLOTS.get(system, ())]
        for signal, code in codes.items():
            if code[0] in bands and (system, code) not in _NOT_THAT_CARRIER:
                slot[system, signal] = bands.index(code[0])
                is_l2 = system in (System.GPS, System.QZSS) and code[0] == "2"
                rank[system, signal] = (_ATTRIBUTES_L2 if is_l2 else _ATTRIBUTES).index(code[1])
    return slot, rank


def _delay_shares(system: int, slot: int, of_inav: bool) -> NDArray[np.float64]:
    """Return the shares of the two group delays of an ephemeris by which a code is later, shape (2,)."""
    hz = _SLOTS[system][slot][1]
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    shares: NDArray[np.float64]
    if system == System.GLONASS:
        shares = first * float(slot == 1)
    elif system == System.GALILEO:
        bgd = second if slot == 2 and of_inav else first
        shares = (second if of_inav else first) - (1.0 - (L1_HZ / hz) ** 2) * bgd
    elif system == System.BEIDOU:
        shares = first * float(slot in (0, 3)) + second * float(slot == 2)
    else:
        shares = first * (_SLOTS[system][0][1] / hz) ** 2
    return shares


def _kind_tables() -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    slots = np.full((GROUPS, KINDS, 2), -1, np.int8)
    shares = np.zeros((GROUPS, KINDS, 4))
    delays = np.zeros((GROUPS, KINDS, 2, 2))
    for group, pairs in _PAIRS.items():
        system = System.BEIDOU if group == BEIDOU_3 else System(group)
        for k, (one, two) in enumerate(pairs):
            f1, f2 = _SLOTS[system][one][1], _SLOTS[system][two][1]
            a, b = f1**2 / (f1**2 - f2**2), f2**2 / (f1**2 - f2**2)
            slots[group, k] = one, two
            shares[group, k] = a, -b, math.hypot(a, b), 0.0
            for v in range(2):
                delays[group, k, v] = a * _delay_shares(system, one, v == 1) - b * _delay_shares(
                    system, two, v == 1
                )
        for slot, (_, hz) in enumerate(_SLOTS[system]):
            slots[group, PAIRS + slot] = slot, slot
            shares[group, PAIRS + slot] = 1.0, 0.0, 1.0, (L1_HZ / hz) ** 2
            for v in range(2):
                delays[group, PAIRS + slot, v] = _delay_shares(system, slot, v == 1)
    return slots, shares, delays


SLOT, RANK = _signal_tables()
"""Shape (7, 33), by system and signal: slot, -1 for none; place among the codes of that slot, 0 the best."""
KIND_SLOTS, KIND_SHARES, KIND_DELAYS = _kind_tables()
"""By group and kind. Shape (8, 7, 2): its two slots (the same twice for one carrier), -1: no such kind.
Shape (8, 7, 4): the share of each slot's code in the range; how many times a code's noise that makes; the
ionosphere's part against that on L1. Shape (8, 7, 2, 2): the share of each group delay by which the range is
late, for a clock of F/NAV and of I/NAV (the same for other systems)."""


@njit(cache=True, nogil=True, error_model="numpy")
def group_of(system: int, satellite: int) -> int:
    """Return the group of a satellite."""
    return BEIDOU_3 if system == _BEIDOU and satellite > _LAST_OF_BEIDOU_2 else system


@njit(cache=True, nogil=True, error_model="numpy")
def late_s(group: int, kind: int, first_s: float, second_s: float) -> float:
    """Return how much later than by the broadcast clock the range of a kind comes, in s.

    Parameters
    ----------
    group, kind
        From `group_of` and `choose_kinds`.
    first_s, second_s
        Group delays of the ephemeris, as `gnss.ephemeris` has them (GLONASS: delta tau_n first). NaN: none.
    """
    of_inav = 1 if second_s != 0.0 and not np.isnan(second_s) else 0
    first = 0.0 if np.isnan(first_s) else first_s
    second = second_s if of_inav else 0.0
    return float(KIND_DELAYS[group, kind, of_inav, 0] * first + KIND_DELAYS[group, kind, of_inav, 1] * second)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_carrier(having: Any) -> int:
    """Return the first kind of one carrier that most satellites have, or nearly as many."""
    one = PAIRS
    for k in range(PAIRS + 1, KINDS):
        if having[one] < _SOME * having[k]:
            one = k
    return one


@njit(cache=True, nogil=True, error_model="numpy")
def choose_kinds(group: Any, slots: Any, n: int, kinds: Any) -> None:
    """Choose the kind by which each group is used; one carrier everywhere where pairs tell too little.

    Parameters
    ----------
    group
        Of each satellite, shape (at least n,).
    slots
        The slots in which a satellite has a code, a bit each, shape (at least n,).
    kinds
        Out: shape (GROUPS,).
    """
    having = np.zeros((GROUPS, KINDS), np.int64)
    satellites = np.zeros(GROUPS, np.int64)
    for i in range(n):
        g = group[i]
        satellites[g] += 1
        for k in range(KINDS):
            one, two = KIND_SLOTS[g, k, 0], KIND_SLOTS[g, k, 1]
            having[g, k] += one >= 0 and (slots[i] >> one) & (slots[i] >> two) & 1
    told = 0
    for g in range(GROUPS):
        best = 0
        for k in range(1, PAIRS):
            if having[g, best] < _SOME * having[g, k]:
                best = k
        is_enough = having[g, best] > 0 and having[g, best] >= _ENOUGH * satellites[g]
        kinds[g] = best if is_enough else _best_carrier(having[g])
        told += max(having[g, kinds[g]] - 1, 0)
    if told < _UNKNOWNS:
        for g in range(GROUPS):
            kinds[g] = _best_carrier(having[g])
