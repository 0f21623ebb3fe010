"""Samples that came before are left out, whoever remembers them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.records import SampleBatch
from streams.rounds import Repetitions

Row = tuple[str, int, float]


@dataclass
class Known:
    """All that ever came."""

    rows: set[tuple[str, int, bytes]] = field(default_factory=set)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def stored(
        self,
        datastream_ids: Sequence[str],
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        columns = zip(series, time_us.tolist(), value, strict=True)
        asked = [(datastream_ids[i], t, v.tobytes()) for i, t, v in columns]
        self.asked += [one[:2] for one in asked]
        return np.array([one in self.rows for one in asked], np.bool_)


def batch_of(rows: list[Row]) -> SampleBatch:
    names = ["idle", *dict.fromkeys(name for name, _, _ in rows)]
    return SampleBatch(
        datastream_ids=names,
        series=np.array([names.index(name) for name, _, _ in rows], np.int32),
        time_us=np.array([t for _, t, _ in rows], np.int64),
        value=np.array([value for _, _, value in rows], np.float64),
        received_at_us=np.arange(len(rows)),
    )


rows = st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from([0.0, -0.0, 1.5, math.nan]))


@settings(deadline=None)
@given(st.lists(st.lists(rows, max_size=20), max_size=8))
def test_what_came_before_is_left_out_and_only_what_is_not_newer_is_asked_for(work: list[list[Row]]) -> None:
    known, newest = Known(), dict[str, int]()
    repetitions, left_out = Repetitions(known), 0
    for some in work:
        kept, there = [], set(known.rows)
        for i, (name, t, value) in enumerate(some):
            one = (name, t, np.float64(value).tobytes())
            if one not in there:
                there.add(one)
                kept.append(i)
        known.asked.clear()
        assert repetitions.without(batch_of(some)).received_at_us.tolist() == kept
        expected = [(name, t) for name, t, _ in some if t <= newest.get(name, t)]
        assert sorted(known.asked) == sorted(expected)
        left_out += len(some) - len(kept)
        assert repetitions.left_out == left_out
        known.rows = there
        for name, t, _ in some:
            newest[name] = max(t, newest.get(name, t))


def test_after_a_start_each_message_that_is_sent_again_is_left_out() -> None:
    known = Known({("a", t, np.float64(1.5).tobytes()) for t in range(5)})
    repetitions = Repetitions(known)
    for t in range(5):
        assert len(repetitions.without(batch_of([("a", t, 1.5)]))) == 0
    assert len(repetitions.without(batch_of([("a", 4, 1.5), ("a", 5, 1.5), ("a", 6, 1.5)]))) == 2
    known.rows |= {("a", 5, np.float64(1.5).tobytes()), ("a", 6, np.float64(1.5).tobytes())}
    known.asked.clear()
    assert len(repetitions.without(batch_of([("a", 6, 1.5), ("a", 7, 1.5)]))) == 1
    assert known.asked == [("a", 6)]
    assert repetitions.left_out == 7
