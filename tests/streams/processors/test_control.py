from importlib.resources import files

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.catalogue import parse_catalogue
from sensors.model import Datastream
from streams import codec
from streams.definitions import (
    AccountDefinition,
    DatastreamDefinition,
    StationDefinition,
    ThingDefinition,
    definition,
    shown,
    values_of,
)
from streams.objects import Objects, watched
from streams.passwords import is_password
from streams.processor import Processor
from streams.processors.control import Control
from streams.processors.snapshots import CHUNK_BYTES
from streams.records import Changes, Command, CommandOutcomes, Commands

SOURCE = "ntrip://user:secret@caster:2101/A"
CATALOGUE = parse_catalogue(files("sensors.catalogue").joinpath("ocean.toml").read_text(encoding="utf-8"))
BASE = {
    ("station", "A"): StationDefinition(source=SOURCE, antenna="LEIAR25.R4 LEIT"),
    ("thing", "gauge"): ThingDefinition(longitude=121.0, latitude=31.0),
    ("datastream", "gauge.level"): DatastreamDefinition(
        thing="gauge", property="water_level", detectors={"sea_level": {}}
    ),
    ("account", "rover"): AccountDefinition(password="plain"),
}


def control():
    return Control(BASE, CATALOGUE)


def command(verb, target, arguments=None, name="c1", at_us=1, by="Li"):
    return Command(id=name, kind=verb, target=target, by=by, at_us=at_us, arguments=arguments or {})


def ask(processor, *commands):
    outputs = list(processor.on_batch(Commands(commands=list(commands))))
    changes = [change for o in outputs if isinstance(o, Changes) for change in o.changes]
    outcomes = [outcome for o in outputs if isinstance(o, CommandOutcomes) for outcome in o.outcomes]
    return changes, outcomes


def test_what_is_done_elsewhere_is_written_down():
    changes, (outcome,) = ask(control(), command("rehearse", "new", {"verb": "begin"}, by=""))
    assert (changes, outcome.id, outcome.ok) == ([], "c1", True)


def test_it_is_a_processor_and_leaves_alerts_alone():
    processor = control()
    assert isinstance(processor, Processor)
    assert list(processor.on_batch(Commands(commands=[command("acknowledge_alert", "a1")]))) == []
    outputs = processor.on_batch(Commands(commands=[command("patch", "station/A", {"paused": True})]))
    assert all(codec.decode(codec.encode(one)) == one for one in outputs)
    assert (list(processor.on_time(10)), list(processor.on_end())) == ([], [])
    assert processor.counts() == {"refused_commands": 0}


def test_networks_have_members_that_exist_and_people_report_where_evidence_is_put_together():
    processor = control()
    members = ["gauge.level", "cape.level"]
    network = {"kind": "confirmation", "members": members}
    (), (refused,) = ask(processor, command("put", "network/coast", network))
    assert "there is no datastream 'cape.level'" in refused.message
    there = [
        command("put", "thing/cape", {"longitude": 122.0, "latitude": 31.0}, "c2", 2),
        command("put", "datastream/cape.level", {"thing": "cape", "property": "water_level"}, "c3", 3),
        command("put", "network/coast", network, "c4", 4),
    ]
    changes, _ = ask(processor, *there)
    assert [one.kind for one in changes] == ["thing", "datastream", "network"]
    (), (refused,) = ask(processor, command("delete", "datastream/cape.level", name="c5", at_us=5))
    assert "network coast has it as a member" in refused.message
    (), (refused,) = ask(processor, command("patch", "network/coast", {"kind": "rain"}, "c6", 6))
    assert "no kind of network 'rain'" in refused.message

    sighting = {"site": "cape", "level": "red", "text": "The water went away", "end_us": 10**12}
    (), (refused,) = ask(processor, command("put", "sighting/r1", sighting, "c7", 7))
    assert "thing 'cape' puts no evidence together" in refused.message
    ask(processor, command("patch", "thing/cape", {"fusion": {}}, "c8", 8))
    (made,), _ = ask(processor, command("put", "sighting/r1", sighting, "c9", 9))
    assert (made.by, made.after["text"]) == ("Li", "The water went away")
    (), (refused,) = ask(processor, command("patch", "sighting/r1", {"begin_us": 10**13}, "c10", 10))
    assert "ends before it begins" in refused.message
    processor.on_time(10**12 + 2 * 86_400_000_000)
    assert all(one.kind != "sighting" for one in processor.standing.changes)


def test_a_change_says_who_and_what_was_before_and_after():
    processor = control()
    (change,), (outcome,) = ask(processor, command("patch", "station/A", {"paused": True}))
    assert (change.kind, change.id, change.version, change.by) == ("station", "A", 1, "Li")
    assert change.before == values_of(BASE["station", "A"])
    assert change.after == {**change.before, "paused": True}
    assert outcome.ok
    assert outcome.message == "Station A is changed."
    (back,), _ = ask(processor, command("revert", "station/A", name="c2", at_us=2))
    assert (back.version, back.verb, back.after) == (2, "revert", change.before)
    assert ask(processor, command("revert", "station/A", name="c3", at_us=3))[0] == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (command("put", "planet/X", {}), "There is no kind of object 'planet'"),
        (command("put", "station/", {}), "There is no kind of object 'station'"),
        (command("put", "station/A B", {"source": SOURCE}), "does not serve; use at most 32 letters"),
        (command("put", "station/B", {"source": "http://x:pass@h/y"}), "write ntrip://user:password@host"),
        (command("put", "station/B", {"source": "ntrip://u:***@h:1/M"}), "write the password"),
        (command("patch", "station/A", {"name": "x" * 201}), "write at most 200 characters in one line"),
        (command("patch", "station/A", {"name": "a\nb"}), "write at most 200 characters in one line"),
        (command("put", "station/B", {}), "it has no source; write one"),
        (command("patch", "station/B", {"paused": True}), "there is no such station"),
        (command("patch", "station/A", {"latitude": 91.0}), "latitude"),
        (command("patch", "station/A", {"latitude": 31.0}), "give both or neither"),
        (command("patch", "station/A", {"colour": "red"}), "unknown field `colour`"),
        (command("delete", "station/B"), "there is no such station"),
        (command("revert", "silence/s1"), "delete it instead"),
        (command("delete", "thing/gauge"), "delete its datastreams first"),
        (command("patch", "station/A", {"name": "x" * 20_000}), "larger than 16000 bytes"),
        (command("put", "silence/s1", {"end_us": 5}), "it would silence everything"),
        (command("put", "silence/s1", {"end_us": 5, "begin_us": 6, "rule": "x"}), "ends before it begins"),
        (command("put", "account/new", {}), "it has no password"),
        (command("put", "account/..:li", {"password": "x"}), "leave out the colon"),
        (command("patch", "account/rover", {"regions": ["Zhe Jiang"]}), "correct that entry"),
        (command("patch", "account/rover", {"regions": ["zhejiang:"]}), "correct that entry"),
        (
            command("put", "datastream/gauge.x", {"thing": "gauge", "property": "colour"}),
            "has no property 'colour'",
        ),
        (
            command("put", "datastream/x", {"thing": "gauge", "property": "water_level"}),
            "begins with its thing",
        ),
        (
            command("put", "datastream/y.x", {"thing": "y", "property": "water_level"}),
            "there is no thing 'y'",
        ),
        (
            command("patch", "datastream/gauge.level", {"tests": {"colour": {}}}),
            "quality tests of datastream",
        ),
        (command("patch", "datastream/gauge.level", {"detectors": {"x": {}}}), "there is no detector 'x'"),
        (command("put", "rule/gauge.level/x"), "there is no detector 'x'"),
        (command("put", "rule/other.level/sea_level"), "there is no datastream 'other.level'"),
        (command("put", "rule/gauge.level"), "write datastream/detector"),
        (command("put", "rule/gauge.level/sea_level", {"parameters": {"x": 1}}), "correct that parameter"),
        (command("patch", "station/A", {"paused": True}, by=" "), "say in `by` who makes it"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(asked, words):
    processor = control()
    changes, (outcome,) = ask(processor, asked)
    assert (changes, outcome.ok, outcome.id) == ([], False, "c1")
    assert words in outcome.message
    assert "pass@" not in outcome.message
    assert processor.counts() == {"refused_commands": 1}


def test_what_is_sent_twice_counts_once_and_what_is_older_is_refused():
    processor = control()
    asked = command("patch", "station/A", {"paused": True}, at_us=10)
    assert len(ask(processor, asked)[0]) == 1
    changes, (outcome,) = ask(processor, asked)
    assert (changes, outcome.ok) == ([], True)
    changes, (outcome,) = ask(processor, command("delete", "station/A", name="c0", at_us=9, by="Wu"))
    assert (changes, outcome.ok) == ([], False)
    assert outcome.message == "Station A was changed by Li meanwhile: look at it and ask again."


def test_passwords_travel_as_hashes():
    processor = control()
    (change,), _ = ask(processor, command("patch", "account/rover", {"enabled": False}))
    assert change.after["password"] == ""
    assert is_password("plain", change.after["password_hash"])
    (change,), _ = ask(processor, command("put", "account/new", {"password": "other"}, name="c2"))
    assert is_password("other", change.after["password_hash"])
    assert not is_password("plain", change.after["password_hash"])


def test_the_password_of_a_station_that_pushes_travels_as_a_hash_and_the_same_one_changes_nothing():
    processor, pushed = control(), {"source": "push:", "push_password": "plain"}
    (change,), _ = ask(processor, command("put", "station/P", pushed))
    assert change.after["push_password"] == ""
    assert is_password("plain", change.after["push_password_hash"])
    assert shown("station", change.after).keys().isdisjoint({"push_password", "push_password_hash"})
    changes, (outcome,) = ask(processor, command("put", "station/P", pushed, name="c2"))
    assert (changes, outcome.message) == ([], "Station P is as it was asked for already.")
    (again,), _ = ask(processor, command("patch", "station/P", {"name": "Push"}, name="c3"))
    assert again.after["push_password_hash"] == change.after["push_password_hash"]
    (other,), _ = ask(processor, command("patch", "station/P", {"push_password": "other"}, name="c4"))
    assert is_password("other", other.after["push_password_hash"])
    assert not is_password("plain", other.after["push_password_hash"])
    _, (refused,) = ask(processor, command("put", "station/Q", {"source": "push:"}, name="c5"))
    assert "give a push_password" in refused.message


def test_a_rule_lies_over_what_its_datastream_says():
    processor = control()
    base = {key: one for key, one in BASE.items() if key[0] == "datastream"}
    objects = Objects(base, ("datastream", "rule"))
    (change,), _ = ask(
        processor, command("put", "rule/gauge.level/sea_level", {"parameters": {"red_m": 9.0}})
    )
    objects.take(Changes(changes=[change]))
    assert watched(objects, "gauge.level").detectors == {"sea_level": {"red_m": 9.0}}
    (change,), _ = ask(processor, command("patch", "rule/gauge.level/sea_level", {"off": True}, "c2"))
    objects.take(Changes(changes=[change]))
    assert watched(objects, "gauge.level").detectors == {}
    (change,), _ = ask(processor, command("delete", "rule/gauge.level/sea_level", name="c3"))
    objects.take(Changes(changes=[change]))
    assert watched(objects, "gauge.level").detectors == {"sea_level": {}}
    (change,), _ = ask(processor, command("delete", "datastream/gauge.level", name="c4"))
    objects.take(Changes(changes=[change]))
    assert watched(objects, "gauge.level") is None
    assert watched(objects, "nothing") is None
    assert watched(Objects(base, ["datastream"]), "gauge.level") == Datastream(
        id="gauge.level", thing_id="gauge", property_id="water_level", name="gauge.level", unit="",
        detectors={"sea_level": {}},
    )  # fmt: skip


def test_a_new_datastream_gets_the_catalogues_unit_and_a_name():
    asked = command("put", "datastream/gauge.two", {"thing": "gauge", "property": "water_level"})
    (change,), _ = ask(control(), asked)
    assert (change.after["unit"], change.after["name"]) == ("m", "gauge water level")


def test_what_commands_may_hold_is_bounded(monkeypatch):
    monkeypatch.setattr("streams.processors.control.MOST_OBJECTS", 1)
    processor = control()
    assert len(ask(processor, command("put", "station/B", {"source": SOURCE}))[0]) == 1
    changes, (outcome,) = ask(processor, command("put", "station/C", {"source": SOURCE}, name="c2", at_us=2))
    assert (changes, outcome.ok) == ([], False)
    assert "write some into the configuration" in outcome.message
    assert len(ask(processor, command("patch", "station/B", {"paused": True}, "c3", at_us=3))[0]) == 1


def test_silences_that_are_long_over_are_forgotten():
    processor = control()
    ask(processor, command("put", "silence/s1", {"end_us": 5, "rule": "x"}))
    processor.on_time(6)
    assert len(processor.standing.changes) == 1
    processor.on_time(2 * 86_400_000_000)
    assert processor.standing.changes == []
    (change,), _ = ask(processor, command("put", "silence/s1", {"end_us": 5, "rule": "x"}, "c2", at_us=9))
    assert change.version == 2, "what was forgotten never comes back as the newer one"


KEYS = ("station/A", "station/B", "thing/gauge", "account/rover", "silence/s1", "rule/gauge.level/sea_level")
ARGUMENTS = {
    "station": [{"source": SOURCE}, {"source": SOURCE, "paused": True}, {"paused": False}],
    "thing": [{"longitude": 1.0, "latitude": 2.0}, {"name": "Gauge"}],
    "account": [{"password": "a"}, {"enabled": False}],
    "silence": [{"end_us": 2**60, "rule": "sea_level"}, {"reason": "works"}],
    "rule": [{"off": True}, {"parameters": {}}],
}


@st.composite
def some_commands(draw):
    count = draw(st.integers(1, 12))
    made = []
    for number in range(count):
        target = draw(st.sampled_from(KEYS))
        verb = draw(st.sampled_from(["put", "patch", "delete", "revert"]))
        arguments = draw(st.sampled_from(ARGUMENTS[target.partition("/")[0]]))
        one = command(verb, target, arguments, f"c{number}", at_us=number + 1)
        made += [one] * draw(st.sampled_from([1, 1, 2]))
    return made


def state(objects):
    return {change.key: (change.version, change.after) for change in objects.standing.changes}


@settings(max_examples=60, deadline=None)
@given(some_commands(), st.data())
def test_cuts_repetitions_and_restarts_change_nothing(commands, data):
    whole = control()
    changes, outcomes = ask(whole, *commands)
    assert [c.version for c in changes] == list(range(1, len(changes) + 1))

    in_parts, parts_changes, parts_outcomes = control(), [], []
    rest = list(commands)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        made, told = ask(in_parts, *rest[:size])
        parts_changes += made
        parts_outcomes += told
        rest = rest[size:]
        chunks = list(in_parts.snapshot())
        assert max(map(len, chunks)) <= CHUNK_BYTES
        if data.draw(st.booleans()):
            in_parts = control()
            in_parts.restore(chunks)
    assert (parts_changes, parts_outcomes) == (changes, outcomes)
    assert in_parts.standing == whole.standing

    # whoever gets the changes in any order, some of them twice, and is restored between, ends with the same
    arriving = data.draw(st.permutations([*changes, *changes[: data.draw(st.integers(0, len(changes)))]]))
    follower = Objects(BASE, ("station", "thing", "account", "silence", "rule"))
    for change in arriving:
        follower.take(Changes(changes=[change]))
        if data.draw(st.booleans()):
            piece, follower = (
                follower.snapshot(),
                Objects(BASE, ("station", "thing", "account", "silence", "rule")),
            )
            assert follower.restored(piece)
    assert state(follower) == {c.key: (c.version, c.after) for c in whole.standing.changes}

    # a task without any state that knows what stands goes on with the same versions
    fresh = control()
    fresh.on_batch(whole.standing)
    asked = command("patch", "station/A", {"name": "again"}, "last", at_us=100)
    assert ask(fresh, asked) == ask(whole, asked)


def test_changes_of_a_journal_hold_although_the_configuration_is_another_one():
    first = control()
    asked = Commands(commands=[command("patch", "station/A", {"paused": True})])
    (changes, _) = first.on_batch(asked)
    other = Control({("station", "A"): StationDefinition(source="tcp://elsewhere:1")}, CATALOGUE)
    other.on_batch(asked)
    other.on_batch(changes)
    assert other.standing == changes


def test_what_a_newer_program_wrote_is_passed_over_and_what_was_before_holds_on():
    objects = Objects(BASE, ("station",))
    (change,), _ = ask(control(), command("patch", "station/A", {"paused": True}))
    newer = msgspec.structs.replace(change, version=2, after={**change.after, "colour": "red"})
    assert objects.take(Changes(changes=[change, newer])) == [("station", "A")]
    assert objects.get("station", "A").paused
    assert objects.unreadable == 1


def test_a_pieces_mark_is_no_piece_of_another_kind():
    objects = Objects({}, ("station",))
    assert not objects.restored(msgspec.msgpack.encode({"a": 1}))


def test_an_account_that_older_programs_can_read_is_written_as_they_did():
    plain = AccountDefinition(password_hash="x", mountpoints=["A"], enabled=False)
    assert values_of(plain) == {"password": "", "password_hash": "x", "mountpoints": ["A"], "enabled": False}
    limited = AccountDefinition(password_hash="x", most_sessions=1, areas=[[[1, 2], [3, 4], [5, 0]]])
    assert set(values_of(limited)) - set(values_of(plain)) == {"most_sessions", "areas"}
    below = AccountDefinition(password_hash="x", regions=["zhejiang:hangzhou"])
    alone = AccountDefinition(password_hash="x", regions=[])
    for made in (plain, limited, below, alone):
        assert definition("account", values_of(made)) == made
    processor = control()
    asked = {"password": "x", "most_sessions": 2, "valid_until_us": 5}
    (change,), _ = ask(processor, command("put", "account/new", asked))
    assert change.after.items() >= {"most_sessions": 2, "valid_until_us": 5}.items()
    (change,), _ = ask(processor, command("patch", "account/new", {"valid_until_us": None}, "c2", 2))
    assert "valid_until_us" not in change.after
    assert change.after["most_sessions"] == 2
    _, (outcome,) = ask(processor, command("patch", "account/new", {"areas": [[[1, 2]]]}, "c3", 3))
    assert "area 1 has fewer than three corners" in outcome.message
