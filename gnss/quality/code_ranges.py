"""One range of each satellite from its codes, and where the satellite was when it sent them.

When a range P is measured at time t the satellite's clock showed t - P/c as it sent, so its true time was
tau = P/c + clock before t, whatever the receiver's clock. Its place then, in the Earth-fixed frame of that
moment, is p - tau v + tau^2/2 a with the columns of the sky at t; the next term is below 1e-7 m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.code_choice import (
    GROUPS,
    KIND_SHARES,
    KIND_SLOTS,
    RANK,
    SLOT,
    SLOTS,
    choose_kinds,
    group_of,
    late_s,
)
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

MOST = 96
"""Satellites of an epoch; further ones are left out."""
LEAST_CN0_DBHZ = 20.0
LEAST_RANGE_M, MOST_RANGE_M = 0.02 * SPEED_OF_LIGHT_M_S, 0.5 * SPEED_OF_LIGHT_M_S
"""What a receiver's clock may make of 19,000 to 43,000 km; a range beyond is nonsense."""

_ORBIT_M = (0.9, 2.0, 0.3, 9.0, 1.0, 1.0, 2.0, 0.6)
"""Ephemeris and clock, and codes by channel of GLONASS, by group: GPS, GLONASS, Galileo, SBAS, QZSS,
BeiDou-2, NavIC, BeiDou-3."""
_GEO_M = 3.0
"""Of BeiDou's geostationary satellites."""
_BEIDOU = 5
_SKY_ROWS = 448
_LEAST_M, _MOST_M = 5e6, 2e8
"""Satellites and their ranges, but for nonsense."""

X, Y, Z, RANGE, GAIN, IONO, ORBIT = range(7)
"""Rows of the table of satellites, shape (at least 7, MOST), that `combine` fills: place (m), range with the
satellite's clock taken away (m), how many times a code's noise it has, the ionosphere's part in it against
that on L1, and the standard deviation of ephemeris and clock (m)."""


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    system: Any, satellite: Any, signal: Any, range_m: Any, cn0_dbhz: Any, sky_usable: Any,
    group: Any, row: Any, slots: Any, code_m: Any,
) -> int:  # fmt: skip
    """Put the best code of each carrier of each satellite that has a usable ephemeris into a row.

    Parameters
    ----------
    system, satellite, signal, range_m, cn0_dbhz, sky_usable
        As in `gnss.quality.position.solve`.
    group, row, slots
        Out: shape (MOST,), int64: `gnss.quality.code_choice.group_of`, the row of the sky, and a bit for each
        slot with a code.
    code_m
        Out: shape (MOST, SLOTS), where `slots` says so.

    Returns
    -------
    Rows.
    """
    place: Any = np.zeros(_SKY_ROWS, np.int16)
    rank = np.empty((MOST, SLOTS), np.int8)
    n = 0
    for c in range(len(range_m)):
        # not int(), which numba makes unsigned
        s: Any = np.int64(system[c])
        k: Any = np.int64(satellite[c])
        g: Any = np.int64(signal[c])
        if s > 6 or k < 1 or k > 64 or g < 1 or g > 32:
            continue
        slot = np.int64(SLOT[s, g])
        metres = range_m[c]
        if slot < 0 or not LEAST_RANGE_M < metres < MOST_RANGE_M or 0.0 < cn0_dbhz[c] < LEAST_CN0_DBHZ:
            continue
        key = s * 64 + k - 1
        i = place[key] - 1
        if i < 0:
            if n == MOST or not sky_usable[key]:
                continue
            i = n
            n += 1
            place[key] = n
            group[i], row[i], slots[i] = group_of(s, k), key, 0
        if (slots[i] >> slot) & 1 and rank[i, slot] <= RANK[s, g]:
            continue
        slots[i] |= 1 << slot
        code_m[i, slot] = metres
        rank[i, slot] = RANK[s, g]
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def combine(
    n: int, sky_position_m: Any, sky_velocity_m_s: Any, sky_acceleration_m_s2: Any, sky_clock_s: Any,
    sky_clock_rate: Any, sky_group_delay_s: Any, group: Any, row: Any, slots: Any, code_m: Any, a: Any,
) -> int:  # fmt: skip
    """Make one range of each satellite's codes, and its place when it sent.

    Parameters
    ----------
    n, group, row, slots, code_m
        From `gather`; `group` is made to be that of the satellites left.
    a
        Out: the table, shape (at least 7, MOST).

    Returns
    -------
    Satellites left.
    """
    kinds = np.zeros(GROUPS, np.int64)
    choose_kinds(group, slots, n, kinds)
    left = 0
    for i in range(n):
        g, key = group[i], row[i]
        kind = kinds[g]
        one, two = np.int64(KIND_SLOTS[g, kind, 0]), np.int64(KIND_SLOTS[g, kind, 1])
        if not (slots[i] >> one) & (slots[i] >> two) & 1:
            continue
        late = late_s(g, kind, sky_group_delay_s[key, 0], sky_group_delay_s[key, 1])
        tau = code_m[i, one] * (1.0 / SPEED_OF_LIGHT_M_S) + sky_clock_s[key]
        clock_s = sky_clock_s[key] - tau * sky_clock_rate[key] - late
        metres = KIND_SHARES[g, kind, 0] * code_m[i, one] + KIND_SHARES[g, kind, 1] * code_m[i, two]
        total = metres + SPEED_OF_LIGHT_M_S * clock_s
        half = 0.5 * tau * tau
        x = sky_position_m[key, 0] - tau * sky_velocity_m_s[key, 0] + half * sky_acceleration_m_s2[key, 0]
        y = sky_position_m[key, 1] - tau * sky_velocity_m_s[key, 1] + half * sky_acceleration_m_s2[key, 1]
        z = sky_position_m[key, 2] - tau * sky_velocity_m_s[key, 2] + half * sky_acceleration_m_s2[key, 2]
        # false for NaN too
        if not (_LEAST_M < total < _MOST_M and _LEAST_M**2 < x * x + y * y + z * z < _MOST_M**2):
            continue
        a[X, left], a[Y, left], a[Z, left], a[RANGE, left] = x, y, z, total
        a[GAIN, left], a[IONO, left] = KIND_SHARES[g, kind, 2], KIND_SHARES[g, kind, 3]
        number = key % 64 + 1
        is_geo = key // 64 == _BEIDOU and (number <= 5 or number >= 59)
        a[ORBIT, left] = _GEO_M if is_geo else _ORBIT_M[g]
        group[left] = g
        left += 1
    return left
