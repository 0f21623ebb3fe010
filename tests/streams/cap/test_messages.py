"""Which steps of an alert are messages."""

from hypothesis import given
from hypothesis import strategies as st

from streams.cap.messages import current, messages
from tests.webhook_store import transition


def life(*changes, **each):
    """Return steps; a change may be a pair with what is different in it."""
    steps = []
    for number, one in enumerate(changes, 1):
        change, more = one if isinstance(one, tuple) else (one, {})
        steps.append(transition("a1", number, change=change, **{**each, **more}))
    return steps


def types(*changes, **each):
    return [(one.type, one.step.number) for one in messages(life(*changes, **each))]


QUIET = {"silenced": "works"}


def test_a_whole_life():
    told = types("opened", ("level", {"level": "yellow"}), "acknowledged", "ended", "closed")
    assert told == [("Alert", 1), ("Update", 2), ("Ack", 3), ("Cancel", 4)]


def test_what_closes_without_an_end_before_is_cancelled_by_it():
    assert types("opened", "acknowledged", "closed") == [("Alert", 1), ("Ack", 2), ("Cancel", 3)]


def test_who_answers_after_the_end_has_answered():
    assert types("opened", "ended", "acknowledged", "closed")[1:] == [("Cancel", 2), ("Ack", 3)]


def test_what_is_historic_or_silenced_is_not_told():
    assert types("opened", "acknowledged", "closed", historic=True) == []
    assert types(("opened", QUIET), ("level", {**QUIET, "level": "orange"}), ("closed", QUIET)) == []


def test_when_a_silence_ends_it_is_told_as_it_then_is():
    steps = life(
        ("opened", QUIET), ("level", {**QUIET, "level": "orange"}), ("unsilenced", {"level": "orange"})
    )
    (one,) = messages(steps)
    assert (one.type, one.step.number, one.step.level) == ("Alert", 3, "orange")
    between = types(
        "opened",
        ("silenced", QUIET),
        ("level", {**QUIET, "level": "blue"}),
        ("unsilenced", {"level": "blue"}),
    )
    assert between == [("Alert", 1), ("Update", 4)]
    assert types("opened", ("silenced", QUIET), "unsilenced") == [("Alert", 1)]


def test_a_comment_is_for_those_inside():
    assert types("opened", "commented", "ended", "commented") == [("Alert", 1), ("Cancel", 3)]
    assert types(("opened", QUIET), ("commented", QUIET)) == []


def test_an_answer_does_not_say_how_things_are():
    assert current(messages(life("opened", "acknowledged"))).step.number == 1
    assert current([]) is None


CHANGES = st.sampled_from(
    ["opened", "level", "acknowledged", "commented", "ended", "closed", "silenced", "unsilenced"]
)


@given(
    st.lists(st.tuples(CHANGES, st.booleans(), st.sampled_from(["blue", "red"])), max_size=12),
    st.integers(0, 12),
)
def test_what_was_told_before_never_changes(steps, cut):
    made = life(*((c, {"silenced": "s" if quiet else "", "level": level}) for c, quiet, level in steps))
    told = messages(made)
    assert messages(made[:cut]) == [one for one in told if one.step.number <= cut]
    kinds = [one.type for one in told if one.type != "Ack"]
    assert kinds.count("Alert") <= 1
    assert kinds.count("Cancel") <= 1
    assert not told or told[0].type == "Alert"
    assert "Cancel" not in kinds[:-1]
