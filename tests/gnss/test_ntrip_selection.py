"""Choosing streams of a sourcetable, as a person does and as a client of NTRIP 2 does."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.ntrip import Sourcetable, StrEntry, parse_sourcetable
from gnss.ntrip.selection import Selection, distance_km, place_of, systems_of, unknown_systems
from gnss.ntrip.table_filter import filtered
from tests.gnss.test_ntrip_sourcetable import CASTERS, NETWORKS, STREAMS

TABLE = parse_sourcetable(
    b"CAS;a.example;2101;First;BKG;0;DEU;50.1;8.7;;;\r\nNET;EUREF;BKG;B;N;;;;\r\n"
    b"STR;FFMJ00DEU;Frank;RTCM 3.2;1077(1);2;GPS+GLO+GAL;EUREF;DEU;50.09;8.66;0;0;JAV;none;B;N;9600;\r\n"
    b"STR;WUH200CHN;Wuhan;RTCM 3.3;1077(1),1127(1);2;GPS+BDS;IGS;CHN;30.53;114.36;0;0;J;none;B;N;5600;\r\n"
    b"STR;CHTI00NZL;Chatham;RTCM 3.2;1077(1);2;GPS+GLONASS+BeiDou;LINZ;NZL;-43.73;183.38;1;1;;none;B;Y;;\r\n"
    b"STR;OLD;Nowhere;RTCM 2.3;1(1);0;GPS;;;0.00;0.00;0;0;;none;N;N;500;\r\n"
    b"STR;;no name;RTCM 3;;;;;;\r\nxyz\r\n\r\nENDSOURCETABLE\r\n"
)
NAMES = {"F": "FFMJ00DEU", "W": "WUH200CHN", "C": "CHTI00NZL", "O": "OLD"}


def names(streams: list[StrEntry]) -> str:
    return "".join(key for one in streams for key, name in NAMES.items() if one.mountpoint == name)


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(), "FWCO"),
        (Selection(systems=frozenset({"BDS"})), "WC"),
        (Selection(systems=frozenset({"GPS", "GLO"})), "FC"),
        (Selection(format="RTCM3"), "FWC"),
        (Selection(format="rtcm 3.3"), "W"),
        (Selection(countries=frozenset({"DEU", "NZL"})), "FC"),
        (Selection(box=(0, 40, 20, 60)), "F"),
        (Selection(box=(170, -60, -170, 0)), "C"),
        (Selection(near=(50.0, 9.0)), "FWC"),
        (Selection(near=(-40.0, 179.0)), "CWF"),
        (Selection(near=(50.0, 9.0), radius_km=100), "F"),
        (Selection(near=(50.0, 9.0), radius_km=20), ""),
        (Selection(pattern="frank"), "F"),
        (Selection(pattern="*00chn"), "W"),
        (Selection(pattern="w?h*"), "W"),
        (Selection(pattern="igs"), "W"),
    ],
)
def test_streams_are_chosen(selection, found):
    assert names(selection.select(TABLE.streams)) == found


def test_systems_have_many_names():
    assert systems_of("GPS+GLONASS+Galileo+BeiDou+QZSS") == {"GPS", "GLO", "GAL", "BDS", "QZS"}
    assert systems_of("GPS/COMPASS NavIC") == {"GPS", "BDS", "IRN"}
    assert unknown_systems("GPS+XYZ,gal") == ["XYZ"]


def test_places_are_told_in_two_ways_or_not_at_all():
    assert [place_of(one) for one in TABLE.streams] == [
        (50.09, 8.66),
        (30.53, 114.36),
        (-43.73, pytest.approx(-176.62)),
        None,
        None,
    ]
    assert place_of(StrEntry("A", latitude=91.0, longitude=1.0)) is None


def test_distances_on_a_sphere():
    quarter = math.pi / 2 * 6371.0
    assert distance_km(0, 0, 0, 90) == pytest.approx(quarter)
    assert distance_km(90, 17, 0, 200) == pytest.approx(quarter)
    assert distance_km(10, 179.9, 10, -179.9) == pytest.approx(21.9, abs=0.1)
    assert distance_km(50, 8, 51, 8) == pytest.approx(111.19, abs=0.01)  # a degree of a great circle
    assert distance_km(0, 0, 0, 180) == pytest.approx(2 * quarter)


def test_lines_that_name_nothing_are_counted():
    assert (TABLE.odd_lines, TABLE.complete) == (2, True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "FWCO"),
        ("STR;", "FWCO"),
        ("str", "FWCO"),
        ("STR;;;;;;;;DEU", "F"),
        ("STR;;;;;;;;deu|chn", "FW"),
        ("STR;;;;;;;;!DEU", "WCO"),
        ("STR;;;RTCM 3*", "FWC"),
        ("STR;;;RTCM%203.2", "FC"),
        ("STR;;;;;;GPS", "FWCO"),
        ("STR;;;;;;GPS+BDS", "W"),
        ("STR;;;;;;*glo*", "FC"),
        ("STR;;;;;;GAL|BDS", "FW"),
        ("STR;;;;1087*|*1127*", "W"),
        ("STR;*00*;;;;2;;;;>40", "F"),
        ("STR;;;;;;;;;>=30.53;<114.5", "FW"),
        ("STR;;;;;;;;;;;1", "C"),
        ("STR;;;;;;;;;;;;;;;;;>5600", "F"),
        ("STR;;;;;;;;;;;;;;;;;=500", "O"),
        ("STR;|", ""),
    ],
)
def test_filters_of_version_2(query, found):
    table = filtered(TABLE, query)
    assert names(table.streams) == found
    assert bool(table.casters) == (not query)


def test_a_filter_of_casters_and_networks():
    assert [one.host for one in filtered(TABLE, "CAS;*.example").casters] == ["a.example"]
    assert filtered(TABLE, "CAS;;=9999") == Sourcetable()
    assert [one.identifier for one in filtered(TABLE, "NET;EUREF").networks] == ["EUREF"]


@pytest.mark.parametrize("query", ["XYZ;1", "auth", ";;;", "STR" + ";" * 20, "STR;" + "a" * 2000, "%"])
def test_what_is_no_filter(query):
    with pytest.raises(ValueError, match="write for instance"):
        filtered(TABLE, query)


CRITERIA = st.lists(
    st.sampled_from(["!", "|", "+", "*", ">", "<=", "5", "a", "GPS", " ", "%", ""]), max_size=6
)


@given(st.lists(STREAMS, max_size=4), st.lists(CASTERS, max_size=2), st.lists(NETWORKS, max_size=2),
       st.sampled_from(["STR", "CAS", "NET"]), st.lists(CRITERIA.map("".join), max_size=8))  # fmt: skip
def test_a_filter_gives_a_part_of_the_table_in_its_order(streams, casters, networks, kind, criteria):
    table = Sourcetable(streams, casters, networks)
    found = filtered(table, ";".join([kind, *criteria]))
    for part, whole in (
        (found.streams, streams), (found.casters, casters), (found.networks, networks),
    ):  # fmt: skip
        rest = iter(whole)
        assert all(one in rest for one in part)


@given(st.text(max_size=60))
def test_no_query_is_another_error(query):
    with contextlib.suppress(ValueError):
        assert filtered(TABLE, query).complete


@given(st.text(max_size=40), st.lists(STREAMS, max_size=4))
def test_no_table_breaks_a_selection(pattern, streams):
    for one in Selection(pattern=pattern, near=(10.0, 20.0)).select(streams):
        assert one in streams
