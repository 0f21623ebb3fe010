import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streams import codec
from streams.records import (
    EARLIEST_US,
    LATEST_US,
    AlertTransition,
    AlertTransitions,
    Command,
    Commands,
    FlaggedSamples,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    Tick,
)
from streams.topics import TOPICS, partition_of, topics_of

times = st.integers(EARLIEST_US, LATEST_US)


def same(a: Record, b: Record) -> bool:
    if type(a) is not type(b):
        return False
    for name in a.__struct_fields__:
        x, y = getattr(a, name), getattr(b, name)
        if isinstance(x, np.ndarray):
            if x.dtype != y.dtype or not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
                return False
        elif x != y:
            return False
    return True


@given(
    n=st.integers(0, 50),
    ids=st.lists(st.text(max_size=20), min_size=1, max_size=5),
    payload=st.binary(max_size=300),
    received=st.none() | times,
    values=st.data(),
)
def test_every_batch_comes_back_as_it_went(n, ids, payload, received, values):
    draw = values.draw
    columns = {
        "datastream_ids": ids,
        "series": draw(hnp.arrays(np.int32, n, elements=st.integers(0, len(ids) - 1))),
        "time_us": draw(hnp.arrays(np.int64, n, elements=times)),
        "value": draw(hnp.arrays(np.float64, n)),
        "received_at_us": draw(hnp.arrays(np.int64, n, elements=times)),
    }
    flagged = FlaggedSamples(
        **columns,
        revision=np.zeros(n, np.int32),
        tests=["gross_range", "spike"],
        flags=draw(hnp.arrays(np.uint8, (n, 2))),
        flag=draw(hnp.arrays(np.uint8, n)),
    )
    raw = RawBatch(chunks=[RawChunk(station_id=ids[0], payload=payload, received_at_us=received)])
    command = Commands(
        commands=[
            Command(id="1", kind="acknowledge_alert", target="x", by=ids[0], at_us=1, arguments={"a": 1})
        ]
    )
    for batch in (SampleBatch(**columns), flagged, raw, command):
        assert same(batch, codec.decode(codec.encode(batch)))


def test_a_newer_version_is_refused_by_name():
    message = codec.encode(RawBatch(chunks=[]))
    with pytest.raises(codec.UnknownVersionError, match="message version 2, this program reads 1"):
        codec.decode(bytes((2,)) + message[1:])


@given(st.binary(max_size=400))
def test_damaged_bytes_raise_only_the_codec_error(noise):
    with pytest.raises(codec.CodecError):
        codec.decode(bytes((codec.VERSION,)) + b"\xc1" + noise)
    with contextlib.suppress(codec.CodecError):
        codec.decode(noise)


@given(cut=st.integers(0, 200), flip=st.integers(0, 200), bit=st.integers(0, 7))
def test_cut_or_flipped_batches_raise_or_decode_but_never_crash(cut, flip, bit):
    batch = SampleBatch(
        datastream_ids=["a"],
        series=np.zeros(3, np.int32),
        time_us=np.arange(3),
        value=np.ones(3),
        received_at_us=np.arange(3),
    )
    message = bytearray(codec.encode(batch))
    message[flip % len(message)] ^= 1 << bit
    with contextlib.suppress(codec.CodecError):
        codec.decode(bytes(message[: len(message) - cut % len(message)]))


def test_columns_of_unequal_length_are_damaged():
    column = np.arange(3)
    whole = {
        "series": column.astype(np.int32),
        "time_us": column,
        "value": column / 2,
        "received_at_us": column,
    }
    fields = {"type": "samples", "datastream_ids": ["a", "b", "c"]}
    assert len(codec.decode(raw(fields | whole))) == 3
    for name, values in whole.items():
        for wrong in (values[:2], values.reshape(3, 1), values[:1].reshape(())):
            with pytest.raises(codec.CodecError, match="damaged message"):
                codec.decode(raw(fields | whole | {name: wrong}))


def flagged_fields():
    batch = FlaggedSamples(
        datastream_ids=["a", "b"],
        series=np.array([0, 1, 1], np.int32),
        time_us=np.arange(3),
        value=np.ones(3),
        received_at_us=np.arange(3),
        revision=np.zeros(3, np.int32),
        tests=["gross_range", "spike"],
        flags=np.ones((3, 2), np.uint8),
        flag=np.ones(3, np.uint8),
    )
    return {"type": "flagged_samples"} | {name: getattr(batch, name) for name in batch.__struct_fields__}


@pytest.mark.parametrize(
    "wrong",
    [
        {"series": np.array([0, 1, 2], np.int32)},
        {"series": np.array([0, -1, 1], np.int32)},
        {"series": np.array([0, 1, 1])},
        {"time_us": np.array([0, 1, LATEST_US + 1])},
        {"received_at_us": np.array([0, EARLIEST_US - 1, 1])},
        {"value": np.ones(3, np.float32)},
        {"value": np.ones(2)},
        {"revision": np.zeros(2, np.int32)},
        {"flags": np.ones((3, 1), np.uint8)},
        {"flags": np.ones(6, np.uint8)},
        {"flag": np.ones(3, np.int32)},
        {"tests": ["spike"]},
    ],
)
def test_samples_that_cannot_be_stored_or_shown_are_damaged(wrong):
    fields = flagged_fields()
    assert len(codec.decode(raw(fields))) == 3
    with pytest.raises(codec.CodecError, match="damaged message"):
        codec.decode(raw(fields | wrong))
    if not {"tests", "flags", "flag", "revision"} & wrong.keys():
        names = SampleBatch.__struct_fields__
        plain = {name: value for name, value in (fields | wrong).items() if name in names}
        with pytest.raises(codec.CodecError, match="damaged message"):
            codec.decode(raw({"type": "samples"} | plain))


def test_a_message_as_deep_as_somebody_liked_is_damaged():
    begin, end = codec.encode(transitions({"a": 0})).split(b"\xa1a\x00")

    def nested(levels):
        return begin + b"\xa1a" + levels * b"\x91" + b"\x00" + end

    for levels in (codec.MOST_LEVELS, 500, 5_000, 200_000):
        with pytest.raises(codec.CodecError, match="damaged message"):
            codec.decode(nested(levels))
    found = codec.decode(nested(codec.MOST_LEVELS - 1))  # the table of evidence itself is the first level
    assert codec.encode(found) == nested(codec.MOST_LEVELS - 1)


@pytest.mark.parametrize("wrong", [EARLIEST_US - 1, LATEST_US + 1, 2**63, -(2**63)])
def test_times_that_no_program_can_hold_are_damaged(wrong):
    for batch in (transitions({}, wrong), Tick(now_us=wrong)):
        with pytest.raises(codec.CodecError, match="damaged message"):
            codec.decode(codec.encode(batch))
    for edge in (EARLIEST_US, LATEST_US):
        assert codec.decode(codec.encode(Tick(now_us=edge))) == Tick(now_us=edge)


def transitions(evidence, at_us=1):
    step = AlertTransition(
        alert_id="a", number=1, state="open", level="red", rule="r", subject_id="s", title="", onset_us=at_us,
        opened_at_us=1, at_us=1, change="opened", evidence=evidence,
    )  # fmt: skip
    return AlertTransitions(transitions=[step])


def raw(fields):
    return bytes((codec.VERSION,)) + codec._encoder.encode(fields)


def test_columns_of_other_kinds_cannot_travel():
    for wrong in (np.zeros(1, ">i8"), np.zeros(1, np.bool_), np.zeros(1, "U3"), object()):
        with pytest.raises(TypeError, match="cannot encode"):
            codec._encoder.encode({"x": wrong})


def test_each_batch_type_has_one_topic():
    assert len({t.name for t in TOPICS}) == len({t.batch for t in TOPICS}) == len(TOPICS)
    assert [topic.name for topic in topics_of(RawBatch(chunks=[]))] == ["raw"]


def test_partitions_are_fixed_for_ever():
    raw = next(t for t in TOPICS if t.name == "raw")
    # 0xCBF43926 is the published check value of CRC-32.
    assert [partition_of(s, raw) for s in ("", "123456789")] == [0, 0xCBF43926 % raw.partitions]
