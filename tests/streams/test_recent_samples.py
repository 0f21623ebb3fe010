"""What is left out and what is remembered, held against a plain model that keeps lists."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.recent_samples import REMEMBERED, RecentSamples
from streams.records import EARLIEST_US, SampleBatch

Row = tuple[str, int, float]
MOST = 3
NAMES = "abcde"


def batch_of(rows: list[Row], idle: str = "") -> SampleBatch:
    names = list(dict.fromkeys([*idle, *(name for name, _, _ in rows)]))
    return SampleBatch(
        datastream_ids=names,
        series=np.array([names.index(name) for name, _, _ in rows], np.int32),
        time_us=np.array([t for _, t, _ in rows], np.int64),
        value=np.array([value for _, _, value in rows], np.float64),
        received_at_us=np.arange(len(rows)),
    )


class Model:
    """Lists of what came, the datastream heard longest ago first."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[int, bytes]]] = {}

    def without(self, rows: list[Row]) -> list[int]:
        kept, there = [], {(name, *one) for name, ones in self.known.items() for one in ones}
        new: dict[str, list[tuple[int, bytes]]] = {}
        for i, (name, t, value) in enumerate(rows):
            one = (t, np.float64(value).tobytes())
            if (name, *one) not in there:
                there.add((name, *one))
                kept.append(i)
                new.setdefault(name, []).append(one)
        first = list(dict.fromkeys(name for name, _, _ in rows))
        for name in sorted(new, key=first.index):
            self.known[name] = (self.known.pop(name, []) + new[name])[-REMEMBERED:]
        while len(self.known) > MOST:
            del self.known[next(iter(self.known))]
        return kept

    def snapshot(self) -> bytes:
        """As the first program wrote it: a map of times and values, eight bytes each."""
        return msgspec.msgpack.encode(
            {
                name: b"".join(t.to_bytes(8, "little", signed=True) + bits for t, bits in ones)
                for name, ones in self.known.items()
            }
        )


names = st.sampled_from(NAMES)
single = st.tuples(
    names, st.integers(-2, 12) | st.just(EARLIEST_US), st.sampled_from([0.0, -0.0, 1.5, math.nan])
).map(lambda row: [row])
run = st.builds(
    lambda name, begin, count, step: [(name, begin + step * k, 1.5) for k in range(count)],
    names,
    st.integers(0, 150),
    st.integers(1, REMEMBERED + 40),
    st.sampled_from([1, -1, 3]),
)
batches = st.lists(single | run, max_size=8).map(lambda parts: [row for part in parts for row in part])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(batches, st.booleans()), max_size=6))
def test_it_is_as_the_model_whatever_comes_and_also_over_snapshots(
    work: list[tuple[list[Row], bool]],
) -> None:
    recent, model, left_out = RecentSamples(most=MOST), Model(), 0
    for rows, restart in work:
        batch, kept = batch_of(rows), model.without(rows)
        found = recent.without(batch)
        assert found.received_at_us.tolist() == kept
        assert found.time_us.tolist() == batch.time_us[kept].tolist()
        assert found.value.tobytes() == batch.value[kept].tobytes()
        assert found.series.tolist() == batch.series[kept].tolist()
        assert found.datastream_ids == batch.datastream_ids
        left_out += len(rows) - len(kept)
        assert recent.left_out == left_out
        assert recent.snapshot() == model.snapshot()
        if restart:
            recent, left_out = RecentSamples(model.snapshot(), most=MOST), 0


def test_the_rows_of_many_datastreams_are_used_again() -> None:
    recent = RecentSamples(most=100)
    for number in range(40):
        rows = [(f"{number}.{k}", number, float(k)) for k in range(70)]
        assert len(recent.without(batch_of(rows))) == 70
        assert len(recent.without(batch_of(rows[-5:]))) == 0
    known = msgspec.msgpack.decode(recent.snapshot(), type=dict[str, bytes])
    assert [*known] == [f"38.{k}" for k in range(40, 70)] + [f"39.{k}" for k in range(70)]


def test_a_datastream_without_a_sample_is_not_heard_of() -> None:
    recent = RecentSamples(most=2)
    recent.without(batch_of([("a", 1, 1.0)], idle="xyz"))
    recent.without(batch_of([("b", 1, 1.0)], idle="a"))
    recent.without(batch_of([("c", 1, 1.0)]))
    assert [*msgspec.msgpack.decode(recent.snapshot())] == ["b", "c"]


def test_nothing_can_be_remembered() -> None:
    recent = RecentSamples()
    assert len(recent.without(batch_of([], idle="a"))) == 0
    again = RecentSamples(recent.snapshot())
    assert again.snapshot() == recent.snapshot()
