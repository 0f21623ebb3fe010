"""A group of processors at one partition: what it makes does not depend on crashes and repetitions."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.partitioning import pipeline, site_of
from deploy.registry import Registry
from deploy.settings import DatastreamSettings, Settings, ThingSettings
from streams import codec
from streams.kafka import tasks
from streams.kafka.origin import Origin, Origins, origin_of
from streams.kafka.tasks import ALERT, DATASTREAMS_REMEMBERED, SENSE, SnapshotError, Task
from streams.pipeline import Pipeline
from streams.recent_samples import DATASTREAMS, RecentSamples
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Change,
    Changes,
    Command,
    Commands,
    Detection,
    Detections,
    FlaggedSamples,
    RawBatch,
    Record,
    SampleBatch,
    Tick,
)
from streams.topics import REGISTRY as CHANGED
from streams.topics import SAMPLES

T0_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
REGISTRY = Registry.of(
    Settings(
        thing=[
            ThingSettings(
                id="gauge", longitude=121.0, latitude=31.0,
                datastream=[DatastreamSettings(property="water_level")],
            )
        ]
    )
)  # fmt: skip


def detection(number: int) -> Detections:
    phase = ("begin", "update", "end")[min(number % 7, 2)]
    return Detections(
        detections=[
            Detection(
                detector="sea_level", version="1", subject_id=f"gauge.{number // 7}", phase=phase,
                level="orange", onset_us=T0_US + number // 7, at_us=T0_US + number * SECOND_US,
                detected_at_us=T0_US + number * SECOND_US, title="High", value=1.0 + number, threshold=1.0,
                unit="m", evidence={"n": number},
            )
        ]
    )  # fmt: skip


def messages() -> list[tuple[str, int, bytes]]:
    """Topic, offset and value: detections, ticks and acknowledgements."""
    made, offsets = [], {"detections": 0, "commands": 0}
    for number in range(60):
        batches = [
            ("detections", detection(number)),
            ("detections", Tick(now_us=T0_US + number * 40_000_000)),
        ]
        if number % 9 == 3:
            command = Command(
                id=f"c{number}", kind="acknowledge_alert", target="x", by="me",
                at_us=T0_US + number * SECOND_US,
            )  # fmt: skip
            batches.append(("commands", Commands(commands=[command])))
        for topic, batch in batches:
            made.append((topic, offsets[topic], codec.encode(batch)))
            offsets[topic] += 1
    return made


def alerts() -> Task:
    return Task(ALERT, 0, pipeline(REGISTRY, [ALERT]))


def run(task: Task, some: list[tuple[str, int, bytes]]) -> list[bytes]:
    made = []
    for topic, offset, value in some:
        if not task.is_behind(topic, offset):
            made += [codec.encode(batch) for batch in task.take(topic, offset, value)]
    return made


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=4))
def test_a_snapshot_anywhere_and_reading_again_change_nothing(cuts: list[int]) -> None:
    whole = messages()
    undisturbed = run(alerts(), whole)
    task, made = alerts(), []
    for cut in sorted(min(cut, len(whole)) for cut in cuts):
        # everything from the begin is read again: what the state stands for is left out
        made += run(task, whole[:cut])
        chunks, task = task.snapshot(), alerts()
        task.restore(chunks)
    made += run(task, whole)
    assert made == undisturbed
    assert len(undisturbed) > 10


def test_time_goes_on_by_receiving_times_commands_detections_and_ticks() -> None:
    task = alerts()
    task.take("detections", 0, codec.encode(Tick(now_us=T0_US)))
    assert task.now_us == T0_US
    task.take("detections", 1, codec.encode(detection(5)))
    assert task.now_us == T0_US + 5 * SECOND_US
    task.take("detections", 2, codec.encode(Tick(now_us=T0_US)))
    assert task.now_us == T0_US + 5 * SECOND_US


def steps_of(made: list[Record]) -> list[AlertTransition]:
    return [step for one in made if isinstance(one, AlertTransitions) for step in one.transitions]


def test_a_command_from_the_future_counts_as_of_when_it_came() -> None:
    task, year_us = alerts(), 365 * 86_400 * SECOND_US
    (opened,) = steps_of(task.take("detections", 0, codec.encode(detection(0))))
    assert task.take("detections", 1, codec.encode(detection(2))), "it is over"
    asked = Command(
        id="c", kind="acknowledge_alert", target=opened.alert_id, by="me", at_us=T0_US + year_us
    )  # fmt: skip
    message = codec.encode(Commands(commands=[asked]))
    answered = steps_of(task.take("commands", 0, message, stamp_us=T0_US + SECOND_US))
    assert [step.at_us for step in answered] == [T0_US + 61 * SECOND_US]
    assert task.now_us == T0_US + 61 * SECOND_US
    closed = steps_of(task.take("detections", 2, codec.encode(Tick(now_us=T0_US + 700 * SECOND_US))))
    assert [step.change for step in closed] == ["closed"], "it expires in its time"


def test_a_message_that_was_made_twice_counts_once() -> None:
    task = alerts()
    first = codec.encode(detection(0))
    assert task.take("detections", 0, first, Origin("sense/3/samples", 17))
    assert task.take("detections", 1, codec.encode(detection(7)), Origin("sense/3/samples", 17, 1))
    # made again after a crash, with older ones of a zombie
    assert not task.take("detections", 2, first, Origin("sense/3/samples", 17))
    assert not task.take("detections", 3, codec.encode(detection(14)), Origin("sense/3/samples", 16, 4))
    assert task.origins.repeated == 2
    assert task.take("detections", 4, codec.encode(detection(14)), Origin("sense/4/samples", 2))


def test_what_cannot_be_read_counts_as_taken() -> None:
    task = alerts()
    with pytest.raises(codec.UnknownVersionError, match="version 9"):
        task.take("detections", 5, b"\x09whatever")
    with pytest.raises(codec.CodecError):
        task.take("detections", 6, b"\x01\xff\xff")
    assert task.next_offset == {"detections": 7}
    assert task.is_behind("detections", 6)
    assert not task.is_behind("detections", 7)


def test_a_damaged_snapshot_is_refused() -> None:
    task = alerts()
    run(task, messages()[:20])
    chunks = task.snapshot()
    for damaged in ([], [b"\x00"], [chunks[0][:-3]], [chunks[0][:9]]):
        with pytest.raises(SnapshotError, match="alert/0"):
            alerts().restore(damaged)


def test_a_processor_that_does_not_read_a_kind_leaves_it_alone() -> None:
    task = Task(SENSE, 0, pipeline(REGISTRY, [SENSE]))
    assert task.take("samples", 0, codec.encode(RawBatch(chunks=[]))) == []
    assert task.failures() == []


@given(st.text(max_size=20), st.integers(0, 2**62), st.integers(0, 2**31))
def test_an_origin_travels_in_headers(maker: str, offset: int, number: int) -> None:
    origin = Origin(maker, offset, number)
    assert origin_of([("other", b"x"), *origin.headers()]) == origin


def test_headers_that_say_nothing_are_no_origin() -> None:
    for headers in (
        [],
        [("maker", b"a")],
        [("maker", b"\xff"), ("place", b"1.2")],
        [("maker", b"a"), ("place", b"1")],
    ):
        assert origin_of(headers) is None
    assert Origins().is_new(None)


def test_makers_that_are_remembered_are_bounded() -> None:
    origins = Origins()
    for number in range(10_000):
        assert origins.is_new(Origin(f"maker {number}", 1))
    assert len(origins.last) <= 4096
    assert not origins.is_new(Origin("maker 9999", 1))


def test_datastreams_of_a_site_meet() -> None:
    site = site_of(REGISTRY)
    assert site("gauge.water_level") == "gauge"
    assert site("unknown/a/level") == "unknown/a"
    assert site("lonely") == "lonely"


def samples(times_s: list[int], values: list[float]) -> bytes:
    n = len(times_s)
    time_us = T0_US + np.array(times_s, np.int64) * SECOND_US
    batch = SampleBatch(
        datastream_ids=["gauge.water_level"], series=np.zeros(n, np.int32), time_us=time_us,
        value=np.array(values, np.float64), received_at_us=time_us + SECOND_US,
    )  # fmt: skip
    return codec.encode(batch)


def test_samples_that_a_broker_sends_again_are_left_out_also_after_a_restart() -> None:
    task = Task(SENSE, 0, pipeline(REGISTRY, [SENSE]))
    first = [60 * k for k in range(100)]
    values = [0.1 * (k % 7) for k in range(99)] + [math.nan]
    whole = task.take("samples", 0, samples(first, values))
    assert whole
    chunks, task = task.snapshot(), Task(SENSE, 0, pipeline(REGISTRY, [SENSE]))
    task.restore(chunks)
    for begin in range(0, 100, 10):
        part = slice(begin, begin + 10)
        made = task.take("samples", 1, samples(first[part], values[part]))
        assert not [one for one in made if isinstance(one, FlaggedSamples) and len(one)]
    assert task.recent.left_out == 100
    # what is new among them counts
    task.take("samples", 2, samples([60 * 98, 60 * 99, 60 * 100], [values[98], 3.0, 0.5]))
    assert task.recent.left_out == 101


def test_the_tasks_of_a_worker_remember_no_more_datastreams_than_one_program(monkeypatch) -> None:
    assert DATASTREAMS_REMEMBERED * SAMPLES.partitions <= DATASTREAMS
    monkeypatch.setattr(tasks, "DATASTREAMS_REMEMBERED", 3)
    task = Task(SENSE, 0, pipeline(REGISTRY, [SENSE]))
    whole = RecentSamples(most=9)
    for number in range(9):
        at_us = np.array([T0_US + number])
        batch = SampleBatch(
            datastream_ids=[f"gauge.{number}"], series=np.zeros(1, np.int32), time_us=at_us,
            value=np.ones(1), received_at_us=at_us,
        )  # fmt: skip
        whole.without(batch)
        task.take("samples", number, codec.encode(batch))
    newest = [f"gauge.{number}" for number in (6, 7, 8)]
    assert [*msgspec.msgpack.decode(task.recent.snapshot())] == newest
    # what an older program remembered is cut
    task.recent = whole
    again = Task(SENSE, 0, pipeline(REGISTRY, [SENSE]))
    again.restore(task.snapshot())
    assert [*msgspec.msgpack.decode(again.recent.snapshot())] == newest


def test_a_processor_that_is_new_in_the_program_knows_what_was_changed_before():
    seen = []

    class New:
        name, reads, writes = "new", (CHANGED,), ()

        def on_batch(self, batch):
            seen.append(batch)
            return []

        def on_time(self, now_us):
            return []

        def snapshot(self):
            return [b"state"]

        def restore(self, chunks):
            seen.append(list(chunks))

    class Old(New):
        name = "old"

    before = Task(ALERT, 0, Pipeline([Old()]))
    after = Task(ALERT, 0, Pipeline([Old(), New()]))
    after.restore(before.snapshot())
    change = Change(
        kind="silence", id="s", version=1, verb="delete", before=None, after=None, by="li", at_us=1,
        command_id="c",
    )  # fmt: skip
    changes = Changes(changes=[change])
    after.begin(changes, only_new=True)
    assert seen == [[b"state"], changes]
