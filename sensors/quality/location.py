"""QARTOD test 3, location: whether the instrument is where it can be.

Where it is tell two other series of the site, `longitude` and `latitude` in degrees, as
`sensors.quality.partner` finds them; or, where these are not named, the sample itself, as those of platforms
that move do. Outside of [-180, 180] and [-90, 90] the sample fails; it is suspect
where the instrument has moved by more than `range_max_m` since the sample before (great circle, haversine).

manual: without a position not evaluated; what has moved is told from the last position
that can be.
ioos_qc: without a position missing, with half of one a failure; what has moved is told from the sample
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import (
    FAIL,
    MISSING,
    NOT_EVALUATED,
    OWN_PLACE,
    PASS,
    SUSPECT,
    Facts,
    Parameters,
    Test,
    partner,
    record,
    register,
)

_EARTH_RADIUS_M: Final = 6_371_000.0


class Location(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ids of the series that tell the position, and how far it may move between two samples."""

    longitude: str = ""
    """Empty, as the other: each sample tells its own."""
    latitude: str = ""
    range_max_m: float | None = None
    """The manuals' examples: 500 m for a buoy that measures water levels, 20 km for pH."""
    tolerance_s: float | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if self.range_max_m is not None and not self.range_max_m > 0:
            raise ValueError("location needs a range_max_m above 0")
        if bool(self.longitude) != bool(self.latitude):
            raise ValueError("location needs longitude and latitude, or neither where samples tell their own")
        partner.check_tolerance(self.tolerance_s)

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the limits."""
        record["range_m"] = np.inf if self.range_max_m is None else self.range_max_m
        record["tolerance_us"] = partner.tolerance_us(self.tolerance_s, facts) if self.longitude else 0

    def partners(self) -> Mapping[str, str]:
        """Return who tells the position."""
        return {"longitude": self.longitude, "latitude": self.latitude} if self.longitude else OWN_PLACE


@njit(cache=True, nogil=True)
def distance_m(longitude: float, latitude: float, to_longitude: float, to_latitude: float) -> float:
    """Return the great-circle distance of two places in degrees."""
    across = sin(radians(to_longitude - longitude) / 2)
    along = sin(radians(to_latitude - latitude) / 2)
    square = along * along + cos(radians(latitude)) * cos(radians(to_latitude)) * across * across
    return 2 * _EARTH_RADIUS_M * asin(sqrt(min(1.0, square)))


@njit(cache=True, nogil=True)
def _at(p: Any, s: Any, every: Any, time_us: int, ioos_qc: bool) -> int:
    """Judge the position at a time and remember it."""
    longitude = partner.joined(every, p.longitude, time_us, p.tolerance_us)
    latitude = partner.joined(every, p.latitude, time_us, p.tolerance_us)
    known, before = np.isfinite(longitude + latitude), s.known
    longitude_before, latitude_before = s.longitude, s.latitude
    possible = abs(longitude) <= 180 and abs(latitude) <= 90
    if possible or ioos_qc:
        s.known, s.longitude, s.latitude = possible, longitude, latitude
    if not known:
        if not ioos_qc:
            return NOT_EVALUATED
        return MISSING if np.isnan(longitude) and np.isnan(latitude) else FAIL
    if not possible:
        return FAIL
    if before and distance_m(longitude_before, latitude_before, longitude, latitude) > p.range_m:
        return SUSPECT
    return PASS


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Judge by the position that is known by now."""
    return _at(p, s, every, x.time_us, x.ioos_qc)


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Try once more where the position was not known."""
    if flag == NOT_EVALUATED:
        return _at(p, s, every, line.time_us, x.ioos_qc)
    return flag


register(
    Test(
        name="location",
        order=3,
        configured=Location,
        parameters=record(("longitude", "i8"), ("latitude", "i8"), ("range_m", "f8"), ("tolerance_us", "i8")),
        state=record(("known", "u1"), ("longitude", "f8"), ("latitude", "f8")),
        judge=judge,
        revise=revise,
    )
)
