"""NMEA between other bytes, and what sentences say."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynmeagps import NMEAReader

from gnss.nmea import MAX_SENTENCE_BYTES, Gga, Gsa, Gsv, NmeaSplitter, Rmc, Zda, parse_sentence
from gnss.ntrip.gga import format_gga
from gnss.systems import System

S = 1_000_000


def sentence(text: str) -> bytes:
    return f"${text}*{reduce(xor, text.encode()):02X}".encode()


GGA = sentence("GNGGA,123519.50,4807.038,N,01131.000,W,4,08,0.9,545.4,M,46.9,M,1.2,0120")


def feed(payload: bytes, sizes: list[int] | None = None) -> tuple[list[bytes], tuple[int, int, int]]:
    splitter = NmeaSplitter()
    found, at = [], 0
    for size in sizes or []:
        found += splitter.feed(payload[at : at + size])
        at += size
    found += splitter.feed(payload[at:])
    return found, (splitter.sentences, splitter.bad_checksums, splitter.foreign_bytes)


def test_recording(data) -> None:
    content = (data / "nmea/ublox-zed-f9p-nmea.log").read_bytes()
    found, (sentences, bad, foreign) = feed(content)
    lines = [line for line in content.replace(b"\r", b"").split(b"\n") if line.startswith(b"$")]
    assert found == lines
    assert (sentences, bad) == (1015, 0)
    assert foreign == sum(len(line) for line in content.replace(b"\r", b"").split(b"\n") if line[:1] == b"#")
    said = [parse_sentence(one) for one in found]
    assert Counter(type(one).__name__ for one in said) == {
        "Gsv": 696,
        "Gsa": 116,
        "Rmc": 29,
        "Gga": 29,
        "Zda": 29,
        "NoneType": 116,
    }
    begin_us = int(datetime(2019, 4, 12, 0, 39, 56, tzinfo=UTC).timestamp()) * S
    assert [one.time_us for one in said if isinstance(one, Zda)] == [begin_us + i * S for i in range(29)]
    assert [one.time_us for one in said if isinstance(one, Rmc)] == [begin_us + i * S for i in range(29)]
    fixes = [one for one in said if isinstance(one, Gga)]
    assert [one.time_of_day_us for one in fixes] == [(39 * 60 + 56 + i) * S for i in range(29)]
    for one in fixes:
        # the header of the recording: 45.877591500S 170.500124833E
        assert one.latitude == pytest.approx(-45.877591500, abs=1e-4)
        assert one.longitude == pytest.approx(170.500124833, abs=1e-4)
        assert one.quality == 1
        assert one.height_m == pytest.approx(16.0, abs=1.5)


def test_counts_equal_a_count_of_fields(data) -> None:
    found, _ = feed((data / "nmea/ublox-zed-f9p-nmea.log").read_bytes())
    for one in found:
        said = parse_sentence(one)
        fields = one.split(b"*")[0].split(b",")
        if isinstance(said, Gsv):
            groups = [fields[at : at + 4] for at in range(4, len(fields) - 1, 4)]
            assert (said.sentences, said.sentence, said.in_view) == tuple(map(int, fields[1:4]))
            assert said.shown == len(groups)
            assert said.tracked == sum(1 for group in groups if group[3])
            assert said.system is not None
            assert said.system.letter == {b"P": "G", b"L": "R", b"A": "E", b"B": "C"}[one[2:3]]
        elif isinstance(said, Gsa):
            assert said.used == sum(1 for field in fields[3:15] if field)
            assert (said.fix, said.pdop) == (3, float(fields[15]))
            assert said.system is not None
            assert said.system.letter == "GREC"[int(fields[18]) - 1]


def test_fields_of_gga() -> None:
    said = parse_sentence(GGA)
    assert said == Gga(
        time_of_day_us=(12 * 3600 + 35 * 60 + 19) * S + 500_000,
        latitude=48.1173,
        longitude=pytest.approx(-11.516666667),
        quality=4,
        satellites=8,
        hdop=0.9,
        altitude_m=545.4,
        geoid_m=46.9,
        age_s=1.2,
        station=120,
    )
    assert said.height_m == pytest.approx(592.3)


def test_empty_fields_are_none() -> None:
    said = parse_sentence(sentence("GPGGA,,,,,,0,,,,,,,,"))
    assert said == Gga(None, None, None, 0, None, None, None, None, None, None)
    assert said.height_m is None
    assert parse_sentence(sentence("GNRMC,,V,,,,,,,,,,N")) == Rmc(None, False, None, None, None)
    assert parse_sentence(sentence("GNZDA,,,,,,")) == Zda(None)
    assert parse_sentence(sentence("GPGSV,1,1,00")) == Gsv(System.GPS, "", 1, 1, 0, 0, 0)


def test_speed_is_in_m_s() -> None:
    said = parse_sentence(sentence("GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W"))
    assert isinstance(said, Rmc)
    assert said.speed_m_s == pytest.approx(173.8 * 1852 / 3600)
    assert said.time_us == int(datetime(1994, 6, 13, 22, 5, 16, tzinfo=UTC).timestamp()) * S


@given(
    now_us=st.integers(0, 4 * 10**15),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    height_m=st.floats(-500, 9000),
)
def test_what_a_client_sends_is_understood(now_us, latitude, longitude, height_m) -> None:
    (found,), counts = feed(format_gga(now_us, latitude, longitude, height_m))
    said = parse_sentence(found)
    assert counts == (1, 0, 0)
    assert isinstance(said, Gga)
    assert said.time_of_day_us == now_us % (86_400 * S) // 10_000 * 10_000
    assert said.latitude == pytest.approx(latitude, abs=1e-8)
    assert said.longitude == pytest.approx(longitude, abs=1e-8)
    assert said.height_m == pytest.approx(height_m, abs=6e-4)


@pytest.mark.parametrize(
    ("payload", "counts"),
    [
        (b"\xd3\x00\x13" + b"$" * 5 + b"\xff\x00" + GGA + b"\r\n", (1, 0, 10)),
        (GGA[:-1] + b"0\r\n", (0, 1, 0)),
        (GGA[:-3] + b"\r\n", (0, 1, 0)),
        (GGA[:30] + GGA + b"\r\n", (1, 0, 30)),
        (GGA[:30] + b"\r\n" + GGA + b"\n", (1, 1, 0)),
        (GGA, (0, 0, 0)),
        (b"$" + b"A" * 1000 + b"\r\n" + GGA + b"\n", (1, 0, 1001)),
        (b"$3.50 a month\r\n", (0, 0, 13)),
        (b"$" * 1000, (0, 0, 999)),
        (b"!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\r\n", (0, 0, 47)),
    ],
)
def test_foreign_bytes_and_bad_checksums_are_counted(payload: bytes, counts: tuple[int, int, int]) -> None:
    found, counted = feed(payload)
    assert counted == counts
    assert found == [GGA] * counts[0]


PIECES = st.sampled_from(
    [GGA + b"\r\n", GGA + b"\n", GGA[:20], GGA[20:], b"$", b"\r\n", b"$GPGGA,", b"\xd3\x00", b"*00\r\n"]
)


@settings(deadline=None)
@given(
    parts=st.lists(
        PIECES | st.binary(max_size=30) | st.text("$GPA,*0", max_size=300).map(str.encode), max_size=12
    ),
    sizes=st.lists(st.integers(0, 40), max_size=30),
)
def test_the_cut_does_not_matter_and_no_byte_is_lost(parts: list[bytes], sizes: list[int]) -> None:
    payload = b"".join(parts)
    whole, counts = feed(payload)
    assert feed(payload, sizes) == (whole, counts)
    independent = re.findall(
        rb"\$[A-Z][A-Z0-9]{2,9},[^\$\x00-\x1f\x7f-\xff]*\*[0-9A-Fa-f]{2}(?=[\r\n])", payload
    )
    right = [s for s in independent if reduce(xor, s[1:-3]) == int(s[-2:], 16)]
    assert whole == [s for s in right if len(s) < MAX_SENTENCE_BYTES]
    printable = len(payload) - payload.count(b"\r") - payload.count(b"\n")
    assert counts[2] + sum(map(len, whole)) <= printable


def test_what_is_kept_is_bounded() -> None:
    splitter = NmeaSplitter()
    for _ in range(100):
        splitter.feed(b"$GPGGA," + b"A" * 1000)
        assert len(splitter._tail) < MAX_SENTENCE_BYTES


KINDS = st.sampled_from(["GGA", "RMC", "ZDA", "GSA", "GSV"])
FIELDS = st.lists(
    st.text("0123456789.-NSEWAVM", max_size=12)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
    max_size=25,
)


@settings(deadline=None, max_examples=300)
@given(talker=st.sampled_from(["GP", "GN", "GL", "XX"]), kind=KINDS, fields=FIELDS)
def test_no_content_raises(talker: str, kind: str, fields: list[str]) -> None:
    text = ",".join([talker + kind, *fields]).replace("$", "").replace("*", "")
    said = parse_sentence(sentence(text))
    if isinstance(said, Gga | Rmc) and said.latitude is not None:
        assert abs(said.latitude) <= 90.0
    if isinstance(said, Gsv):
        assert said.tracked <= said.shown <= 4


def test_other_kinds_are_not_read() -> None:
    other = sentence("GNVTG,,T,,M,0.025,N,0.045,K,A")
    assert NMEAReader.parse(other + b"\r\n") is not None
    assert parse_sentence(other) is None
    assert parse_sentence(b"$GP") is None
