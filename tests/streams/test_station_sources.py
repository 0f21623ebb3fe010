"""What a station's sources may be, and how some of them are changed."""

from __future__ import annotations

import re

import pytest

from streams.definitions import StationDefinition, definition, shown, values_of
from streams.passwords import is_password
from streams.processors.control import Control
from streams.records import ChangeVerb, Command, Commands
from streams.station_sources import MOST_SOURCES, with_changed

MAIN = {"source": "ntrip://user:secret@a:1/M"}
SECOND = {"name": "second", "source": "tcp://b:1"}
THIRD = {"name": "third", "source": "tcp://c:1", "standby": "cold"}


def made(**values: object) -> StationDefinition:
    found = definition("station", values)
    assert isinstance(found, StationDefinition)
    return found


def names(values: dict[str, object]) -> list[str]:
    return [one.name for one in made(**values).every_source()]


def test_a_station_of_one_source_is_written_as_before():
    values = values_of(made(**MAIN))
    assert values.keys().isdisjoint({"sources", "source_paused", "change_over"})
    assert [(one.name, one.source) for one in made(**values).every_source()] == [("main", MAIN["source"])]


def test_sources_stand_behind_the_station_s_own_or_alone():
    assert names({**MAIN, "sources": [SECOND, THIRD]}) == ["main", "second", "third"]
    assert names({"sources": [SECOND, THIRD]}) == ["second", "third"]
    assert names({"sources": [{**SECOND, "name": "main"}, THIRD]}) == ["main", "third"]
    both = made(**MAIN, sources=[SECOND, THIRD], change_over={"late_s": 2.0}, source_paused=True)
    assert made(**values_of(both)) == both
    assert both.every_source()[0].paused


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "it has no source"),
        ({**MAIN, "sources": [SECOND, SECOND]}, "two sources have the name 'second'"),
        ({**MAIN, "sources": [{**SECOND, "name": "main"}]}, "'main' does not serve"),
        ({**MAIN, "sources": [{**SECOND, "name": "a/b"}]}, "'a/b' does not serve"),
        ({**MAIN, "sources": [{**SECOND, "source": "ftp://x"}]}, "source second: source 'ftp://x'"),
        ({**MAIN, "sources": [{**SECOND, "colour": 1}]}, "unknown field `colour`"),
        ({**MAIN, "sources": [{**SECOND, "source": "tcp-listen://0.0.0.0:5"}]}, "everybody could send"),
        ({**MAIN, "sources": [{**SECOND, "format": "morse"}]}, "format 'morse' is not known"),
        (
            {"sources": [{**SECOND, "name": f"s{k}"} for k in range(MOST_SOURCES + 1)]},
            f"more than {MOST_SOURCES} sources",
        ),
        (
            {"source": "push:", "sources": [{"name": "second", "source": "push:"}]},
            "two of its sources push",
        ),
        ({**MAIN, "change_over": {"stall_epochs": 1}}, "stall_epochs"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(values, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        made(**values)


def test_no_password_of_any_source_is_shown():
    secret = {"name": "second", "source": "ntrip://user:hidden@b:1/M", "push_password_hash": "kept"}
    for sources in ([secret], {"second": secret, "gone": None}):
        told = str(shown("station", {**MAIN, "sources": sources}))
        assert "hidden" not in told
        assert "secret" not in told
        assert "kept" not in told
        assert "user:***@b:1/M" in told


def test_some_sources_are_changed_by_their_names():
    values = values_of(made(**MAIN, sources=[SECOND, THIRD]))
    assert names(with_changed(values, {"second": None})) == ["main", "third"]
    assert names(with_changed(values, {"third": {"place": 2}})) == ["main", "third", "second"]
    assert names(with_changed(values, {"fourth": {"source": "tcp://d:1"}})) == [
        "main", "second", "third", "fourth",
    ]  # fmt: skip
    paused = made(**with_changed(values, {"main": {"paused": True}, "third": {"paused": True}}))
    assert [one.paused for one in paused.every_source()] == [True, False, True]
    assert paused.every_source()[2].standby == "cold"
    assert names(with_changed(values, {"main": None})) == ["second", "third"]
    without = with_changed(values, {"main": None})
    assert names(with_changed(without, {"main": {"source": "tcp://e:1"}})) == ["main", "second", "third"]
    for changed, text in (
        ({"second": None, "third": None, "main": None}, "the only source"),
        ({"nobody": None}, "no source 'nobody'"),
        ({"nobody": {"paused": True}}, "or give its source"),
        ({"main": {"place": 2}}, "has no 'place'"),
        ({"second": {"place": 1}}, "write 2 to"),
        ({"second": 5}, "is no table"),
    ):
        with pytest.raises(ValueError, match=text):
            with_changed(values, changed)


def ask(control: Control, verb: ChangeVerb, name: str, values: dict[str, object]) -> StationDefinition:
    command = Command(id=name, kind=verb, target="station/A", by="Li", at_us=1, arguments=values)
    changes, outcomes = control.on_batch(Commands(commands=[command]))
    assert outcomes.outcomes[0].ok, outcomes  # type: ignore[attr-defined]
    return made(**changes.changes[0].after)  # type: ignore[attr-defined]


def test_passwords_of_sources_become_hashes_and_stay_when_others_change():
    control = Control({("station", "A"): made(**MAIN)}, [])
    pushed = {"second": {"source": "push:", "push_password": "plain"}}
    one = ask(control, "patch", "c1", {"sources": pushed}).every_source()[1]
    assert one.push_password == ""
    assert is_password("plain", one.push_password_hash)
    same = ask(control, "patch", "c2", {"sources": {"second": {"paused": True}}}).every_source()[1]
    assert (same.paused, same.push_password_hash) == (True, one.push_password_hash)
    other = ask(control, "patch", "c3", {"sources": {"second": {"push_password": "new"}}}).every_source()[1]
    assert is_password("new", other.push_password_hash)
    starred = {"second": {"source": "ntrip://u:***@h:1/M"}}
    command = Command(
        id="c4", kind="patch", target="station/A", by="Li", at_us=1, arguments={"sources": starred}
    )
    (outcomes,) = control.on_batch(Commands(commands=[command]))
    assert "write the password" in outcomes.outcomes[0].message  # type: ignore[attr-defined]
