"""Record 0x01: broadcast ephemerides as numbers, one satellite a record.

Source: UNAVCO, BINEX record 0x01, subrecords 0x01 to 0x06, as open implementations read them. Rates of angles
are sent in half circles a second, angles in radians. The rate of SBAS clocks is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from gnss.binex.framing import Record
from gnss.binex.signals import satellite_of
from gnss.ephemeris import BEIDOU_BEHIND_GPS_S, Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rinex.navigation_records import sisa_index, ura_index
from gnss.rtcm.ephemeris_fields import ICD_PI
from gnss.rtcm.ephemeris_glonass import MOSCOW_US
from gnss.rtcm.ephemeris_week import WEEK_S, nearest_us
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import DAY_US, GPS_EPOCH_US, SECOND_US, utc_to_gps

EPHEMERIDES = 0x01

_ORBIT = "f d d d f f f f f f d d d f f"
_GPS = struct.Struct(">B H i i f i f f f i" + _ORBIT + "f H H")
_GLONASS = struct.Struct(">B H I d d I 9d B b B B d d")
_SBAS = struct.Struct(">B H I d f I 9d B B B")
_GALILEO = struct.Struct(">B H i i f f i f f f" + _ORBIT + "f H H")
_BEIDOU = struct.Struct(">B H i i i f f f" + _ORBIT + "H I")
_ORBIT_NAMES = (
    "mean_motion_difference", "mean_anomaly", "eccentricity", "sqrt_axis", "cic", "crc_m", "cis", "crs_m",
    "cuc", "cus", "node", "perigee", "inclination", "node_rate", "inclination_rate",
)  # fmt: skip
_IN_HALF_CIRCLES = ("mean_motion_difference", "node_rate", "inclination_rate")
_MOST_SISA_M = 6.0
_NO_SISA = 255
_F_NAV, _I_NAV = 1 << 8, 1 << 9
"""Bits of the data source as RINEX 3 has them: the clock is that of E5a, or of E5b, with E1."""
_USUAL_FIT_H = 4
_SBAS_STEP_US = 16 * SECOND_US
_DO_NOT_USE = 15


def ephemeris_of(record: Record, near_us: int) -> Ephemeris | None:
    """Return the ephemeris of a record; None for another record, a shorter one, and times that cannot be.

    Whether the orbit is one is not looked at.

    Parameters
    ----------
    near_us
        UTC, right to half a day: GLONASS's record tells the time of the day.
    """
    if record.record != EPHEMERIDES or not record.message:
        return None
    found = _SUBRECORDS.get(record.message[0])
    if found is None:
        return None
    layout, read = found
    body = record.message[1:]
    if len(body) < layout.size:
        return None
    if not record.is_big:
        layout = struct.Struct("<" + layout.format[1:])
    return read(layout.unpack_from(body), near_us)


def _orbit(sent: tuple[Any, ...]) -> dict[str, Any]:
    values = dict(zip(_ORBIT_NAMES, sent, strict=True))
    return values | {name: values[name] * ICD_PI for name in _IN_HALF_CIRCLES}


def _gps_us(week: int, second: int) -> int:
    return GPS_EPOCH_US + (week * WEEK_S + second) * SECOND_US


def _lnav(system: System, number: int, sent: tuple[Any, ...]) -> KeplerEphemeris:
    _, week, _, toe_s, tgd_s, clock_issue, acceleration, rate, clock_s, issue = sent[:10]
    ura, health, flags = sent[25:]
    toe_gps_us = _gps_us(week, toe_s)
    is_qzss = system is System.QZSS
    fit = flags & 1 if is_qzss else (flags & 0xFF) > _USUAL_FIT_H
    # as the message packs them: code on L2, of GPS the flag of its P data, fit interval
    packed = 2 << 1 if is_qzss else (flags >> 9 & 3) << 2 | (flags >> 8 & 1) << 1
    return KeplerEphemeris(
        system=system,
        satellite=number,
        message=1044 if is_qzss else 1019,
        toe_gps_us=toe_gps_us,
        toc_gps_us=toe_gps_us,
        issue=issue & 0xFF,
        clock_issue=clock_issue & 0x3FF,
        clock_s=clock_s,
        clock_rate=rate,
        clock_acceleration=acceleration,
        **_orbit(sent[10:25]),
        group_delay_s=(tgd_s, 0.0),
        health=health & 0x3F,
        accuracy=ura_index(ura * 0.1),
        flags=packed | int(fit),
    )


def _gps(sent: tuple[Any, ...], near_us: int) -> KeplerEphemeris:
    del near_us
    return _lnav(System.GPS, sent[0] + 1, sent)


def _qzss(sent: tuple[Any, ...], near_us: int) -> KeplerEphemeris:
    del near_us
    return _lnav(System.QZSS, satellite_of(System.QZSS, sent[0]), sent)


def _galileo(sent: tuple[Any, ...], near_us: int) -> KeplerEphemeris:
    del near_us
    number, week, _, toe_s, bgd_e5a_s, bgd_e5b_s, issue, acceleration, rate, clock_s = sent[:10]
    sisa, health, source = sent[25:]
    toe_gps_us = _gps_us(week, toe_s)
    is_f_nav = bool(source & _F_NAV) and not source & _I_NAV
    # as in RINEX: from the lowest bit on E1, E5a and E5b, each with a bit of its data and two of its signal
    e1, e5a, e5b = (health >> shift & 7 for shift in (0, 3, 6))
    return KeplerEphemeris(
        system=System.GALILEO,
        satellite=number + 1,
        message=1045 if is_f_nav else 1046,
        toe_gps_us=toe_gps_us,
        toc_gps_us=toe_gps_us,
        issue=issue & 0x3FF,
        clock_issue=-1,
        clock_s=clock_s,
        clock_rate=rate,
        clock_acceleration=acceleration,
        **_orbit(sent[10:25]),
        group_delay_s=(bgd_e5a_s, 0.0 if is_f_nav else bgd_e5b_s),
        health=e5a if is_f_nav else e5b << 3 | e1,
        accuracy=_sisa(sisa),
    )


def _sisa(metres: float) -> int:
    """Return the index of an accuracy; a negative number is that of some senders, -1 for index 0."""
    if -_NO_SISA - 1.5 < metres < 0.0:
        return min(round(-metres) - 1, _NO_SISA)
    return sisa_index(metres) if 0.0 <= metres <= _MOST_SISA_M else _NO_SISA


def _beidou(sent: tuple[Any, ...], near_us: int) -> KeplerEphemeris:
    del near_us
    number, week, _, toc_s, toe_s, acceleration, rate, clock_s = sent[:8]
    first, second = sent[23:]
    delays = [second >> shift & 0x3FF for shift in (4, 14)]
    tgd_s = [(bits - (bits >> 9 << 10)) * 1e-10 for bits in delays]
    behind_us = BEIDOU_BEHIND_GPS_S * SECOND_US
    toe_gps_us = _gps_us(week + 1356, toe_s) + behind_us
    after_s = (toc_s - toe_s + WEEK_S // 2) % WEEK_S - WEEK_S // 2
    return KeplerEphemeris(
        system=System.BEIDOU,
        satellite=number,
        message=1042,
        toe_gps_us=toe_gps_us,
        toc_gps_us=toe_gps_us + after_s * SECOND_US,
        issue=first >> 6 & 0x1F,
        clock_issue=first >> 1 & 0x1F,
        clock_s=clock_s,
        clock_rate=rate,
        clock_acceleration=acceleration,
        **_orbit(sent[8:23]),
        group_delay_s=(tgd_s[0], tgd_s[1]),
        health=first & 1,
        accuracy=second & 0x0F,
    )


def _vectors(sent: tuple[float, ...]) -> dict[str, Any]:
    """Return a state in metres that is sent in km, coordinate after coordinate."""
    names = ("position_m", "velocity_m_s", "acceleration_m_s2")
    return {name: (sent[i] * 1e3, sent[3 + i] * 1e3, sent[6 + i] * 1e3) for i, name in enumerate(names)}


def _glonass(sent: tuple[Any, ...], near_us: int) -> GlonassEphemeris:
    number, _, toe_s, clock_s, rate, sent_s = sent[:6]
    health, channel, age, _, _, delta_tau_s = sent[15:]
    near_moscow_us = near_us + MOSCOW_US
    toe_us = nearest_us(toe_s % 86_400 * SECOND_US, near_moscow_us, DAY_US)
    sent_us = nearest_us(sent_s % 86_400 * SECOND_US, toe_us, DAY_US)
    return GlonassEphemeris(
        system=System.GLONASS,
        satellite=number + 1,
        channel=channel if -7 <= channel <= 13 else UNKNOWN_CHANNEL,
        toe_gps_us=int(utc_to_gps(toe_us - MOSCOW_US)),
        sent_gps_us=int(utc_to_gps(sent_us - MOSCOW_US)),
        clock_s=clock_s,
        clock_rate=rate,
        **_vectors(sent[6:15]),
        health=health & 1,
        age_days=age & 0x1F,
        delta_tau_s=delta_tau_s,
    )


def _sbas(sent: tuple[Any, ...], near_us: int) -> GlonassEphemeris:
    del near_us
    number, week, second, clock_s = sent[:4]
    _, accuracy, issue = sent[15:]
    toe_gps_us = _gps_us(week, second) // _SBAS_STEP_US * _SBAS_STEP_US
    return GlonassEphemeris(
        system=System.SBAS,
        satellite=satellite_of(System.SBAS, number),
        channel=UNKNOWN_CHANNEL,
        toe_gps_us=toe_gps_us,
        sent_gps_us=toe_gps_us,
        clock_s=clock_s,
        clock_rate=0.0,
        **_vectors(sent[6:15]),
        health=int(accuracy & 0x0F == _DO_NOT_USE),
        age_days=0,
        flags=(accuracy & 0x0F) << 8 | issue,
    )


_Reader = Callable[[tuple[Any, ...], int], Ephemeris]
_SUBRECORDS: dict[int, tuple[struct.Struct, _Reader]] = {
    0x01: (_GPS, _gps),
    0x02: (_GLONASS, _glonass),
    0x03: (_SBAS, _sbas),
    0x04: (_GALILEO, _galileo),
    0x05: (_BEIDOU, _beidou),
    0x06: (_GPS, _qzss),
}
