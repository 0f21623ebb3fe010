"""A bridge that is killed anywhere: each message counts once on the other side, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.kafka import history
from streams.kafka.origin import Origin, Origins, origin_of
from streams.kafka.output import Message
from streams.kafka.passage import MAKERS_KEPT, Passage
from streams.kafka.reader import Read
from streams.records import AlertTransitions, CommandOutcome, CommandOutcomes, Detection, Detections, Record
from streams.topics import ALERTS, DETECTIONS, MESSAGE_BYTES, Topic
from tests.webhook_store import transition


def batch(name: str, title: str = "") -> Detections:
    detection = Detection(
        detector="d", version="1", subject_id=name, phase="begin", level="orange", onset_us=1, at_us=2,
        detected_at_us=3, title=title, value=1.0, threshold=0.5, unit="m", evidence={},
    )  # fmt: skip
    return Detections(detections=[detection])


def names(made: list[Message]) -> list[str]:
    found = []
    for message in made:
        one = codec.decode(message.value)
        assert isinstance(one, Detections)
        found += [detection.subject_id for detection in one.detections]
    return found


def whole(record: Record) -> Record | None:
    return record


def passage(topic: Topic = DETECTIONS) -> Passage:
    return Passage("here/detections", topic, "there.detections", whole)


def read(offset: int, value: bytes | Record, origin: Origin | None = None, partition: int = 0) -> Read:
    message = value if isinstance(value, bytes) else codec.encode(value)
    return Read(DETECTIONS, partition, offset, message, origin.headers() if origin else [])


@dataclass
class OtherSide:
    """What a reader there takes of the messages that arrive."""

    taken: list[tuple[int, str]] = field(default_factory=list)
    origins: dict[int, Origins] = field(default_factory=dict)
    saved: bytes | None = None

    def arrive(self, messages: list[Message]) -> None:
        for message in messages:
            origins = self.origins.setdefault(message.partition, Origins())
            if origins.is_new(origin_of(message.headers)):
                self.taken += [(message.partition, name) for name in names([message])]


@st.composite
def logs(draw: st.DrawFn) -> list[Read]:
    """Messages of two partitions; their maker was killed, too, and has made some of them again."""
    made: list[Read] = []
    for partition in range(2):
        n = draw(st.integers(0, 12))
        places, at = list[int](), 0
        while at < n:
            places.append(at)
            back = draw(st.sampled_from([0, 0, 0, 1, 3]))
            at = max(at + 1 - back, 0) if draw(st.booleans()) and len(places) < 30 else at + 1
        made += [
            read(offset, batch(f"{partition}.{place}"), Origin(f"m{partition}", place), partition)
            for offset, place in enumerate(places)
        ]
    return made


@given(logs(), st.data())
def test_killed_at_any_moment_it_carries_everything_once_and_in_order(log, data):
    there = OtherSide()
    for _ in range(data.draw(st.integers(0, 4))):  # lives that end with a kill
        one = passage()
        one.begin("cluster", there.saved)
        begin = one.offsets()[DETECTIONS.name]
        waiting = [r for r in log if r.offset >= begin.get(r.partition, 0)]
        while waiting:
            size = data.draw(st.integers(1, 5))
            made = one.take(waiting[:size])
            waiting = waiting[size:]
            end = data.draw(st.sampled_from(["go on", "go on", "saved", "sent", "half sent", "not sent"]))
            if end == "half sent":
                there.arrive(made[: data.draw(st.integers(0, len(made)))])
            elif end != "not sent":
                there.arrive(made)
            if end == "saved":
                there.saved = one.save()
            if end not in {"go on", "saved"}:
                break
    last = passage()
    last.begin("cluster", there.saved)
    begin = last.offsets()[DETECTIONS.name]
    there.arrive(last.take([r for r in log if r.offset >= begin.get(r.partition, 0)]))
    for partition in range(2):
        own = [int(name.split(".")[1]) for p, name in there.taken if p == partition]
        expected = len({r.value for r in log if r.partition == partition})
        assert own == list(range(expected))


def test_what_was_made_twice_before_goes_over_once_also_after_a_restart():
    one = passage()
    one.begin("cluster", None)
    assert names(one.take([read(0, batch("a"), Origin("m", 0)), read(1, batch("b"), Origin("m", 1))])) == [
        "a",
        "b",
    ]
    again = passage()
    again.begin("cluster", one.save())
    assert again.offsets() == {"detections": {0: 2}}
    assert names(again.take([read(2, batch("b"), Origin("m", 1)), read(3, batch("c"), Origin("m", 2))])) == [
        "c"
    ]
    assert again.health.repeated == 1


def test_some_of_a_batch_is_copied_to_another_topic_beside_it():
    def chosen(one: Record) -> Record | None:
        return one if isinstance(one, Detections) and one.detections[0].subject_id != "a" else None

    one = Passage("here/detections", DETECTIONS, "there.detections", whole, copied=("there.copies", chosen))
    one.begin("cluster", None)
    made = one.take([read(0, batch("a")), read(1, batch("b"))])
    assert [m.topic for m in made] == ["there.detections", "there.detections", "there.copies"]
    assert names(made) == ["a", "b", "b"]
    assert len({origin_of(m.headers) for m in made}) == len(made)


def test_another_kafka_is_read_from_its_beginning_under_another_name():
    one, there = passage(), OtherSide()
    one.begin("cluster", None)
    there.arrive(one.take([read(offset, batch(f"a{offset}")) for offset in range(5)]))
    after = passage()
    after.begin("other cluster", one.save())
    assert after.offsets() == {"detections": {}}
    there.arrive(after.take([read(0, batch("b0"))]))
    assert [name for _, name in there.taken][-1] == "b0"


def test_a_topic_that_was_made_anew_is_not_taken_for_a_repetition():
    one, there = passage(), OtherSide()
    one.begin("cluster", None)
    there.arrive(one.take([read(k, batch(f"a{k}"), Origin("m", k)) for k in range(5)]))
    there.arrive(one.take([read(0, batch("b0"), Origin("m", 0))]))
    later = passage()
    later.begin("cluster", one.save())
    there.arrive(later.take([read(1, batch("b1"), Origin("m", 1))]))
    assert [name for _, name in there.taken] == ["a0", "a1", "a2", "a3", "a4", "b0", "b1"]
    assert (one.health.restarts, later.health.restarts) == (1, 0)


def test_what_kafka_has_deleted_meanwhile_is_counted_but_not_the_marks_of_transactions():
    for topic, lost in ((DETECTIONS, 7), (ALERTS, 0)):
        one = passage(topic)
        one.begin("cluster", None)
        one.take([read(40, batch("a"))])  # where it begins nothing is missing
        one.take([read(48, batch("b"))])
        assert one.health.lost == lost


def test_what_cannot_be_read_or_has_become_too_large_is_counted_and_stops_nothing():
    large = batch("x" * 200, "y" * (MESSAGE_BYTES - 100))
    one = Passage("here/detections", DETECTIONS, "there", lambda _: large)
    one.begin("cluster", None)
    assert one.take([read(0, b"\x07from the future"), read(1, b""), read(2, batch("a"))]) == []
    assert (one.health.unreadable, one.health.too_large, one.health.messages) == (2, 1, 3)
    assert one.offsets() == {"detections": {0: 3}}


def test_a_message_that_grows_arrives_in_pieces_that_have_places_of_their_own():
    def longer(record: Record) -> Record:
        assert isinstance(record, Detections)
        return Detections(detections=record.detections * 3)

    one, there = Passage("here/detections", DETECTIONS, "there", longer), OtherSide()
    one.begin("cluster", None)
    made = one.take([read(0, batch("a", "y" * (MESSAGE_BYTES // 2)))])
    there.arrive(made)
    there.arrive(made)
    assert len(made) > 1
    assert len(there.taken) == 3


def test_damage_to_what_was_written_down_begins_anew():
    one = passage()
    one.begin("cluster", b"\xc1 no")
    assert one.offsets() == {"detections": {}}


def test_what_is_written_down_stays_small_whoever_writes():
    one = passage()
    one.begin("cluster", None)
    one.take([read(k, batch("a"), Origin(f"maker {k}", 0)) for k in range(MAKERS_KEPT + 50)])
    one.take(
        [read(k, batch("a"), Origin("x" * 10_000, k)) for k in range(MAKERS_KEPT + 50, MAKERS_KEPT + 60)]
    )
    assert len(one.save()) < 60 * MAKERS_KEPT


def test_nothing_comes_of_what_is_not_told():
    one = Passage("here/outcomes", DETECTIONS, "there", lambda _: None)
    one.begin("cluster", None)
    outcomes = CommandOutcomes(outcomes=[CommandOutcome(id="a", ok=True, message="")])
    assert one.take([read(0, outcomes)]) == []
    assert one.offsets() == {"detections": {0: 1}}


def step(name: str, number: int, state: str = "open", **more: Any) -> AlertTransitions:
    return AlertTransitions(transitions=[transition(name, number, state=state, **more)])


def alert_log(*batches: AlertTransitions) -> list[Read]:
    """Return messages with the marks of transactions between them."""
    return [read(2 * k, one, Origin("worker", k)) for k, one in enumerate(batches)]


def steps(made: list[Message]) -> list[tuple[str, bool]]:
    """Return the steps that arrive, and whether they call somebody."""
    batches = [codec.decode(message.value) for message in made]
    found = [one for batch in batches if isinstance(batch, AlertTransitions) for one in batch.transitions]
    return [(f"{one.alert_id}.{one.number}", not one.historic) for one in found]


def begun(log: list[Read], saved: bytes | None = None) -> Passage:
    """Return a passage as a bridge begins it, when these messages are there."""
    one = passage(ALERTS)
    one.begin("cluster", saved)
    if one.history is not None:
        one.history.note(log)
    return one


def test_who_begins_late_calls_nobody_for_what_is_over_and_once_for_what_is_open():
    past = alert_log(
        step("over", 1), step("now", 1), step("over", 2, "acknowledged"), step("late", 1, historic=True),
        step("now", 2), step("over", 3, "closed"),
    )  # fmt: skip
    log = [*past, read(12, step("now", 3, "closed"), Origin("worker", 6)), read(14, step("new", 1))]
    one = begun(past)
    assert steps(one.take(log)) == [
        ("over.1", False), ("now.1", False), ("over.2", False), ("late.1", False), ("now.2", True),
        ("over.3", False), ("now.3", True), ("new.1", True),
    ]  # fmt: skip
    assert one.health.historic == 4
    # it comes back after a cut and tells everything
    closed = [read(16, step("new", 2, "closed")), read(18, step("short", 1)), read(20, step("short", 2))]
    again = begun([*log, *closed], one.save())
    assert steps(again.take(closed)) == [("new.2", True), ("short.1", True), ("short.2", True)]


def test_who_began_with_nothing_to_tell_tells_everything_from_then_on():
    one = begun([])
    log = alert_log(step("a", 1), step("a", 2, "closed"))
    assert steps(begun(log, one.save()).take(log)) == [("a.1", True), ("a.2", True)]


@given(
    log=st.lists(st.sampled_from("abc"), max_size=15),
    past=st.integers(0, 15),
    kills=st.lists(st.integers(0, 15), max_size=3),
)
def test_killed_within_the_history_it_is_marked_as_if_it_was_not(log, past, kills):
    counts = dict.fromkeys("abc", 0)
    batches = []
    for name in log:  # each third step closes an alert
        number = counts[name] = counts[name] + 1
        state = "open" if number % 3 else "closed"
        batches.append(step(f"{name}{(number - 1) // 3}", (number - 1) % 3 + 1, state))
    messages = alert_log(*batches)
    lasts = {one.transitions[0].alert_id: one.transitions[0] for one in batches[:past]}
    expected = [
        (f"{one.alert_id}.{one.number}", k >= past or (lasts[one.alert_id] is one and one.state == "open"))
        for k, one in enumerate(batch.transitions[0] for batch in batches)
    ]
    saved = begun(messages[:past]).save()  # before anything is sent
    made: list[Message] = []
    for kill in [*kills, len(messages)]:
        one = begun(messages, saved)
        at = one.offsets()[ALERTS.name].get(0, 0)
        made += one.take([each for each in messages if each.offset >= at][:kill])
        saved = one.save()
    assert steps(made) == expected


def test_no_more_open_alerts_are_remembered_than_there_is_room(monkeypatch):
    monkeypatch.setattr(history, "OPEN_REMEMBERED", 2)
    log = alert_log(step("a", 1), step("b", 1), step("c", 1), step("b", 2))
    assert steps(begun(log).take(log)) == [("a.1", False), ("b.1", False), ("c.1", True), ("b.2", True)]


def test_damaged_messages_of_the_past_stop_nothing_and_count_once():
    log = [read(0, b"\x07from the future"), *[read(2, step("a", 1)), read(4, batch("no alert"))]]
    one = begun(log)
    assert steps(one.take(log)) == [("a.1", True)]
    assert one.health.unreadable == 1
