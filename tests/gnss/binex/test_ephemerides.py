"""Ephemerides in BINEX: of a station, and those of recordings told again, also as convbin reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gnss.binex.ephemerides import ephemeris_of
from gnss.binex.framing import BinexFramer, Record, build_record
from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris, is_orbit
from gnss.rinex.navigation import read_navigation
from gnss.rtcm.ephemeris import decode_ephemeris, encode_ephemeris
from gnss.systems import System
from gnss.time import GPS_EPOCH_US
from tests.gnss.binex.encode import glonass_record, kepler_record
from tests.gnss.rtcm.ephemeris_samples import captures, messages
from tests.gnss.to_rtcm.convbin import convbin

OF_A_STATION = (
    "e2018100011d07f60003d8720003f480318000000000002000000000acdc0000b838c3000000002030d55c00bff8964c656eda41"
    "3f6d97d5d000000040b421a239400000322000004344f800b3180000427860003649a000371660004002a82c0b2a180cc00823b8"
    "97bdf9993fee2355ce2e1170b131a400adac000041a00000000002047d49",
    "e2018100011107f60003e5740003f480b1d0000000000068000000002c84000037ae23000000006830c9a400bff21bb8d2f307e2"
    "3f8ebeca0800000040b421be8a800000b3c000004353300034b40000c264a000b63fa000370ef800bfecde8f8b2586863ff5f8f4"
    "f06d388e3fee7cb1dfad10dfb1344600aa80000041a000000000020472d8",
)
"""GPS in a stream of Trimble's (UNAVCO, station MFLE), as an open decoder's tests have them."""
S = 1_000_000


def record_of(stream: bytes) -> Record:
    (record,) = BinexFramer().feed(stream).records
    return record


def record_from(e: Ephemeris, *, is_big: bool = True) -> bytes:
    if isinstance(e, GlonassEphemeris):
        return glonass_record(e, is_big=is_big)
    return kepler_record(e, is_big=is_big)


@pytest.mark.parametrize(("index", "satellite", "issue"), [(0, 30, 32), (1, 18, 104)])
def test_records_of_a_station_are_orbits_that_1019_says_exactly(index, satellite, issue) -> None:
    e = ephemeris_of(record_of(bytes.fromhex(OF_A_STATION[index])), 0)
    assert isinstance(e, KeplerEphemeris)
    assert is_orbit(e)
    assert (e.system, e.satellite, e.issue, e.clock_issue) == (System.GPS, satellite, issue, issue)
    assert (e.health, e.accuracy, e.flags) == (0, 0, 1 << 2)
    assert e.toe_gps_us == e.toc_gps_us == GPS_EPOCH_US + (2038 * 604_800 + 259_200) * S
    # the satellite has sent steps, and the record has them: a wrong scale would lie between two
    again = decode_ephemeris(encode_ephemeris(e), e.toe_gps_us)
    for field in dataclasses.fields(e):
        assert getattr(again, field.name) == pytest.approx(getattr(e, field.name), rel=2e-7), field.name


def told_again(e: Ephemeris) -> Ephemeris:
    """Return what BINEX leaves of an ephemeris."""
    if isinstance(e, GlonassEphemeris):
        return dataclasses.replace(e, flags=0, health=e.health & 1)
    return dataclasses.replace(e, toc_gps_us=e.toe_gps_us)


def samples(root: Path) -> dict[tuple[System, int, int], tuple[Ephemeris, int]]:
    found = {}
    for path in captures(root):
        near_us, payloads = messages(path)
        for payload in payloads:
            e = decode_ephemeris(payload, near_us)
            if e is None or not is_orbit(e) or e.system in {System.SBAS, System.NAVIC}:
                continue
            if isinstance(e, KeplerEphemeris) and (e.message == 1045 or e.accuracy == 15):
                continue
            if isinstance(e, GlonassEphemeris) and abs(e.sent_gps_us - e.toe_gps_us) > 3600 * S:
                continue
            found[e.system, e.satellite, e.toe_gps_us] = e, near_us
    return found


@pytest.mark.parametrize("is_big", [True, False])
def test_those_of_recordings_come_back(data, is_big: bool) -> None:
    seen = set()
    for e, near_us in samples(data / "rtcm3").values():
        back = ephemeris_of(record_of(record_from(e, is_big=is_big)), near_us)
        wanted = told_again(e)
        seen.add(e.system)
        for field in dataclasses.fields(e):
            mine, theirs = getattr(back, field.name), getattr(wanted, field.name)
            assert mine == pytest.approx(theirs, rel=3e-7, abs=1e-25), (e, field.name)
    assert seen == {System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU, System.QZSS}


@pytest.mark.integration
def test_convbin_reads_the_same(data, tmp_path: Path) -> None:
    by_satellite = {key[:2]: value for key, value in sorted(samples(data / "rtcm3").items())}
    compared = set()
    for (system, _), (e, near_us) in by_satellite.items():
        stream = record_from(e)
        minutes = (e.toe_gps_us - GPS_EPOCH_US) // S // 60
        head = bytes((0x05,)) + minutes.to_bytes(4, "big") + bytes(2)
        if isinstance(e, GlonassEphemeris):  # it takes the day from an epoch before
            stream = build_record(0x7F, head + bytes((0, 1, 0x10, 1, 100)) + bytes(8)) + stream
        _, navigation = convbin(tmp_path, "binex", stream)
        if not navigation.exists():
            continue
        theirs = [x for x in read_navigation(navigation.read_bytes()).ephemerides if x.system is system]
        navigation.unlink()
        mine = ephemeris_of(record_of(record_from(e)), near_us)
        for other in theirs:
            compared.add(system)
            assert other.toe_gps_us == mine.toe_gps_us
            for name in ("clock_s", "clock_rate", "health"):
                assert getattr(other, name) == pytest.approx(getattr(mine, name), rel=1e-6), (system, name)
            if isinstance(mine, GlonassEphemeris):
                assert np.allclose(other.position_m, mine.position_m, atol=0.01)
                assert other.channel == mine.channel
                continue
            for name in ("mean_anomaly", "eccentricity", "sqrt_axis", "node_rate", "cuc", "crs_m", "perigee"):
                assert getattr(other, name) == pytest.approx(getattr(mine, name), rel=1e-6), (system, name)
    assert compared >= {System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU}


@pytest.mark.parametrize("cut", [0, 1, 2, 50, 127])
def test_a_record_that_ends_too_early_has_none(cut: int) -> None:
    whole = record_of(bytes.fromhex(OF_A_STATION[0]))
    assert ephemeris_of(Record(1, whole.message[:cut], True), 0) is None
    assert ephemeris_of(Record(2, whole.message, True), 0) is None
