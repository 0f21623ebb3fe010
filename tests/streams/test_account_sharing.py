"""Accounts on their way down: each region gets what it needs, and what was missed is noticed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams import account_sharing as room
from streams import codec
from streams.account_sharing import FromAbove, Shared, Told, grown, message_of
from streams.records import Change, Changes
from streams.regions import name_of, steps_above

HASH = {"password_hash": "argon2id"}


def change(name: str, after: dict[str, Any] | None, version: int = 1, verb: Any = "put") -> Change:
    return Change(
        kind="account", id=name, version=version, verb=verb, before={"password_hash": "old"}, after=after,
        by="Li", at_us=5, command_id="c",
    )  # fmt: skip


def own(*made: Change) -> Shared:
    shared = Shared()
    shared.take_own(Changes(changes=list(made)))
    return shared


def test_an_account_goes_where_it_may_and_says_nothing_of_who_made_it():
    shared = own(change("li", HASH), change("wu", {**HASH, "regions": ["zhejiang", "hubei:wuhan"]}))
    assert all(shared.may_have(region, "li") for region in ("zhejiang", "hubei", "beijing"))
    assert [shared.may_have(region, "wu") for region in ("zhejiang", "hubei", "beijing")] == [
        True,
        True,
        False,
    ]
    assert shared.definition_for("zhejiang", "wu") == HASH, "with all below it"
    assert shared.definition_for("hubei", "wu") == {**HASH, "regions": ["wuhan"]}
    (told,) = Told("zhejiang").due(shared, ["li"])
    assert (told.before, told.by, told.command_id, told.after) == (None, "", "", HASH)
    assert not own(change("li", {**HASH, "regions": []})).may_have("zhejiang", "li")


def test_what_stands_in_a_configuration_and_what_is_no_account_stays_here():
    shared = own(
        change("plain", {"password": "in clear"}),
        change("reverted", HASH, verb="revert"),
        change("gone", None, verb="delete"),
        change("..:forged", HASH),
        Change(kind="station", id="S", version=1, verb="put", before=None, after={"source": "secret"},
               by="", at_us=0, command_id=""),
    )  # fmt: skip
    assert not Told("zhejiang").due(shared)
    assert not any(
        shared.may_have("zhejiang", name) for name in ("plain", "reverted", "gone", "..:forged", "S")
    )


def test_an_older_change_of_an_own_account_changes_nothing():
    shared = own(change("li", HASH, version=7))
    assert shared.take_own(Changes(changes=[change("li", None, version=6)])) == []
    assert shared.may_have("zhejiang", "li")


def test_ids_tell_how_far_up_an_account_is_from_and_rovers_type_the_same_name():
    assert [steps_above(one) for one in ("li", "..:li", "..:..:li", "..li", "zhejiang:..:li")] == [
        0,
        1,
        2,
        0,
        0,
    ]
    assert {name_of(one) for one in ("li", "..:li", "..:..:li")} == {"li"}


DEFINITIONS = st.one_of(
    st.none(),
    st.builds(
        lambda password, regions: (
            {"password_hash": password} | ({} if regions is None else {"regions": regions})
        ),
        st.sampled_from("xy"),
        st.sampled_from([None, [], ["a"], ["b"], ["a:c"], ["a", "b"]]),
    ),
)
STEPS = st.lists(st.tuples(st.sampled_from(["li", "wu", "..:li"]), DEFINITIONS), max_size=12)


@given(STEPS, st.data())
def test_whatever_is_killed_when_casters_know_in_the_end_what_they_are_to_know(steps, data):
    """Both ends begin anew at any moment, by what stands in the topics; some messages are carried twice."""
    shared, down, up = Shared(), list[Change](), list[Change]()  # two compacted topics, as logs
    told, receiver, read = Told("a"), FromAbove(), 0

    def carry(*, again: bool) -> None:
        nonlocal read
        made = receiver.take(Changes(changes=down[0 if again else read :]))
        up.extend(codec.decode(message_of(one)).changes[0] for one in made)  # type: ignore[attr-defined]
        read = len(down)

    for version, (name, after) in enumerate(steps, 1):
        taken = Changes(changes=[change(name, after, version)])
        due = told.due(shared, shared.take_above(taken) if steps_above(name) else shared.take_own(taken))
        down += due
        told.learn(Changes(changes=due))
        match data.draw(st.sampled_from(["go on", "go on", "teller", "receiver", "later", "lost"])):
            case "teller":
                told = Told("a")
                told.learn(Changes(changes=down))
                assert told.due(shared) == [], "it was all told"
            case "receiver":
                receiver = FromAbove()
                receiver.learn(Changes(changes=up))
                carry(again=True)
            case "lost":  # the parent's topic is made anew, and both begin anew
                down, read, told = Told("a").due(shared), 0, Told("a")
                told.learn(Changes(changes=down))
                receiver = FromAbove()
                receiver.learn(Changes(changes=up))
            case "go on":
                carry(again=data.draw(st.booleans()))
    down += told.due(shared)
    receiver = FromAbove()
    receiver.learn(Changes(changes=up))
    carry(again=True)
    up += receiver.settle()
    assert receiver.settle() == []

    assert [one.version for one in up] == sorted({one.version for one in up}), "each has its own version"
    newest = {one.id: one.after for one in up}
    wanted = {f"..:{name}": shared.definition_for("a", name) for name in ("li", "wu", "..:li")}
    assert {name: after for name, after in newest.items() if after} == {n: a for n, a in wanted.items() if a}


def test_what_cannot_be_an_account_is_left_out_and_there_are_bounds(monkeypatch):
    monkeypatch.setattr(room, "MOST_ACCOUNTS", 2)
    receiver = FromAbove()
    large = {"password_hash": "x" * 20_000}
    made = receiver.take(Changes(changes=[change("n" * 400, HASH), change("large", large)])) + receiver.take(
        Changes(changes=[change(name, HASH) for name in "abc"])
    )
    assert [one.id for one in made] == ["..:a", "..:b"]
    assert receiver.left_out == 3
    assert [one.id for one in receiver.take(Changes(changes=[change("a", None)]))] == ["..:a"]


def test_what_a_parent_says_before_it_has_said_all_deletes_nothing():
    receiver = FromAbove()
    receiver.learn(Changes(changes=[change("..:li", HASH, version=3), change("..:wu", HASH, version=4)]))
    assert receiver.take(Changes(changes=[change("li", HASH, version=90)])) == [], "it is known"
    (gone,) = receiver.settle()
    assert (gone.id, gone.after, gone.version) == ("..:wu", None, 5)


def test_ages_grow_on_their_way():
    assert grown([0, 7], 10, 25) == [15, 22]
    assert grown([0, 7], 10, 5) == [0, 7], "a clock was set back"
