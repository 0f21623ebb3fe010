from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gnss import ntrip

LINE = (
    "STR;ABCD00CHN;Shanghai;RTCM 3.2;1005(10),1077(1),1087(1);2;GPS+GLO;NET1;CHN;31.10;121.20;0;0;"
    "Receiver 1;none;B;N;5600;CORS;more;and more"
)
TABLE = (
    "CAS;caster.example;2101;Caster;Operator;0;CHN;31.00;121.00;0.0.0.0;0;http://caster.example/\r\n"
    "NET;NET1;Operator;B;Y;http://a;http://b;http://c;none\r\n" + LINE + "\r\nENDSOURCETABLE\r\n"
)

TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=["C", "Z"], exclude_characters=";"), max_size=12
)
NAME = TEXT.filter(bool)
DEGREES = st.none() | st.integers(-180_000_000, 180_000_000).map(lambda n: n / 1e6)
NUMBER = st.none() | st.integers(0, 10**9)
MISC = st.lists(TEXT, max_size=3).map(";".join)
STREAMS = st.builds(
    ntrip.StrEntry,
    *(NAME, TEXT, TEXT, TEXT, st.integers(0, 2), TEXT, TEXT, TEXT, DEGREES, DEGREES, st.booleans()),
    *(st.integers(0, 1), TEXT, TEXT, TEXT, st.booleans(), NUMBER, MISC),
)
CASTERS = st.builds(
    ntrip.CasEntry, NAME, NUMBER, TEXT, TEXT, st.booleans(), TEXT, DEGREES, DEGREES, TEXT, NUMBER, MISC
)
NETWORKS = st.builds(ntrip.NetEntry, NAME, TEXT, TEXT, st.booleans(), TEXT, TEXT, TEXT, MISC)


def test_every_field_is_read():
    table = ntrip.parse_sourcetable(TABLE.encode())
    assert table.streams == [
        ntrip.StrEntry(
            mountpoint="ABCD00CHN",
            identifier="Shanghai",
            format="RTCM 3.2",
            format_details="1005(10),1077(1),1087(1)",
            carrier=2,
            nav_system="GPS+GLO",
            network="NET1",
            country="CHN",
            latitude=31.1,
            longitude=121.2,
            nmea=False,
            solution=0,
            generator="Receiver 1",
            compression="none",
            authentication="B",
            fee=False,
            bitrate=5600,
            misc="CORS;more;and more",
        )
    ]
    assert table.casters[0].port == 2101
    assert table.casters[0].misc == "http://caster.example/"
    assert table.networks[0].fee
    assert table.networks[0].web_registration == "http://c"
    assert table.complete
    assert ntrip.format_entry(table.streams[0]) == LINE
    assert ntrip.format_sourcetable(table).decode() == TABLE


def test_a_line_of_a_stream_has_19_fields():
    assert len(ntrip.format_entry(ntrip.StrEntry("A")).split(";")) == 19


def test_odd_tables_are_read_as_far_as_they_go():
    table = ntrip.parse_sourcetable(
        b"STR;A\nSTR;B;M\xfcnchen;;;many;;;;north;nan;1;\r\nXYZ;1\r\nstr;no\r\nSTR\r\nSTR;\r\nNET"
    )
    assert [s.mountpoint for s in table.streams] == ["A", "B", "", ""]
    assert table.streams[0] == ntrip.StrEntry("A")
    second = table.streams[1]
    assert (second.identifier, second.carrier, second.latitude, second.longitude) == (
        "München",
        0,
        None,
        None,
    )
    assert second.nmea
    assert not table.complete


def test_a_text_cannot_add_fields_or_lines():
    entry = ntrip.StrEntry("A;B", identifier="x\r\nENDSOURCETABLE", misc="a;b\nSTR;C")
    table = ntrip.parse_sourcetable(ntrip.format_sourcetable(ntrip.Sourcetable([entry])))
    (read,) = table.streams
    assert read.mountpoint == "A,B"
    assert read.misc == "a;b STR;C"


@given(st.lists(STREAMS, max_size=3), st.lists(CASTERS, max_size=2), st.lists(NETWORKS, max_size=2))
def test_a_table_is_read_back(streams, casters, networks):
    table = ntrip.Sourcetable(streams, casters, networks)
    assert ntrip.parse_sourcetable(ntrip.format_sourcetable(table)) == table


FRAGMENTS = st.sampled_from(
    [b"STR;", b"CAS;", b"NET;", b"\r\n", b";", b"1e999", b"-5", b"1e400", b"inf", b"\xff"]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=12), max_size=60))
def test_no_table_is_an_error_and_writing_settles(parts):
    once = ntrip.format_sourcetable(ntrip.parse_sourcetable(b"".join(parts)))
    assert ntrip.format_sourcetable(ntrip.parse_sourcetable(once)) == once
