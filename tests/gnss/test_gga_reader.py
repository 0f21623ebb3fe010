"""Rovers' positions: against pynmeagps, in any cut, and through whatever else a rover sends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynmeagps import NMEAMessage, NMEAReader

from gnss.ntrip import GgaReader, format_gga, parse_gga
from gnss.ntrip.gga_reader import MOST_BODY_BYTES

SENTENCE = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
angles = st.floats(-1, 1, allow_nan=False)
positions = st.tuples(angles, angles, st.floats(-400, 9000))


def checked(body: bytes) -> bytes:
    checksum = 0
    for byte in body:
        checksum ^= byte
    return b"$%b*%02X\r\n" % (body, checksum)


def counts(reader: GgaReader) -> tuple[int, ...]:
    return reader.sentences, reader.bad, reader.others, reader.garbage_bytes


@given(positions, st.integers(0, 4_000_000_000_000_000), st.sampled_from(["GP", "GN", "GL", "BD", "QZ"]))
def test_positions_are_those_of_pynmeagps(place, now_us, talker):
    longitude, latitude, height_m = 180 * place[0], 90 * place[1], place[2]
    body = format_gga(now_us, latitude, longitude, height_m)[1:].split(b"*")[0]
    sentence = checked(talker.encode() + body[2:])
    oracle = NMEAReader.parse(sentence)
    assert isinstance(oracle, NMEAMessage)
    found = GgaReader().feed(sentence)
    assert found == parse_gga(sentence.decode())
    assert found.latitude == pytest.approx(oracle.lat, abs=1e-8)
    assert found.longitude == pytest.approx(oracle.lon, abs=1e-8)
    assert found.height_m == pytest.approx(oracle.alt + oracle.sep, abs=1e-6)
    assert found.quality == oracle.quality == 1
    assert found.latitude == pytest.approx(latitude, abs=1e-7)


@given(
    st.sampled_from([1, 2, 4, 5, 9]),
    st.one_of(st.none(), st.decimals(0, 99_999, places=1, allow_nan=False)),
)
def test_quality_and_age_of_corrections_are_those_of_pynmeagps(quality, age_s):
    text = "" if age_s is None else str(age_s)
    body = b"GNGGA,123519,4807.038,N,01131.000,E,%d,08,0.9,545.4,M,46.9,M,%b,0123" % (quality, text.encode())
    oracle = NMEAReader.parse(checked(body))
    assert isinstance(oracle, NMEAMessage)
    reader = GgaReader()
    found = reader.feed(checked(body))
    assert (found.quality, found.age_s) == (oracle.quality, None if age_s is None else oracle.diffAge)
    assert (reader.positions, reader.fixed, reader.floating) == (1, quality == 4, quality == 5)
    assert reader.quality == quality
    reader.feed(checked(b"GNGGA,123520,,,,,0,00,,,M,,M,,"))
    assert (reader.positions, reader.quality, reader.sentences) == (1, 0, 2)


def test_a_quality_or_an_age_beyond_all_sense_is_not_taken():
    begin = b"GPGGA,123519,4807.038,N,01131.000,E,"
    reader = GgaReader()
    assert reader.feed(checked(begin + b"9" * 60 + b",08,0.9,545.4,M,46.9,M,,")) is None
    assert reader.bad == 1
    for age in (b"9" * 30, b"-1", b"1e5", b"nan"):
        assert reader.feed(checked(begin + b"4,08,0.9,545.4,M,46.9,M," + age + b",")).age_s is None


def test_the_height_is_above_the_ellipsoid():
    found = parse_gga(SENTENCE.decode())
    assert found.height_m == pytest.approx(592.3)
    assert parse_gga("$GPGGA,123519,4807.038,N,01131.000,E,4,08,0.9").height_m is None


@pytest.mark.parametrize(
    ("body", "is_understood"),
    [
        (b"GPGGA,123519,4807.038,N,01131.000,E,0,08,0.9,545.4,M,46.9,M,,", True),  # no fix
        (b"GPGGA,,,,,,0,00,,,M,,M,,", True),
        (b"GPGGA,,,,,,,,,,,,,,", True),
        (b"GPGGA,123519,4807.038,N,01131.000", False),
        (b"GPGGA,123519,4860.000,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,9000.001,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,4807.038,X,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,4807.038,NS,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,4807.038,,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,nan,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,4807.038,N,1e400,E,1,08,0.9,545.4,M,46.9,M,,", False),
        (b"GPGGA,123519,4807.038,N,01131.000,E,x,08,0.9,545.4,M,46.9,M,,", False),
    ],
)
def test_a_sentence_without_a_usable_position_gives_none(body, is_understood):
    reader = GgaReader()
    assert reader.feed(checked(body)) is None
    assert counts(reader) == (int(is_understood), int(not is_understood), 0, 0)
    if is_understood:
        assert parse_gga(checked(body).decode()) is None
    else:
        with pytest.raises(ValueError, match=r"\w"):
            parse_gga(checked(body).decode())


def test_the_checksum_counts_where_there_is_one():
    reader = GgaReader()
    assert reader.feed(SENTENCE.replace(b"*47", b"*48")) is None
    assert reader.feed(SENTENCE.replace(b"*47", b"")) is not None
    assert reader.feed(SENTENCE.replace(b"*47", b"*zz")) is None
    assert counts(reader)[:3] == (1, 1, 0)
    with pytest.raises(ValueError, match="checksum"):
        parse_gga(SENTENCE.replace(b"*47", b"*48").decode())
    with pytest.raises(ValueError, match="no GGA"):
        parse_gga("$GPRMC,1")


def test_a_sentence_that_never_ends_is_garbage_and_is_not_kept():
    reader = GgaReader()
    for _ in range(1000):
        assert reader.feed(b"$GPGGA," + b"9" * 1000) is None
    assert len(reader._rest) <= MOST_BODY_BYTES + 3
    assert reader.garbage_bytes == 1_007_000
    assert reader.feed(b"\n" + SENTENCE) is not None


def test_a_sentence_with_its_checksum_needs_no_end_of_line():
    assert GgaReader().feed(SENTENCE.rstrip()) is not None
    assert GgaReader().feed(SENTENCE.rstrip()[:-3]) is None


pieces = st.one_of(
    st.just(SENTENCE),
    st.just(b"$GNRMC,1,2*33\r\n"),
    st.just(SENTENCE[:-5] + b"\n"),
    st.just(SENTENCE[:30]),
    st.just(b"$" + b"x" * (MOST_BODY_BYTES + 1)),
    st.just(b"$" + b"y" * MOST_BODY_BYTES),
    st.text("$*,\r\n0AGP", max_size=12).map(str.encode),
    st.binary(max_size=20),
)


@given(st.lists(pieces, max_size=12).map(b"".join), st.lists(st.integers(1, 40), max_size=60))
def test_any_cut_gives_the_same(stream, cuts):
    whole, cut = GgaReader(), GgaReader()
    last = whole.feed(stream)
    seen, at = None, 0
    for size in [*cuts, len(stream)]:
        seen = cut.feed(stream[at : at + size]) or seen
        at += size
    assert seen == last
    assert counts(cut) == counts(whole)
    assert cut._rest == whole._rest


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_every_byte_is_in_a_sentence_or_counted(stream):
    reader = GgaReader()
    reader.feed(stream)
    printed = len(re.sub(rb"[\r\n]", b"", stream)) - len(re.sub(rb"[\r\n]", b"", reader._rest))
    whole = re.findall(rb"\$[^$*\r\n]{1,150}(?:\*[0-9A-Fa-f]{2}|(?=[$\r\n]))", stream)
    assert reader.sentences + reader.bad + reader.others == len(whole)
    assert reader.garbage_bytes == printed - sum(map(len, whole))
