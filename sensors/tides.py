"""The astronomical tide from harmonic constants.

Height above the mean level = sum of f A cos(V + u - g): amplitude A and Greenwich phase lag g of each
constituent are a station's own; V is the astronomical argument, f and u are the nodal corrections (Schureman
1958; Doodson and Warburg 1941; coefficients of f and u as in Pugh 1987, table 4.3). Astronomical longitudes
are those of the Explanatory Supplement (1961), which T_TIDE and UTide use too. Nodal corrections are series
in the longitude of the moon's node alone (and of the perigee for L2), where UTide sums satellites: they agree
to 1 to 2 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit

DAY_US = 86_400_000_000
_EPOCH_DAYS = 25_567.5
"""From noon of 1899-12-31 to the beginning of 1970."""
CAPACITY = 40
"""Constituents of a station."""
_NODAL = ("M2", "O1", "K1", "K2", "J1", "OO1", "MF", "MM", "L2")


class _Constituent(NamedTuple):
    doodson: tuple[int, ...]
    """Multiples of the moon's time, and of the longitudes of moon, sun, the moon's perigee, its node
    (negative) and the sun's perigee."""
    cycles: float
    nodal: dict[str, int]
    """Which nodal corrections it has, and how often."""


def _pure(text: str, cycles: float, nodal: str = "") -> _Constituent:
    numbers = tuple(int(number) for number in text.split())
    return _Constituent(numbers, cycles, {nodal: 1} if nodal else {})


_PURE = {
    "SA": _pure("0 0 1 0 0 -1", 0.0),
    "SSA": _pure("0 0 2 0 0 0", 0.0),
    "MM": _pure("0 1 0 -1 0 0", 0.0, "MM"),
    "MSF": _pure("0 2 -2 0 0 0", 0.0, "M2"),
    "MF": _pure("0 2 0 0 0 0", 0.0, "MF"),
    "2Q1": _pure("1 -3 0 2 0 0", -0.25, "O1"),
    "Q1": _pure("1 -2 0 1 0 0", -0.25, "O1"),
    "RHO1": _pure("1 -2 2 -1 0 0", -0.25, "O1"),
    "O1": _pure("1 -1 0 0 0 0", -0.25, "O1"),
    "P1": _pure("1 1 -2 0 0 0", -0.25),
    "K1": _pure("1 1 0 0 0 0", -0.75, "K1"),
    "J1": _pure("1 2 0 -1 0 0", -0.75, "J1"),
    "OO1": _pure("1 3 0 0 0 0", -0.75, "OO1"),
    "2N2": _pure("2 -2 0 2 0 0", 0.0, "M2"),
    "MU2": _pure("2 -2 2 0 0 0", 0.0, "M2"),
    "N2": _pure("2 -1 0 1 0 0", 0.0, "M2"),
    "NU2": _pure("2 -1 2 -1 0 0", 0.0, "M2"),
    "M2": _pure("2 0 0 0 0 0", 0.0, "M2"),
    "LDA2": _pure("2 1 -2 1 0 0", -0.5, "M2"),
    "L2": _pure("2 1 0 -1 0 0", -0.5, "L2"),
    "T2": _pure("2 2 -3 0 0 1", 0.0),
    "S2": _pure("2 2 -2 0 0 0", 0.0),
    "K2": _pure("2 2 0 0 0 0", 0.0, "K2"),
}
_COMPOUND = {
    "MO3": {"M2": 1, "O1": 1},
    "MK3": {"M2": 1, "K1": 1},
    "SK3": {"S2": 1, "K1": 1},
    "MN4": {"M2": 1, "N2": 1},
    "M4": {"M2": 2},
    "MS4": {"M2": 1, "S2": 1},
    "S4": {"S2": 2},
    "2MN6": {"M2": 2, "N2": 1},
    "M6": {"M2": 3},
    "2MS6": {"M2": 2, "S2": 1},
    "2SM6": {"M2": 1, "S2": 2},
    "M8": {"M2": 4},
}


def _compound(parts: dict[str, int]) -> _Constituent:
    """Return a shallow-water constituent: a sum of others."""
    doodson, cycles, nodal = np.zeros(6, np.int64), 0.0, dict[str, int]()
    for name, times in parts.items():
        part = _PURE[name]
        doodson += times * np.array(part.doodson)
        cycles += times * part.cycles
        for correction in part.nodal:
            nodal[correction] = nodal.get(correction, 0) + times
    return _Constituent(tuple(doodson.tolist()), cycles, nodal)


CONSTITUENTS = _PURE | {name: _compound(parts) for name, parts in _COMPOUND.items()}


class Harmonic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The constants of one constituent at one station."""

    name: str
    amplitude_m: float
    phase_deg: float
    """Greenwich phase lag."""

    def __post_init__(self) -> None:
        """Refuse what is not known.

        Raises
        ------
        ValueError
            There is no such constituent, or the amplitude is negative.
        """
        if self.name not in CONSTITUENTS:
            known = ", ".join(CONSTITUENTS)
            raise ValueError(f"there is no constituent {self.name!r}; choose of {known}")
        if not self.amplitude_m >= 0:
            raise ValueError(f"the amplitude of {self.name} must be 0 or above")


TIDE = np.dtype(
    [
        ("n", "i8"),
        ("amplitude", "f8", (CAPACITY,)),
        ("phase", "f8", (CAPACITY,)),  # cycles, with that of the constituent
        ("doodson", "f8", (CAPACITY, 6)),
        ("nodal", "i8", (CAPACITY, len(_NODAL))),
    ]
)
"""A station's constants, for kernels."""


def fill(table: Any, constants: Iterable[Harmonic]) -> None:
    """Write constants into a record of `TIDE`.

    Raises
    ------
    ValueError
        They are more than `CAPACITY`, or one is named twice.
    """
    constants = list(constants)
    if len(constants) > CAPACITY:
        raise ValueError(f"{len(constants)} constituents are too many: give {CAPACITY} at most")
    if len({one.name for one in constants}) < len(constants):
        raise ValueError("a constituent is given twice")
    table["n"] = len(constants)
    for k, one in enumerate(constants):
        constituent = CONSTITUENTS[one.name]
        table["amplitude"][k] = one.amplitude_m
        table["phase"][k] = constituent.cycles - one.phase_deg / 360.0
        table["doodson"][k] = constituent.doodson
        for correction, times in constituent.nodal.items():
            table["nodal"][k, _NODAL.index(correction)] = times


@njit(cache=True, nogil=True)
def _nodal(node: float, perigee: float) -> tuple[Any, Any]:
    """Return f and u (radians) of `_NODAL`, from the longitudes of node and perigee in radians."""
    f, u = np.ones(9), np.zeros(9)
    c, c2, s, s2 = np.cos(node), np.cos(2 * node), np.sin(node), np.sin(2 * node)
    f[0], u[0] = 1.0004 - 0.0373 * c + 0.0002 * c2, -2.14 * s
    f[1], u[1] = 1.0089 + 0.1871 * c - 0.0147 * c2, 10.80 * s - 1.34 * s2
    f[2], u[2] = 1.0060 + 0.1150 * c - 0.0088 * c2, -8.86 * s + 0.68 * s2
    f[3], u[3] = 1.0241 + 0.2863 * c + 0.0083 * c2, -17.74 * s + 0.68 * s2
    f[4], u[4] = 1.0129 + 0.1676 * c - 0.0170 * c2, -12.94 * s + 1.34 * s2
    f[5], u[5] = 1.1027 + 0.6504 * c + 0.0317 * c2, -36.68 * s + 4.02 * s2
    f[6], u[6] = 1.0429 + 0.4135 * c - 0.0040 * c2, -23.74 * s + 2.68 * s2
    f[7] = 1.0000 - 0.1300 * c + 0.0013 * c2
    u *= np.pi / 180
    two = 2 * perigee
    x = 1 - 0.2505 * np.cos(two) - 0.1102 * np.cos(two - node) - 0.0156 * np.cos(two - 2 * node) - 0.037 * c
    y = -0.2505 * np.sin(two) - 0.1102 * np.sin(two - node) - 0.0156 * np.sin(two - 2 * node) - 0.037 * s
    f[8], u[8] = np.sqrt(x * x + y * y), np.arctan2(y, x)
    return f, u


@njit(cache=True, nogil=True)
def tide_at(table: Any, time_us: int) -> tuple[float, float]:
    """Return the tide in metres above the mean level, and its rate in metres per hour."""
    days = time_us / DAY_US + _EPOCH_DAYS
    d = days / 10_000
    argument, rate = np.empty(6), np.empty(6)  # cycles, cycles per hour
    argument[1] = 270.434164 + 13.1763965268 * days - 0.0000850 * d * d + 0.000000039 * d**3
    argument[2] = 279.696678 + 0.9856473354 * days + 0.00002267 * d * d
    argument[3] = 334.329556 + 0.1114040803 * days - 0.0007739 * d * d - 0.00000026 * d**3
    argument[4] = -259.183275 + 0.0529539222 * days - 0.0001557 * d * d - 0.000000050 * d**3
    argument[5] = 281.220844 + 0.0000470684 * days + 0.0000339 * d * d + 0.000000070 * d**3
    argument /= 360
    argument[0] = (time_us % DAY_US) / DAY_US + argument[2] - argument[1]
    rate[1], rate[2], rate[3] = 13.1763965268, 0.9856473354, 0.1114040803
    rate[4], rate[5] = 0.0529539222, 0.0000470684
    rate /= 360
    rate[0] = 1 + rate[2] - rate[1]
    rate /= 24
    f, u = _nodal(-2 * np.pi * argument[4], 2 * np.pi * argument[3])
    height = speed = 0.0
    for k in range(table.n):
        amplitude, cycles, turn, per_hour = table.amplitude[k], table.phase[k], 0.0, 0.0
        for j in range(6):
            cycles += table.doodson[k, j] * argument[j]
            per_hour += table.doodson[k, j] * rate[j]
        for j in range(9):
            times = table.nodal[k, j]
            if times != 0:
                amplitude *= f[j] ** times
                turn += times * u[j]
        angle = 2 * np.pi * (cycles - np.floor(cycles)) + turn
        height += amplitude * np.cos(angle)
        speed -= amplitude * 2 * np.pi * per_hour * np.sin(angle)
    return height, speed


@njit(cache=True, nogil=True)
def _tides(table: Any, time_us: Any) -> Any:
    height = np.empty(len(time_us))
    for k in range(len(time_us)):
        height[k] = tide_at(table[0], time_us[k])[0]
    return height


def tide(time_us: NDArray[np.int64], constants: Iterable[Harmonic]) -> NDArray[np.float64]:
    """Return the tide.

    Parameters
    ----------
    time_us
        Shape (n,), microseconds of UTC since 1970.
    constants
        Of the station.

    Returns
    -------
    Metres above the mean level, shape (n,).

    Raises
    ------
    ValueError
        They are more than `CAPACITY`, or one is named twice.
    """
    table = np.zeros(1, TIDE)
    fill(table[0], constants)
    height: NDArray[np.float64] = _tides(table, time_us)
    return height
