"""What regions say of their objects: as it is in force, under their own names, as far as it is believed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.model import Datastream, Station, Thing
from streams import codec, describing
from streams.definitions import (
    AccountDefinition,
    DatastreamDefinition,
    Definition,
    StationDefinition,
    ThingDefinition,
)
from streams.describing import Below, InForce, described, entry_of, kind_of
from streams.objects import Base
from streams.records import (
    Change,
    Changes,
    ChangeVerb,
    Commands,
    DatastreamDescription,
    Description,
    Descriptions,
    Gone,
    ObjectKind,
    StationDescription,
    ThingDescription,
)
from streams.regions import UpRules
from streams.sharing import COARSE_HEIGHT_M, Upward
from streams.telling import Telling

STATION = StationDefinition(
    source="ntrip://user:secret@caster:2101/HANG", name="Hangzhou", longitude=120.12345, latitude=30.54321,
    height_m=43.21, antenna="TRM59800.00 SCIS", receiver="TRIMBLE ALLOY", gatherer="east", paused=True,
)  # fmt: skip
GAUGE = ThingDefinition(
    longitude=121.98765, latitude=29.12345, name="Gauge", height_m=3.5, description="Quay"
)
LEVEL = DatastreamDefinition(
    thing="gauge", property="water_level", name="Level", unit="m", tests={"spike": {"limit": 1}},
    detectors={"sea_level": {"red_m": 0.5}},
)  # fmt: skip
BASE: Base = {
    ("station", "HANG"): STATION,
    ("thing", "gauge"): GAUGE,
    ("datastream", "gauge.level"): LEVEL,
    ("account", "rover"): AccountDefinition(password="hidden"),
}
OF_HERE = (("station", "HANG"), ("thing", "gauge"), ("datastream", "gauge.level"))


def thing(identity: str = "zhejiang:gauge", **changes: object) -> ThingDescription:
    made = ThingDescription(id=identity, name="Gauge", longitude=121.0, latitude=29.0)
    return msgspec.structs.replace(made, **changes)


def told(*some: Description) -> Descriptions:
    return Descriptions(descriptions=list(some))


def change(version: int, kind: ObjectKind, name: str, after: Definition | None) -> Changes:
    verb: ChangeVerb = "delete" if after is None else "put"
    values = None if after is None else msgspec.to_builtins(after)
    made = Change(
        kind=kind, id=name, version=version, verb=verb, before=None, after=values, by="Li", at_us=1,
        command_id=str(version),
    )  # fmt: skip
    return Changes(changes=[made])


def test_what_is_described_has_no_source_no_password_and_no_limits():
    known = InForce(BASE, ())
    assert sorted(known) == sorted(OF_HERE)
    text = b"".join(codec.encode(told(known.get(key))) for key in OF_HERE)
    for hidden in (b"secret", b"caster", b"hidden", b"red_m", b"spike", b"east"):
        assert hidden not in text
    assert b"TRIMBLE ALLOY" in text
    with pytest.raises(TypeError):
        described("rover", BASE["account", "rover"])


def test_a_description_becomes_the_registrys_entry():
    for key in OF_HERE:
        one = InForce(BASE, ()).get(key)
        assert codec.decode(codec.encode(told(one))) == told(one)
        assert (kind_of(one), one.id) == key
    assert entry_of(described("a:HANG", STATION)) == Station(
        id="a:HANG", name="Hangzhou", longitude=120.12345, latitude=30.54321, height_m=43.21,
        antenna="TRM59800.00 SCIS", receiver="TRIMBLE ALLOY", paused=True,
    )  # fmt: skip
    assert entry_of(described("a:gauge", GAUGE)) == GAUGE.thing("a:gauge")
    assert entry_of(described("a:gauge.level", LEVEL)) == Datastream(
        id="a:gauge.level", thing_id="gauge", property_id="water_level", name="Level", unit="m"
    )
    assert entry_of(Gone(kind="thing", id="a:gauge", is_deleted=True)) is None
    assert described("x", ThingDefinition(longitude=1, latitude=2)) == described(
        "x", ThingDefinition(longitude=1, latitude=2, name="x")
    )


ANY_TEXT = st.text(max_size=300)
ANY_HEIGHT = st.none() | st.floats()


@given(ANY_TEXT, ANY_TEXT, ANY_HEIGHT, ANY_TEXT)
def test_whatever_a_person_has_written_can_be_read_above(name, words, height_m, unit):
    for one in (
        described("HANG", msgspec.structs.replace(STATION, name=name, antenna=words, height_m=height_m)),
        described("g", msgspec.structs.replace(GAUGE, name=name, description=words, height_m=height_m)),
        described("g.l", msgspec.structs.replace(LEVEL, name=name, unit=unit)),
    ):
        assert codec.decode(codec.encode(told(one))) == told(one)


@pytest.mark.parametrize(
    "wrong",
    [
        thing(longitude=181.0), thing(latitude=float("nan")), thing(height_m=float("inf")),
        thing(name="a\nb"),
        thing(name="x" * 201), thing("zhejiang:gau ge"), thing("zhejiang:" + "x" * 300), thing(""),
        thing(description="\0"), Gone(kind="account", id="zhejiang:a", is_deleted=True),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_nobody_could_show_is_refused_when_it_is_read(wrong):
    with pytest.raises(codec.CodecError):
        codec.decode(codec.encode(told(wrong)))


def test_a_region_speaks_of_itself_alone():
    below = Below("zhejiang")
    level = DatastreamDescription(
        id="zhejiang:gauge.level", thing_id="zhejiang:gauge", property_id="p", name="l", unit="m"
    )
    good = [
        thing(),
        thing("zhejiang:hangzhou:gauge"),
        level,
        Gone(kind="thing", id="zhejiang:gauge", is_deleted=True),
    ]
    assert below.take(told(*good)) == good
    for name in ("gauge", "beijing:gauge", "zhejiang:", "zhejiangx:gauge", "a:zhejiang:gauge"):
        for wrong in (
            thing(name),
            Gone(kind="thing", id=name, is_deleted=True),
            msgspec.structs.replace(level, id=name),
            msgspec.structs.replace(level, thing_id=name),
        ):
            with pytest.raises(ValueError, match="region zhejiang cannot speak of"):
                below.take(told(thing("zhejiang:other"), wrong))
    assert below.take(told(Gone(kind="thing", id="zhejiang:other", is_deleted=True))) == []
    with pytest.raises(ValueError, match="Commands in the place"):
        below.take(Commands(commands=[]))


def test_a_region_describes_so_many_objects_at_most(monkeypatch):
    monkeypatch.setattr(describing, "MOST_DESCRIBED", 3)
    below = Below("a")
    some = [thing(f"a:{k}") for k in range(5)]
    assert below.take(told(*some)) == some[:3]
    assert below.beyond == 2
    gone = Gone(kind="thing", id="a:0", is_deleted=True)
    assert below.take(told(gone, some[4], some[1])) == [gone, some[1]]
    assert (below.beyond, len(below)) == (3, 3)
    station = StationDescription(id="a:S", name="S")
    assert below.take(told(station)) == [station]


def test_changes_are_described_and_what_is_deleted_is_gone():
    known = InForce(BASE, ())
    moved = msgspec.structs.replace(GAUGE, longitude=100.0)
    assert known.take_changes(change(1, "thing", "gauge", moved)) == [("thing", "gauge")]
    assert known.get(("thing", "gauge")) == described("gauge", moved)
    assert known.take_changes(change(2, "account", "rover", None)) == []
    assert known.take_changes(change(3, "station", "HANG", None)) == [("station", "HANG")]
    assert known.get(("station", "HANG")) == Gone(kind="station", id="HANG", is_deleted=True)
    assert ("station", "HANG") not in list(known)


def test_what_is_described_here_wins_over_what_a_region_says():
    key = "thing", "zhejiang:gauge"
    known = InForce({key: GAUGE}, ["zhejiang"])
    assert known.take_below("zhejiang", told(thing(), thing("zhejiang:other"))) == [
        key, ("thing", "zhejiang:other"),
    ]  # fmt: skip
    assert known.get(key) == described("zhejiang:gauge", GAUGE)
    assert known.speaker(key) == ""
    assert known.get(("thing", "zhejiang:other")) == thing("zhejiang:other")
    assert known.speaker(("thing", "zhejiang:other")) == "zhejiang"
    known.take_changes(change(1, "thing", "zhejiang:gauge", None))
    assert known.get(key) == thing()
    assert known.speaker(key) == "zhejiang"


def test_descriptions_go_up_step_by_step_by_each_steps_rules():
    hangzhou, zhejiang = InForce(BASE, ()), InForce({}, ["hangzhou"])
    first, second = Upward("hangzhou", UpRules(reports="exact")), Upward("zhejiang", UpRules())
    zhejiang.take_below("hangzhou", told(*(first.description(hangzhou.get(key)) for key in hangzhou)))
    above = {one.id: one for one in (second.description(zhejiang.get(key)) for key in zhejiang)}
    assert above == {
        "zhejiang:hangzhou:gauge": described("zhejiang:hangzhou:gauge", GAUGE),
        "zhejiang:hangzhou:gauge.level": msgspec.structs.replace(
            described("zhejiang:hangzhou:gauge.level", LEVEL), thing_id="zhejiang:hangzhou:gauge"
        ),
        "zhejiang:hangzhou:HANG": msgspec.structs.replace(
            described("zhejiang:hangzhou:HANG", STATION), longitude=120.12, latitude=30.54, height_m=0.0
        ),
    }


def test_rules_say_what_is_described_and_else_those_of_reports_and_samples():
    station, site = described("HANG", STATION), described("gauge", GAUGE)
    assert (UpRules().of_stations, UpRules().of_sites) == ("coarsened", "exact")
    silent = Upward("a", UpRules(reports="none", samples="none"))
    assert silent.description(station) == Gone(kind="station", id="a:HANG", is_deleted=False)
    assert silent.description(site) == Gone(kind="thing", id="a:gauge", is_deleted=False)
    assert silent.description(described("gauge.level", LEVEL)) == Gone(
        kind="datastream", id="a:gauge.level", is_deleted=False
    )
    assert silent.withheld == {"stations": 1, "sites": 2}
    gone = Gone(kind="thing", id="gauge", is_deleted=True)
    assert silent.description(gone) == msgspec.structs.replace(gone, id="a:gauge")
    told_so = Upward("a", UpRules(reports="none", samples="none", stations="exact", sites="coarsened"))
    assert told_so.description(station) == msgspec.structs.replace(station, id="a:HANG")
    coarse = told_so.description(site)
    assert isinstance(coarse, ThingDescription)
    assert (coarse.longitude, coarse.latitude, coarse.height_m) == (121.99, 29.12, 0.0)
    assert not told_so.withheld


@given(st.floats(-180, 180), st.floats(-90, 90), st.none() | st.floats(-20_000, 20_000))
def test_a_coarse_description_is_on_the_grid_and_stays_when_coarsened_again(longitude, latitude, height_m):
    up = Upward("a", UpRules(sites="coarsened"))
    first = up.description(thing("g", longitude=longitude, latitude=latitude, height_m=height_m))
    assert isinstance(first, ThingDescription)
    assert abs(first.longitude - longitude) <= 0.005 + 1e-9
    assert abs(first.latitude - latitude) <= 0.005 + 1e-9
    assert (first.height_m is None) == (height_m is None)
    assert (first.height_m or 0.0) % COARSE_HEIGHT_M == 0.0
    again = up.description(first)
    assert again == msgspec.structs.replace(first, id="a:a:g")
    assert codec.decode(codec.encode(told(first))) == told(first)


def test_things_of_regions_keep_their_datum():
    entry = entry_of(described("g", msgspec.structs.replace(GAUGE, height_datum="ellipsoidal")))
    assert isinstance(entry, Thing)
    assert entry.height_datum == "ellipsoidal"


def test_a_parent_is_told_what_differs_from_what_it_knows():
    up = Upward("a", UpRules(reports="exact"))
    first = Telling("a", InForce(BASE, ()), up.description)
    assert first.due(OF_HERE) == []  # nobody knows yet what was changed
    assert not first.is_begun
    due = first.settle("")
    assert sorted(one.key for one in due) == sorted(OF_HERE)
    assert {one.name for one in due} == {b"station/HANG", b"thing/gauge", b"datastream/gauge.level"}
    first.arrived(due)
    assert first.due(OF_HERE) == []

    # the next one has another file
    second = Telling("a", InForce({("thing", "gauge"): GAUGE}, ()), up.description)
    for one in due:
        second.told(one.value)
    second.told(b"nonsense")
    second.told(codec.encode(told(thing("b:gauge"))))  # of nobody here
    gone = second.settle("")
    assert [codec.decode(one.value) for one in gone] == [
        told(Gone(kind=kind, id=f"a:{name}", is_deleted=True))
        for kind, name in (("station", "HANG"), ("datastream", "gauge.level"))
    ]
    second.arrived(gone)
    assert second.settle("") == []
    key = "thing", "other"
    second.known.take_changes(change(1, "thing", "other", GAUGE))
    assert [one.key for one in second.due([key, key])] == [key]
    assert second.due([("thing", "never was")]) == []


def test_nothing_of_a_region_below_is_deleted_before_all_that_it_says_is_known():
    up = Upward("a", UpRules())
    one = Telling("a", InForce({("thing", "own"): GAUGE}, ["b"]), up.description)
    one.told(codec.encode(told(thing("a:b:gauge"))))
    one.told(codec.encode(told(thing("a:b:old"))))
    assert [due.key for due in one.settle("")] == [("thing", "own")]
    one.known.take_below("b", told(thing("b:gauge")))
    assert one.due([("thing", "b:gauge"), ("thing", "b:old")]) == []
    assert [codec.decode(due.value) for due in one.settle("b")] == [
        told(Gone(kind="thing", id="a:b:old", is_deleted=True))
    ]


def test_what_a_rule_closes_is_taken_back():
    open_, closed = (Upward("a", UpRules(sites=rule)) for rule in ("exact", "none"))
    base: Base = {("thing", "gauge"): GAUGE}
    before = Telling("a", InForce(base, ()), open_.description)
    after = Telling("a", InForce(base, ()), closed.description)
    for one in before.settle(""):
        after.told(one.value)
    (due,) = after.settle("")
    assert codec.decode(due.value) == told(Gone(kind="thing", id="a:gauge", is_deleted=False))
    assert Telling("a", InForce(base, ()), closed.description).settle("") == []
