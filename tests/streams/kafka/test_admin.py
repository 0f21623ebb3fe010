"""What must change about a broker's topics."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka import admin
from streams.kafka.access import Access
from streams.kafka.admin import Present, changes, settings_of
from streams.topics import ALL_TOPICS, COMMANDS, MESSAGE_BYTES, SESSIONS, Topic

EVENTS = Topic("events", None, "id", partitions=3, retention_s=60)
STATE = Topic("state", None, "id", retention_s=-1, compacted=True)


def as_wanted(topic: Topic, **other: str) -> Present:
    """A topic as `apply` would have made it, with further settings that somebody added."""
    values = {**settings_of(topic), **other}
    return Present(topic.partitions, {**values, "compression.type": "producer"}, frozenset(values))


def done(present: dict[str, Present], found: list[admin.Change]) -> dict[str, Present]:
    """What a broker has after the changes: it replaces all of a topic's own settings."""
    after = dict(present)
    for change in found:
        if change.kind == "create":
            after[change.name] = Present(change.topic.partitions, change.settings, frozenset(change.settings))
        elif change.kind == "alter":
            after[change.name] = Present(
                present[change.name].partitions, change.settings, frozenset(change.settings)
            )
    return after


def test_settings_are_as_kafka_spells_them():
    assert settings_of(EVENTS) == {
        "cleanup.policy": "delete",
        "retention.ms": "60000",
        "max.message.bytes": str(MESSAGE_BYTES + 100_000),
    }
    assert settings_of(STATE)["cleanup.policy"] == "compact"
    assert settings_of(COMMANDS)["message.timestamp.type"] == "LogAppendTime"
    assert settings_of(STATE)["retention.ms"] == "-1"
    assert settings_of(SESSIONS)["segment.ms"] == "600000", "who was where goes in time, however quiet it is"


def test_what_is_missing_is_created_with_the_prefix():
    (change,) = changes([EVENTS], {"events": as_wanted(EVENTS)}, "north-")
    assert (change.kind, change.name) == ("create", "north-events")
    assert change.settings == settings_of(EVENTS)
    assert "3 partitions" in change.text
    assert "retention.ms=60000" in change.text


def test_what_is_as_wanted_is_left_alone():
    present = {topic.name: as_wanted(topic) for topic in ALL_TOPICS}
    assert changes(ALL_TOPICS, present) == []


@pytest.mark.parametrize(
    ("key", "value"), [("retention.ms", "1"), ("cleanup.policy", "compact"), ("max.message.bytes", "1000012")]
)
def test_what_differs_is_altered_and_named(key, value):
    (change,) = changes([EVENTS], {"events": as_wanted(EVENTS, **{key: value})})
    assert change.kind == "alter"
    assert change.text == f"{key}={settings_of(EVENTS)[key]}"
    assert change.settings == settings_of(EVENTS)


def test_what_holds_by_the_brokers_default_only_is_set_on_the_topic():
    there = as_wanted(EVENTS)
    (change,) = changes([EVENTS], {"events": replace(there, own=there.own - {"retention.ms"})})
    assert (change.kind, change.text) == ("alter", "retention.ms=60000")


def test_settings_of_others_survive_a_change():
    there = as_wanted(EVENTS, **{"retention.ms": "5", "segment.ms": "1000"})
    (change,) = changes([EVENTS], {"events": there})
    assert change.settings == {**settings_of(EVENTS), "segment.ms": "1000"}
    assert "compression.type" not in change.settings  # the broker's default is nobody's decision


@pytest.mark.parametrize("partitions", [1, 2, 4])
def test_another_number_of_partitions_is_refused_whatever_else_differs(partitions):
    there = replace(as_wanted(EVENTS, **{"retention.ms": "5"}), partitions=partitions)
    (change,) = changes([EVENTS], {"events": there})
    assert (change.kind, dict(change.settings)) == ("refuse", {})
    assert f"events has {partitions} partitions and needs 3" in change.text


some_topics = st.lists(
    st.builds(
        Topic,
        name=st.sampled_from("abcde"),
        batch=st.none(),
        key=st.just("id"),
        partitions=st.integers(1, 3),
        retention_s=st.integers(-1, 3),
        compacted=st.booleans(),
    ),
    unique_by=lambda topic: topic.name,
)


@given(wanted=some_topics, earlier=some_topics, prefix=st.sampled_from(["", "x-"]))
def test_one_pass_is_enough_and_only_partitions_remain(wanted, earlier, prefix):
    before = {prefix + topic.name: as_wanted(topic, **{"segment.ms": "7"}) for topic in earlier}
    found = changes(wanted, before, prefix)
    after = done(before, found)
    again = changes(wanted, after, prefix)
    assert again == [change for change in found if change.kind == "refuse"]
    assert before.keys() <= after.keys()
    for name, there in before.items():
        assert after[name].partitions == there.partitions
        assert after[name].values["segment.ms"] == "7"


async def test_a_prefix_that_cannot_stand_in_a_name_is_refused_before_anything_is_asked():
    for prefix in ("a/b", "ä", "x" * 201, "a b"):
        with pytest.raises(admin.TopicsRefused, match="--prefix"):
            await admin.show(Access("127.0.0.1:1"), prefix=prefix)


async def test_replication_below_one_is_refused():
    with pytest.raises(admin.TopicsRefused, match="--replication"):
        await admin.apply(Access("127.0.0.1:1"), replication=0)
