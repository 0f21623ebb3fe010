"""RINEX 3.05 navigation files from ephemerides (tables A5 to A12), the inverse of `navigation_records`.

Sources: RINEX 3.05 for places and units; IS-GPS-200, 20.3.3.3.1.3 (URA) and table 20-XII (fit interval);
Galileo OS SIS ICD, 5.1.12 (SISA).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gnss.ephemeris import BEIDOU_BEHIND_GPS_S, Ephemeris, GlonassEphemeris, KeplerEphemeris, is_orbit
from gnss.rinex.write_header import ORDER, VERSION, calendar_of, header_line, program_line
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc

_UNKNOWN_SENDING = 0.9999e9
"""Time of transmission that nobody told."""
_BEIDOU_BEHIND_US = BEIDOU_BEHIND_GPS_S * SECOND_US
_BEIDOU_FIRST_WEEK = 1356
_FNAV_SOURCES, _INAV_SOURCES = 0b01_0000_0010, 0b10_0000_0101
"""Galileo: F/NAV of E5a with the clock of E5a and E1; I/NAV of E1-B and E5b with that of E5b and E1."""
_F_NAV = 1045
_ROUNDED_URA_M = {1: 2.8, 3: 5.7, 5: 11.3}
_SISA = ((100, 126, 2.0, 0.16), (75, 100, 1.0, 0.04), (50, 75, 0.5, 0.02), (0, 50, 0.0, 0.01))
_USUAL_FIT_HOURS, _LONGER_FIT_HOURS = 4.0, 6.0
_LONG_FIT_HOURS = (
    (range(240, 248), 8.0),
    (range(248, 256), 14.0),
    (range(496, 497), 14.0),
    (range(497, 504), 26.0),
    (range(504, 511), 50.0),
    (range(511, 512), 74.0),
    (range(752, 757), 74.0),
    (range(757, 758), 98.0),
    (range(1021, 1024), 26.0),
)
"""Fit interval of GPS by IODC, where its flag is set."""
_KM = 1000.0
_LEAST = 1e-99
_FIRST_SBAS, _BEHIND_SBAS = 20, 59


@dataclass(frozen=True, slots=True)
class NavigationFile:
    """A file that was written."""

    text: bytes
    records: int
    left_out: dict[str, int]
    """What could not be written, by reason."""


def write_navigation(ephemerides: Iterable[Ephemeris], made_us: int) -> NavigationFile:
    """Return a navigation file of all systems, by system, satellite and time.

    A stream repeats its ephemerides; each stands in the file once. Those that are no orbits, and GLONASS
    without a frequency number, are left out. When a message was sent is not known of Kepler ephemerides, and
    written as the format says for that.

    Parameters
    ----------
    made_us
        When it is made, for the header; UTC.

    Raises
    ------
    ValueError
        None of them can be written.
    """
    left_out: Counter[str] = Counter()
    chosen: dict[Ephemeris, Ephemeris] = {}
    for one in ephemerides:
        reason = _why_not(one)
        if reason is None:
            chosen.setdefault(without_sending(one), one)
        else:
            left_out[reason] += 1
    if not chosen:
        raise ValueError("no ephemeris that a navigation file can hold: there is nothing to write")
    ordered = sorted(chosen.values(), key=_place)
    letter = "M: MIXED"
    if len({one.system for one in ordered}) == 1:
        system = ordered[0].system
        letter = f"{system.letter}: {system.name}"
    last_us = max(one.toe_gps_us for one in ordered)
    head = "".join(
        (
            header_line(f"{VERSION:9.2f}{'':11}{'N: GNSS NAV DATA':20}{letter}", "RINEX VERSION / TYPE"),
            header_line(program_line("", made_us), "PGM / RUN BY / DATE"),
            header_line(f"{(last_us - int(gps_to_utc(last_us))) // SECOND_US:6d}", "LEAP SECONDS"),
            header_line("", "END OF HEADER"),
        )
    )
    text = head + "".join(line for one in ordered for line in _record(one))
    return NavigationFile(text.encode("ascii"), len(ordered), dict(left_out))


def ura_m(index: int) -> float:
    """Return the accuracy in m of a URA index (IS-GPS-200, 20.3.3.3.1.3); 15: 8192, use at own risk."""
    if index in _ROUNDED_URA_M:
        return _ROUNDED_URA_M[index]
    return 2.0 ** (1 + index / 2) if index <= 6 else 2.0 ** min(index - 2, 13)


def sisa_m(index: int) -> float:
    """Return the accuracy in m of a SISA index; -1 for those that tell none."""
    for first, behind, begin_m, step_m in _SISA:
        if first <= index < behind:
            return begin_m + (index - first) * step_m
    return -1.0


def _why_not(one: Ephemeris) -> str | None:
    satellites = (_FIRST_SBAS, _BEHIND_SBAS) if one.system is System.SBAS else (1, 64)
    if not is_orbit(one) or not satellites[0] <= one.satellite <= satellites[1]:
        return "ephemerides that are no orbit"
    if one.system is System.GLONASS and isinstance(one, GlonassEphemeris) and one.channel == UNKNOWN_CHANNEL:
        return "GLONASS ephemerides without a frequency number"
    return None


def without_sending(one: Ephemeris) -> Ephemeris:
    """Return what makes two ephemerides one: all but when they were sent."""
    return replace(one, sent_gps_us=0) if isinstance(one, GlonassEphemeris) else one


def _place(one: Ephemeris) -> tuple[int, int, int, int]:
    message = one.message if isinstance(one, KeplerEphemeris) else 0
    return ORDER.index(one.system), one.satellite, one.toe_gps_us, message


def _record(one: Ephemeris) -> Iterator[str]:
    """Return the lines of a record."""
    if isinstance(one, GlonassEphemeris):
        moment_us, rows = _glonass(one) if one.system is System.GLONASS else _sbas(one)
    else:
        behind_us = _BEIDOU_BEHIND_US if one.system is System.BEIDOU else 0
        moment_us, rows = one.toc_gps_us - behind_us, _kepler(one, behind_us)
    year, month, day, hour, minute, tenths_us = calendar_of(moment_us)
    second = tenths_us // 10_000_000
    begin = f"{one.system.letter}{one.satellite:02d} {year:4d} {month:02d} {day:02d} {hour:02d} {minute:02d}"
    yield f"{begin} {second:02d}{''.join(map(_field, rows[0]))}\n"
    for row in rows[1:]:
        yield f"    {''.join(map(_field, row))}\n"


def _field(value: float) -> str:
    """Return D19.12."""
    return f"{0.0 if abs(value) < _LEAST else value:19.12E}".replace("E", "D")


def _kepler(one: KeplerEphemeris, behind_us: int) -> list[Sequence[float]]:
    since_us = one.toe_gps_us - behind_us - GPS_EPOCH_US
    week, of_week_us = divmod(since_us, WEEK_US)
    rest = _RESTS[one.system](one)
    week -= _BEIDOU_FIRST_WEEK if one.system is System.BEIDOU else 0
    return [
        (one.clock_s, one.clock_rate, one.clock_acceleration),
        (one.issue, one.crs_m, one.mean_motion_difference, one.mean_anomaly),
        (one.cuc, one.eccentricity, one.cus, one.sqrt_axis),
        (of_week_us / SECOND_US, one.cic, one.node, one.cis),
        (one.inclination, one.crc_m, one.perigee, one.node_rate),
        (one.inclination_rate, rest.behind_rate, week, rest.behind_week),
        (rest.accuracy_m, rest.health, *rest.delays),
        (_UNKNOWN_SENDING, *rest.lasts),
    ]


@dataclass(frozen=True, slots=True)
class _Rest:
    """What differs between the systems that have Kepler elements; spare fields are 0."""

    accuracy_m: float
    health: int
    delays: tuple[float, float]
    """Last two fields of line 7; for GPS and QZSS the second one is the IODC."""
    behind_rate: float = 0.0
    behind_week: float = 0.0
    lasts: tuple[float, ...] = ()
    """Behind the time of transmission."""


def _gps(one: KeplerEphemeris) -> _Rest:
    hours = _USUAL_FIT_HOURS
    if one.flags & 1:
        hours = next((h for known, h in _LONG_FIT_HOURS if one.clock_issue in known), _LONGER_FIT_HOURS)
    return _Rest(
        accuracy_m=ura_m(one.accuracy),
        health=one.health,
        delays=(one.group_delay_s[0], one.clock_issue),
        behind_rate=one.flags >> 2 & 3,
        behind_week=one.flags >> 1 & 1,
        lasts=(hours,),
    )


def _qzss(one: KeplerEphemeris) -> _Rest:
    return _Rest(
        accuracy_m=ura_m(one.accuracy),
        health=one.health,
        delays=(one.group_delay_s[0], one.clock_issue),
        behind_rate=one.flags >> 1 & 3,
        behind_week=1.0,  # there is no L2P
        lasts=(one.flags & 1,),
    )


def _galileo(one: KeplerEphemeris) -> _Rest:
    is_fnav = one.message == _F_NAV
    if is_fnav:
        health = _galileo_bits(one.health) << 3
    else:
        health = _galileo_bits(one.health >> 3) << 6 | _galileo_bits(one.health)
    return _Rest(
        accuracy_m=sisa_m(one.accuracy),
        health=health,
        delays=one.group_delay_s,
        behind_rate=_FNAV_SOURCES if is_fnav else _INAV_SOURCES,
    )


def _galileo_bits(told: int) -> int:
    """Return validity (bit 0) and status (1, 2) of a signal; the message has the status first."""
    return (told & 1) | (told >> 1 & 3) << 1


def _beidou(one: KeplerEphemeris) -> _Rest:
    return _Rest(ura_m(one.accuracy), one.health, one.group_delay_s, lasts=(one.clock_issue,))


def _navic(one: KeplerEphemeris) -> _Rest:
    return _Rest(ura_m(one.accuracy), one.health, (one.group_delay_s[0], 0.0))


_RESTS: dict[System, Callable[[KeplerEphemeris], _Rest]] = {
    System.GPS: _gps,
    System.GALILEO: _galileo,
    System.QZSS: _qzss,
    System.BEIDOU: _beidou,
    System.NAVIC: _navic,
}


def _of_week_s(time_us: int) -> float:
    return (time_us - GPS_EPOCH_US) % WEEK_US / SECOND_US


def _state(one: GlonassEphemeris, lasts: tuple[float, float, float]) -> list[Sequence[float]]:
    """Return position, velocity, acceleration (km) and something else of each axis."""
    axes = zip(one.position_m, one.velocity_m_s, one.acceleration_m_s2, lasts, strict=True)
    return [(x / _KM, v / _KM, a / _KM, last) for x, v, a, last in axes]


def _glonass(one: GlonassEphemeris) -> tuple[int, list[Sequence[float]]]:
    sent_s = _of_week_s(int(gps_to_utc(one.sent_gps_us)))  # of the UTC week, which begins at the same date
    flags = one.flags
    m, ft, p4, p = flags & 3, flags >> 2 & 15, flags >> 6 & 1, flags >> 7 & 3
    p3, p2, p1 = flags >> 9 & 1, flags >> 10 & 1, flags >> 11 & 3
    told, almanac_health, ln = flags >> 13 & 1, flags >> 14 & 1, flags >> 15 & 1
    status = m << 7 | p4 << 6 | p3 << 5 | p2 << 4 | p1 << 2 | p
    rows: list[Sequence[float]] = [(one.clock_s, one.clock_rate, sent_s)]
    rows += _state(one, (one.health, one.channel, one.age_days))
    rows.append((status, one.delta_tau_s, ft, ln << 2 | told << 1 | almanac_health))
    return int(gps_to_utc(one.toe_gps_us)), rows


def _sbas(one: GlonassEphemeris) -> tuple[int, list[Sequence[float]]]:
    accuracy, issue = one.flags >> 8 & 15, one.flags & 255
    rows: list[Sequence[float]] = [(one.clock_s, one.clock_rate, _of_week_s(one.sent_gps_us))]
    return one.toe_gps_us, rows + _state(one, (one.health, ura_m(accuracy), issue))
