import msgspec
import pytest

from streams.rehearsal_outcome import compare, span, stories
from tests.streams.processors.people import S, step

MINUTE = 60 * S
FROM, END = -1000 * MINUTE, 600 * MINUTE


def alert(*changes, alert_id="a1", **more):
    """Steps as (minute, change, level)."""
    begin = changes[0][0] * MINUTE
    usual = {"alert_id": alert_id, "onset_us": begin, "opened_at_us": begin}
    return [
        step(number, at_us=at * MINUTE, change=change, level=level, **{**usual, **more})
        for number, (at, change, level) in enumerate(changes, 1)
    ]


def pairs(came, rehearsed, **more):
    asked = {"read_from_us": FROM, "end_us": END, **more}
    return compare(stories(came, 0, END), stories(rehearsed, 0, END), **asked)


def brief(came, rehearsed, **more):
    return [(pair.verdict, pair.difference) for pair in pairs(came, rehearsed, **more)]


ONE = alert((10, "opened", "blue"), (20, "level", "red"), (60, "ended", "red"))


def test_equal_steps_are_the_same():
    assert brief(ONE, ONE) == [("same", "")]
    assert brief(ONE, [msgspec.structs.replace(one, evidence={"a": 1}) for one in ONE]) == [("same", "")]
    assert brief([], []) == []


@pytest.mark.parametrize(
    ("rehearsed", "words"),
    [
        (alert((7, "opened", "blue"), (20, "level", "red"), (60, "ended", "red")), "3 min earlier"),
        (alert((10, "opened", "blue"), (60, "ended", "blue")), "blue instead of red"),
        (alert((10, "opened", "blue"), (20, "level", "red")), "does not end"),
        (
            alert((12, "opened", "red"), (62, "ended", "red")),
            "2 min later; ends 2 min later",
        ),
        (alert((10, "opened", "blue"), (21, "level", "red"), (60, "ended", "red")), "other steps between"),
    ],
)
def test_what_is_different_is_said(rehearsed, words):
    assert brief(ONE, rehearsed) == [("changed", words)]
    other = [msgspec.structs.replace(one, alert_id="a2") for one in rehearsed]
    assert brief(ONE, other) == [("changed", words)], "another onset, the same event"


def test_other_events_are_no_pair():
    later = alert((100, "opened", "blue"), alert_id="b")
    assert brief(ONE, later) == [("only_came", "would not have come"), ("only_rehearsed", "did not come")]
    assert [pair.either.alert_id for pair in pairs(ONE, later)] == ["a1", "b"]
    for more in ({"subject_id": "x"}, {"rule": "y"}, {"historic": True}):
        assert len(pairs(ONE, alert((10, "opened", "blue"), alert_id="b", **more))) == 2


def test_each_has_the_nearest_one():
    came = alert((10, "opened", "blue")) + alert((50, "opened", "blue"), alert_id="a2")
    rehearsed = alert((48, "opened", "blue"), alert_id="r1") + alert((11, "opened", "blue"), alert_id="r2")
    assert [(pair.came.alert_id, pair.rehearsed.alert_id) for pair in pairs(came, rehearsed)] == [
        ("a1", "r2"), ("a2", "r1"),
    ]  # fmt: skip


def test_what_began_before_anything_was_read_is_left_open():
    assert brief(ONE, [], read_from_us=11 * MINUTE) == [("began_before", "it began before anything was read")]
    assert brief([], ONE, read_from_us=10 * MINUTE) == [], "nothing is known of the time before"
    assert brief(ONE, ONE, read_from_us=11 * MINUTE) == [("same", "")]


def test_only_what_happened_in_the_time_counts():
    long_ago = alert((-90, "opened", "blue"), (-60, "ended", "blue"))
    assert stories(long_ago, 0, END) == stories(alert((600, "opened", "blue")), 0, END) == []
    (story,) = stories(alert((-90, "opened", "blue"), (5, "level", "red"), (700, "ended", "red")), 0, END)
    assert [one.change for one in story.steps] == ["opened", "level"]
    assert (story.highest, story.over_us) == ("red", None)


def test_lengths_of_time_are_for_people():
    lengths = (200_000, 45 * S, 119 * S, 12 * MINUTE, 216 * MINUTE, 48 * 60 * MINUTE)
    assert [span(us) for us in lengths] == ["0.2 s", "45 s", "119 s", "12 min", "3.6 h", "2 d"]
