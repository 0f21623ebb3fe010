"""What the numbers of a navigation record mean: one function for each system.

Sources: RINEX 3.05, tables A6 to A12 (RINEX 2 and 4 have the same order); IS-GPS-200, 20.3.3.3.1.3 (URA);
Galileo OS SIS ICD, 5.1.12 (SISA); RTCM 10403.3 for how the messages pack health and flags (as the tables of
`gnss.rtcm.ephemeris` do).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rinex.time_scales import BEIDOU_BEHIND_US
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import DAY_US, GPS_EPOCH_US, SECOND_US, WEEK_US, utc_to_gps

_URA_LIMITS_M = (
    2.4,
    3.4,
    4.85,
    6.85,
    9.65,
    13.65,
    24.0,
    48.0,
    96.0,
    192.0,
    384.0,
    768.0,
    1536.0,
    3072.0,
    6144.0,
)
"""Upper limit of each URA index; the nominal values that some files have lie below theirs."""
_URA_UNKNOWN = 15
_SISA_STEPS = ((0, 0.0, 0.01), (50, 0.5, 0.02), (75, 1.0, 0.04), (100, 2.0, 0.16))
"""From which index, at how many m, in which steps."""
_SISA_LAST, _SISA_UNKNOWN = 125, 255
_FNAV_SOURCE, _INAV_SOURCES = 0b010, 0b101
_E5A_CLOCK = 1 << 8
"""Data sources of a Galileo record."""
_USUAL_FIT_HOURS = 4.0
_DO_NOT_USE = 15
_KM = 1000.0
_MOST_COUNT = 1 << 31
_SUNDAY_US = GPS_EPOCH_US % WEEK_US
_LONGEST_DELAY_US = DAY_US // 2


@dataclass(frozen=True, slots=True)
class Record:
    """A record as text says it."""

    version: float
    satellite: int
    message: str
    """RINEX 4: LNAV, INAV ...; "" before."""
    toc_us: int
    """Time of clock in the system's own scale, counted from 1970."""
    rows: list[list[float]]
    """Numbers by line: three, then four each; NaN is blank."""

    def value(self, row: int, column: int) -> float:
        """Return a number that must be there."""
        value = self.optional(row, column, math.nan)
        if math.isnan(value):
            raise ValueError(f"number {column + 1} of line {row + 1} is missing")
        return value

    def optional(self, row: int, column: int, otherwise: float) -> float:
        """Return a number, or something else where there is none."""
        if row >= len(self.rows) or math.isnan(self.rows[row][column]):
            return otherwise
        return self.rows[row][column]

    def count(self, row: int, column: int, otherwise: int | None = None) -> int:
        """Return a whole number; without `otherwise` it must be there."""
        value = self.value(row, column) if otherwise is None else self.optional(row, column, otherwise)
        if abs(value) >= _MOST_COUNT:
            raise ValueError(f"number {column + 1} of line {row + 1} is too large")
        return round(value)


def float_of(text: str) -> float:
    """Return a number of Fortran: 1.0D-05; raises ValueError for anything that is none."""
    value = float(text.replace("D", "E").replace("d", "e"))
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value


def ura_index(accuracy_m: float) -> int:
    """Return the URA index of an accuracy in m; negative or too large: 15."""
    if accuracy_m < 0.0:
        return _URA_UNKNOWN
    return next((i for i, limit in enumerate(_URA_LIMITS_M) if accuracy_m <= limit + 1e-9), _URA_UNKNOWN)


def sisa_index(accuracy_m: float) -> int:
    """Return the SISA index of an accuracy in m; negative or too large: 255 (no accuracy predicted)."""
    if accuracy_m < 0.0:
        return _SISA_UNKNOWN
    first, begin_m, step_m = next(part for part in reversed(_SISA_STEPS) if accuracy_m >= part[1] - 1e-9)
    index = first + round((accuracy_m - begin_m) / step_m)
    return index if index <= _SISA_LAST else _SISA_UNKNOWN


def _nearest_us(of_period_us: int, begin_us: int, period_us: int, near_us: int) -> int:
    """Return the time nearest to another one that is so far behind the begin of a week or day."""
    some = begin_us + of_period_us
    return some + (near_us - some + period_us // 2) // period_us * period_us


def _toe_us(record: Record) -> int:
    """Return the time of ephemeris in the system's own scale.

    The week is the one that puts it nearest to the time of clock, which has a full date: the weeks that
    files have are those of the toe, of the transmission, or counted modulo 1024.
    """
    seconds = record.value(3, 0)
    if not 0.0 <= seconds <= WEEK_US / SECOND_US:
        raise ValueError("the time of ephemeris is not within a week")
    return _nearest_us(round(seconds * SECOND_US), GPS_EPOCH_US, WEEK_US, record.toc_us)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What differs between the systems that have Kepler elements."""

    message: int
    clock_issue: int
    group_delay_s: tuple[float, float]
    health: int
    accuracy: int
    flags: int = 0
    behind_us: int = 0


def _kepler(system: System, record: Record, rest: _Rest) -> KeplerEphemeris:
    value = record.value
    eccentricity, sqrt_axis = value(2, 1), value(2, 3)
    if not (0.0 <= eccentricity < 1.0 and 1000.0 < sqrt_axis < 10_000.0):
        raise ValueError("this is no orbit of a satellite")
    return KeplerEphemeris(
        system=system,
        satellite=record.satellite,
        message=rest.message,
        toe_gps_us=_toe_us(record) + rest.behind_us,
        toc_gps_us=record.toc_us + rest.behind_us,
        issue=record.count(1, 0),
        clock_issue=rest.clock_issue,
        clock_s=value(0, 0),
        clock_rate=value(0, 1),
        clock_acceleration=value(0, 2),
        sqrt_axis=sqrt_axis,
        eccentricity=eccentricity,
        mean_anomaly=value(1, 3),
        perigee=value(4, 2),
        node=value(3, 2),
        inclination=value(4, 0),
        mean_motion_difference=value(1, 2),
        node_rate=value(4, 3),
        inclination_rate=value(5, 0),
        cuc=value(2, 0),
        cus=value(2, 2),
        crc_m=value(4, 1),
        crs_m=value(1, 1),
        cic=value(3, 1),
        cis=value(3, 3),
        group_delay_s=rest.group_delay_s,
        health=rest.health,
        accuracy=rest.accuracy,
        flags=rest.flags,
    )


def _gps(record: Record) -> KeplerEphemeris:
    # hours here; the message has one bit for "longer than four"
    longer = record.optional(7, 1, 0.0) > _USUAL_FIT_HOURS
    flags = (record.count(5, 1, 0) & 3) << 2 | (record.count(5, 3, 0) & 1) << 1 | int(longer)
    return _kepler(System.GPS, record, _like_gps(1019, record, flags))


def _qzss(record: Record) -> KeplerEphemeris:
    flags = (record.count(5, 1, 0) & 3) << 1 | int(record.optional(7, 1, 0.0) > 0.0)
    return _kepler(System.QZSS, record, _like_gps(1044, record, flags))


def _like_gps(message: int, record: Record, flags: int) -> _Rest:
    return _Rest(
        message=message,
        clock_issue=record.count(6, 3),
        group_delay_s=(record.optional(6, 2, 0.0), 0.0),
        health=record.count(6, 1),
        accuracy=ura_index(record.optional(6, 0, -1.0)),
        flags=flags,
    )


def _navic(record: Record) -> KeplerEphemeris:
    rest = _Rest(
        message=1041,
        clock_issue=-1,
        group_delay_s=(record.optional(6, 2, 0.0), 0.0),
        health=record.count(6, 1),
        accuracy=ura_index(record.optional(6, 0, -1.0)),
    )
    return _kepler(System.NAVIC, record, rest)


def _beidou(record: Record) -> KeplerEphemeris:
    rest = _Rest(
        message=1042,
        clock_issue=record.count(7, 1, 0),
        group_delay_s=(record.optional(6, 2, 0.0), record.optional(6, 3, 0.0)),
        health=record.count(6, 1),
        accuracy=ura_index(record.optional(6, 0, -1.0)),
        behind_us=BEIDOU_BEHIND_US,
    )
    return _kepler(System.BEIDOU, record, rest)


def _galileo(record: Record) -> KeplerEphemeris:
    sources, bits = record.count(5, 1, 0), record.count(6, 1)
    is_fnav = record.message == "FNAV" or (
        record.message != "INAV"
        and not sources & _INAV_SOURCES
        and bool(sources & (_FNAV_SOURCE | _E5A_CLOCK))
    )
    rest = _Rest(
        message=1045 if is_fnav else 1046,
        clock_issue=-1,
        # F/NAV says nothing of E5b
        group_delay_s=(record.optional(6, 2, 0.0), 0.0 if is_fnav else record.optional(6, 3, 0.0)),
        health=_galileo_health(bits, is_fnav=is_fnav),
        accuracy=sisa_index(record.optional(6, 0, -1.0)),
    )
    return _kepler(System.GALILEO, record, rest)


def _galileo_health(bits: int, *, is_fnav: bool) -> int:
    """Return health as 1045 and 1046 have it: status (2 bits) then data validity (1) of each signal.

    RINEX has, from bit 0: E1-B validity, status; E5a the same; E5b the same.
    """

    def signal(at: int) -> int:
        return (bits >> (at + 1) & 3) << 1 | (bits >> at & 1)

    return signal(3) if is_fnav else signal(6) << 3 | signal(0)


def _state_vector(record: Record) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (record.value(1, k) * _KM, record.value(2, k) * _KM, record.value(3, k) * _KM) for k in range(3)
    )


def _glonass(record: Record) -> GlonassEphemeris:
    position, velocity, acceleration = _state_vector(record)
    channel = record.count(2, 3)
    channel -= 256 if channel > 128 else 0  # some receivers write the signed byte without its sign
    # RINEX 2: s of the UTC day; later: of the UTC week
    period_us = DAY_US if record.version < 3.0 else WEEK_US
    frame_us = round(record.optional(0, 2, 0.0) * SECOND_US)
    sent_us = _nearest_us(frame_us, _SUNDAY_US, period_us, record.toc_us)
    if abs(sent_us - record.toc_us) > _LONGEST_DELAY_US:
        sent_us = record.toc_us  # files with zeros there
    delta_tau_s = record.optional(4, 1, 0.0)
    return GlonassEphemeris(
        system=System.GLONASS,
        satellite=record.satellite,
        channel=channel if -7 <= channel <= 13 else UNKNOWN_CHANNEL,
        toe_gps_us=int(utc_to_gps(record.toc_us)),
        sent_gps_us=int(utc_to_gps(sent_us)),
        clock_s=record.value(0, 0),
        clock_rate=record.value(0, 1),
        position_m=position,
        velocity_m_s=velocity,
        acceleration_m_s2=acceleration,
        health=int(record.count(1, 3) != 0),  # B_n; the message's l_n is not in the file
        age_days=record.count(3, 3, 0),
        delta_tau_s=delta_tau_s if abs(delta_tau_s) < 1.0 else 0.0,
    )


def _sbas(record: Record) -> GlonassEphemeris:
    position, velocity, acceleration = _state_vector(record)
    sent_us = _nearest_us(round(record.optional(0, 2, 0.0) * SECOND_US), GPS_EPOCH_US, WEEK_US, record.toc_us)
    if abs(sent_us - record.toc_us) > _LONGEST_DELAY_US:
        sent_us = record.toc_us
    accuracy = ura_index(record.optional(2, 3, -1.0))
    return GlonassEphemeris(
        system=System.SBAS,
        satellite=record.satellite,
        channel=UNKNOWN_CHANNEL,
        toe_gps_us=record.toc_us,
        sent_gps_us=sent_us,
        clock_s=record.value(0, 0),
        clock_rate=record.value(0, 1),
        position_m=position,
        velocity_m_s=velocity,
        acceleration_m_s2=acceleration,
        health=record.count(1, 3) or int(accuracy == _DO_NOT_USE),
        age_days=0,
        flags=accuracy << 8 | (record.count(3, 3, 0) & 255),
    )


READERS: dict[System, Callable[[Record], Ephemeris]] = {
    System.GPS: _gps,
    System.GLONASS: _glonass,
    System.GALILEO: _galileo,
    System.SBAS: _sbas,
    System.QZSS: _qzss,
    System.BEIDOU: _beidou,
    System.NAVIC: _navic,
}
