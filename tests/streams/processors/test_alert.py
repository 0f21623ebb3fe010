import msgspec
import pytest

from streams import codec
from streams.alerts import SHOWN_AFTER_ANSWER_US, alert_id
from streams.pipeline import Pipeline
from streams.processor import Processor
from streams.processors.alert import CLOSED_LIMIT, UNANSWERED_LIMIT, Alert
from streams.processors.snapshots import CHUNK_BYTES
from streams.records import (
    AlertTransitions,
    Command,
    CommandOutcomes,
    Commands,
    Detection,
    Detections,
)
from streams.topics import ALERTS, COMMAND_OUTCOMES, topics_of


def detection(phase="begin", onset_us=1, level="blue", **changes):
    return Detection(
        detector="sea_level",
        version="1",
        subject_id="g.level",
        phase=phase,
        level=level,
        onset_us=onset_us,
        at_us=onset_us,
        detected_at_us=onset_us + 5,
        title="High",
        value=1.0,
        threshold=0.5,
        unit="m",
        evidence={"n": [1, 2.5, None]},
        **changes,
    )


def acknowledgement(onset_us=1, name="c1", by="Li"):
    target = alert_id("sea_level", "g.level", onset_us)
    return Commands(commands=[Command(id=name, kind="acknowledge_alert", target=target, by=by, at_us=50)])


def transitions(outputs):
    return [t for o in outputs if isinstance(o, AlertTransitions) for t in o.transitions]


def take(processor, *detections):
    return transitions(processor.on_batch(Detections(detections=list(detections))))


def test_it_is_a_processor_that_writes_what_it_says():
    processor = Alert()
    assert isinstance(processor, Processor)
    outputs = [
        *processor.on_batch(Detections(detections=[detection()])),
        *processor.on_batch(acknowledgement()),
    ]
    assert (
        {topic for o in outputs for topic in topics_of(o)}
        == {ALERTS, COMMAND_OUTCOMES}
        == set(processor.writes)
    )
    assert all(codec.decode(codec.encode(o)) == o for o in outputs)
    assert (list(processor.on_time(10)), list(processor.on_end())) == ([], [])


def test_from_opening_to_closing():
    processor = Alert()
    steps = take(processor, detection(), detection("update", level="red"), detection("begin", onset_us=2))
    (acknowledged, outcome) = processor.on_batch(acknowledgement())
    assert isinstance(outcome, CommandOutcomes)
    assert outcome.outcomes[0].ok
    assert outcome.outcomes[0].id == "c1"
    steps += [*transitions([acknowledged]), *take(processor, detection("end"))]
    assert [(s.onset_us, s.number, s.state, s.level) for s in steps] == [
        (1, 1, "open", "blue"),
        (1, 2, "open", "red"),
        (2, 1, "open", "blue"),
        (1, 3, "acknowledged", "red"),
        (1, 4, "closed", "red"),
    ]


def test_commands_are_each_answered_also_when_repeated_or_impossible():
    processor = Alert()
    take(processor, detection())
    answers = []
    for batch in (
        acknowledgement(),
        acknowledgement(),
        acknowledgement(7, "c2"),
        acknowledgement(1, "c3", " "),
    ):
        outputs = processor.on_batch(batch)
        answers += [(o.id, o.ok) for b in outputs if isinstance(b, CommandOutcomes) for o in b.outcomes]
    assert answers == [("c1", True), ("c1", True), ("c2", False), ("c3", False)]
    assert take(processor, detection("end"))[0].number == 3


def test_a_comment_stands_in_the_story_and_stays_through_a_restart():
    processor = Alert()
    (opened,) = take(processor, detection())
    said = Command(
        id="c1", kind="comment_alert", target=opened.alert_id, by="Li", at_us=50,
        arguments={"comment": "a ship is moored at the gauge"},
    )  # fmt: skip
    outputs = processor.on_batch(Commands(commands=[said]))
    (step,) = transitions(outputs)
    assert (step.number, step.state, step.change, step.by) == (2, "open", "commented", "Li")
    assert [o.ok for b in outputs if isinstance(b, CommandOutcomes) for o in b.outcomes] == [True]
    restored = Alert()
    restored.restore(list(processor.snapshot()))
    assert transitions(restored.on_batch(Commands(commands=[said]))) == []
    assert transitions(restored.on_batch(acknowledgement()))[0].number == 3


def test_a_command_for_a_region_below_is_left_to_it():
    processor = Alert()
    target = f"hangzhou:{alert_id('sea_level', 'g.level', 1)}"
    asked = Command(id="c1", kind="acknowledge_alert", target=target, by="Li", at_us=50)
    assert list(processor.on_batch(Commands(commands=[asked]))) == []
    assert processor.counts()["for_regions"] == 1


def test_repetition_after_a_restore_opens_nothing_again():
    processor = Alert()
    take(processor, detection(), detection(onset_us=2), detection("end", onset_us=2))
    processor.on_batch(acknowledgement())
    restored = Alert()
    restored.restore(list(processor.snapshot()))
    assert (
        take(restored, detection(), detection(onset_us=2), detection("update", onset_us=2, level="red")) == []
    )
    assert restored.on_batch(acknowledgement())[0].outcomes[0].ok
    (closed,) = take(restored, detection("end"))
    assert (closed.number, closed.evidence["n"]) == (3, [1, 2.5, None])


def test_memory_of_unanswered_alerts_is_bounded():
    processor = Alert()
    for onset_us in range(UNANSWERED_LIMIT + 7):
        take(processor, detection(onset_us=onset_us), detection("end", onset_us=onset_us))
    (batch,) = processor.on_time(10**9)
    assert [t.onset_us for t in batch.transitions] == list(range(7))
    assert {t.state for t in batch.transitions} == {"closed"}
    assert processor.on_time(10**9) == []


def test_what_is_over_and_answered_closes_by_time():
    processor = Alert()
    (opened,) = take(processor, detection())
    take(processor, detection("end"))
    ask = Command(id="c", kind="acknowledge_alert", target=opened.alert_id, by="Li", at_us=5000)
    processor.on_batch(Commands(commands=[ask]))
    assert processor.on_time(5000 + SHOWN_AFTER_ANSWER_US - 1) == []
    (batch,) = processor.on_time(5000 + SHOWN_AFTER_ANSWER_US)
    assert [(t.number, t.state) for t in batch.transitions] == [(4, "closed")]


def test_memory_of_closed_alerts_is_bounded_and_snapshots_come_in_small_chunks():
    processor = Alert()
    for onset_us in range(CLOSED_LIMIT + 10):
        whole = (detection(onset_us=onset_us), detection("end", onset_us=onset_us))
        take(processor, *(msgspec.structs.replace(d, historic=True) for d in whole))
    take(processor, *(detection(onset_us=-n) for n in range(1, 100)))
    chunks = list(processor.snapshot())
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= CHUNK_BYTES
    restored = Alert()
    restored.restore(chunks)
    assert list(restored.snapshot()) == chunks
    assert len(take(restored, *(detection(onset_us=n) for n in (0, 9, 10, CLOSED_LIMIT)))) == 2
    assert len(take(restored, *(detection("end", onset_us=-n) for n in range(1, 100)))) == 99


def test_cutting_changes_nothing():
    story = [
        detection(),
        detection("update", level="yellow"),
        detection(onset_us=3),
        detection("end"),
        msgspec.structs.replace(detection(onset_us=4), historic=True),
        detection("end", onset_us=3),
    ]
    whole = take(Alert(), *story)
    pieces = Alert()
    assert [t for d in story for t in take(pieces, d)] == whole


def test_another_batch_is_refused():
    with pytest.raises(TypeError, match="alert does not read"):
        Alert().on_batch(CommandOutcomes(outcomes=[]))


def test_what_another_program_told_before_a_kill_is_gone_on_from():
    """The number of the next step must be one that nobody has heard."""
    opened = take(Alert(), detection(level="yellow"))[0]
    told = [opened, msgspec.structs.replace(opened, number=2, level="red", change="level")]
    other = detection(onset_us=9)
    for number_told, levels in ((2, ["red"]), (1, ["yellow"])):
        processor = Alert()
        pipeline = Pipeline([processor])
        # this program makes one step of it
        round_ = [Detections(detections=[detection(level="yellow"), other])]
        pipeline.repeat([*round_, AlertTransitions(transitions=told[:number_told])], 10)
        assert not pipeline.failures
        assert processor.counts()["told_otherwise"] == number_told - 1
        ended = take(processor, detection("end"))[0]
        assert (ended.number, [ended.level]) == (number_told + 1, levels)
        assert take(processor, msgspec.structs.replace(other, phase="end"))[0].number == 2


def test_what_was_told_and_is_unknown_here_is_known_from_then_on():
    (step,) = take(Alert(), detection(level="red"))
    processor = Alert()
    Pipeline([processor]).repeat([AlertTransitions(transitions=[step])], 10)
    assert take(processor, detection(level="red")) == []
    assert take(processor, detection("end"))[0].number == 2
