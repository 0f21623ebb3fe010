"""A bridge that is killed anywhere: each message counts once on the other side, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.kafka.origin import Origin, Origins, origin_of
from streams.kafka.output import Message
from streams.kafka.passage import MAKERS_KEPT, Passage
from streams.kafka.reader import Read
from streams.records import CommandOutcome, CommandOutcomes, Detection, Detections, Record
from streams.topics import ALERTS, DETECTIONS, MESSAGE_BYTES, Topic


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
