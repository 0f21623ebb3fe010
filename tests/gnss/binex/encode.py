"""Records of BINEX as a station would send them: a second writer for what `gnss.binex` reads."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gnss.binex.framing import build_record
from gnss.binex.signals import SYSTEMS
from gnss.ephemeris import GlonassEphemeris, KeplerEphemeris
from gnss.rtcm.ephemeris_fields import ICD_PI
from gnss.systems import System
from gnss.time import GPS_EPOCH_US, gps_to_utc

MINUTE_US = 60_000_000
S = 1_000_000
WEEK_S = 604_800


@dataclass(frozen=True)
class Signal:
    """One observation; a phase and a range must be near each other."""

    code: int
    range_mm: int
    phase_off_m: float
    """Phase range less range."""
    cn0_tenths: int
    doppler_hz: float | None = None
    slip: bool = False
    slip_count: int | None = None


@dataclass(frozen=True)
class Satellite:
    system: System
    number: int
    signals: Sequence[Signal]
    channel: int | None = None


def epoch_record(
    time_gps_us: int, satellites: Sequence[Satellite], *, is_big: bool = True, clock: bool = False
) -> bytes:
    """Return a record 0x7F-05."""
    minutes, rest_us = divmod(time_gps_us - GPS_EPOCH_US, MINUTE_US)
    body = b"\x05" + _number(minutes, 4, is_big) + _number(rest_us // 1000, 2, is_big)
    body += bytes((len(satellites) - 1 | (0xC0 if clock else 0),))
    if clock:
        body += (
            _number(123_456, 3, is_big) + b"\x21" + _number(77 << 8 | 1, 4, is_big) + _number(5, 4, is_big)
        )
    for satellite in satellites:
        kind = len(satellite.signals) << 4 | SYSTEMS.index(satellite.system)
        body += bytes((satellite.number, kind))
        first_mm = satellite.signals[0].range_mm
        for i, signal in enumerate(satellite.signals):
            body += _signal(signal, first_mm, i == 0, satellite.channel, is_big)
    return build_record(0x7F, body, is_big=is_big)


def _signal(signal: Signal, first_mm: int, is_first: bool, channel: int | None, is_big: bool) -> bytes:
    off_mm = signal.range_mm - first_mm
    is_long = not -(1 << 15) <= off_mm < 1 << 15 or abs(signal.phase_off_m) >= 41.9
    most_m = 167.7 if is_long else 41.9
    is_coarse = abs(signal.phase_off_m) >= most_m
    flags = 0x40 * is_long | 0x20 * is_coarse | 0x04 * (signal.doppler_hz is not None)
    if signal.slip_count is not None:
        flags |= 0x18 if signal.slip_count > 0xFF else 0x08
    many = ([flags] if flags else []) + ([] if channel is None else [(channel & 0x0F) << 2 | 2])
    out = bytes((0x80 * bool(many) | 0x20 * signal.slip | signal.code,))
    out += bytes(flag | (0x80 if i < len(many) - 1 else 0) for i, flag in enumerate(many))
    snr, part = divmod(signal.cn0_tenths, 4)
    if part > 1:
        snr, part = snr + 1, part - 4
    out += bytes((snr,))
    part &= 3
    if is_first:
        steps, rest_mm = divmod(signal.range_mm, 64)
        out += _number(part << 38 | steps << 6 | rest_mm, 5, is_big)
    elif is_long:
        out += _number(part << 22 | off_mm & 0xFFFFF, 3, is_big)
    else:
        out += _number(off_mm & 0xFFFF, 2, is_big)
    phase = round(signal.phase_off_m / (0.0001 if is_coarse else 0.00002))
    if is_long:
        out += _number(phase & 0xFFFFFF, 3, is_big)
    else:
        out += _number((0 if is_first else part) << 22 | phase & 0x3FFFFF, 3, is_big)
    if signal.doppler_hz is not None:
        out += _number(round(signal.doppler_hz * 256) & 0xFFFFFF, 3, is_big)
    if signal.slip_count is not None:
        out += _number(signal.slip_count, 2 if signal.slip_count > 0xFF else 1, is_big)
    return out


def _number(value: int, n: int, is_big: bool) -> bytes:
    return value.to_bytes(n, "big" if is_big else "little")


def kepler_record(e: KeplerEphemeris, *, is_big: bool = True) -> bytes:
    """Return a record 0x01 of GPS, QZSS, Galileo or BeiDou."""
    orbit = (
        e.mean_motion_difference / ICD_PI, e.mean_anomaly, e.eccentricity, e.sqrt_axis, e.cic, e.crc_m,
        e.cis, e.crs_m, e.cuc, e.cus, e.node, e.perigee, e.inclination, e.node_rate / ICD_PI,
        e.inclination_rate / ICD_PI,
    )  # fmt: skip
    layout = "fdddffffffdddff"
    behind_s = 14 if e.system is System.BEIDOU else 0
    week, toe_s = divmod((e.toe_gps_us - GPS_EPOCH_US) // S - behind_s, WEEK_S)
    clock = (e.clock_acceleration, e.clock_rate, e.clock_s)
    order = ">" if is_big else "<"
    if e.system is System.BEIDOU:
        tgd = [round(value * 1e10) & 0x3FF for value in e.group_delay_s]
        first = 1 << 11 | e.issue << 6 | e.clock_issue << 1 | e.health
        second = e.accuracy | tgd[0] << 4 | tgd[1] << 14 | 1 << 25
        body = struct.pack(
            f"{order}BBHiiifff{layout}HI",
            5, e.satellite, week - 1356, toe_s, toe_s, toe_s, *clock, *orbit, first, second,
        )  # fmt: skip
    elif e.system is System.GALILEO:
        health = (e.health & 7) | (e.health >> 3 & 7) << 6
        body = struct.pack(
            f"{order}BBHiiffifff{layout}fHH",
            4, e.satellite - 1, week, toe_s, toe_s, *e.group_delay_s, e.issue, *clock, *orbit,
            sisa_m(e.accuracy), health, 1 << 9 | 5,
        )  # fmt: skip
    else:
        is_qzss = e.system is System.QZSS
        ura_m = (2.0, 2.8, 4.0, 5.7, 8.0, 11.3, *(2.0 ** (n - 2) for n in range(6, 15)))[e.accuracy]
        flags = (
            e.flags & 1
            if is_qzss
            else (e.flags >> 2) << 9 | (e.flags >> 1 & 1) << 8 | (6 if e.flags & 1 else 4)
        )
        body = struct.pack(
            f"{order}BBHiififffi{layout}fHH",
            6 if is_qzss else 1, e.satellite + 192 if is_qzss else e.satellite - 1, week, toe_s, toe_s,
            e.group_delay_s[0], e.clock_issue, *clock, e.issue, *orbit, ura_m * 10, e.health, flags,
        )  # fmt: skip
    return build_record(0x01, body, is_big=is_big)


def sisa_m(index: int) -> float:
    if index < 50:
        return index * 0.01
    if index < 75:
        return 0.5 + (index - 50) * 0.02
    return 1.0 + (index - 75) * 0.04 if index < 100 else 2.0 + (index - 100) * 0.16


def glonass_record(e: GlonassEphemeris, *, is_big: bool = True) -> bytes:
    """Return a record 0x01-02."""
    toe_s, sent_s = ((int(gps_to_utc(t)) // S + 10_800) % 86_400 for t in (e.toe_gps_us, e.sent_gps_us))
    vectors = (e.position_m, e.velocity_m_s, e.acceleration_m_s2)
    state = [vector[i] / 1e3 for i in range(3) for vector in vectors]
    body = struct.pack(
        f"{'>' if is_big else '<'}BBHIddI9dBbBBdd",
        2, e.satellite - 1, 0, toe_s, e.clock_s, e.clock_rate, sent_s, *state, e.health, e.channel,
        e.age_days, 18, 0.0, e.delta_tau_s,
    )  # fmt: skip
    return build_record(0x01, body, is_big=is_big)


def site_record(fields: Sequence[tuple[int, bytes]], *, is_big: bool = True) -> bytes:
    """Return a record 0x00 of texts; content of other fields is given whole."""
    body = _number(20_000_000, 4, is_big) + b"\x00\x00"
    for number, content in fields:
        body += bytes((number,)) + content
    return build_record(0x00, body, is_big=is_big)


def counted(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("latin-1")
