"""Which samples the live page is told of: the newest of each datastream, those that wait longest first."""

from __future__ import annotations

from collections import OrderedDict

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboards.newest_samples import NewestSamples
from tests.dashboards import country as c

LIMIT = 4
names = st.sampled_from([f"site/{i}" for i in range(9)])
samples = st.tuples(names, st.integers(-3, 3), st.floats(0, 9), st.sampled_from([1, 3, 4]))
steps = st.lists(st.lists(samples, max_size=12) | st.integers(0, 5), max_size=12)


class OneByOne:
    """What `NewestSamples` does, a sample at a time."""

    def __init__(self):
        self.newest, self.unsent = OrderedDict(), OrderedDict()

    def add(self, rows):
        for name, time_us, value, flag in rows:
            if name not in self.newest and len(self.newest) == LIMIT:
                self.unsent.pop(self.newest.popitem(last=False)[0], None)
            if time_us >= self.newest.get(name, (-99,))[0]:
                self.newest[name] = time_us, value, flag
                self.unsent.setdefault(name)
            self.newest.move_to_end(name)

    def take(self, limit):
        taken = [self.unsent.popitem(last=False)[0] for _ in range(min(limit, len(self.unsent)))]
        return [(name, *self.newest[name]) for name in taken]


def batch_of(rows, *, has_each_name_once=True):
    told = list(dict.fromkeys(row[0] for row in rows)) if has_each_name_once else [row[0] for row in rows]
    series = [told.index(row[0]) for row in rows] if has_each_name_once else range(len(rows))
    one = c.samples([row[1:] for row in rows])
    return msgspec.structs.replace(
        one, datastream_ids=["unused", *told], series=np.array(series, np.int32) + 1
    )


@given(steps, st.booleans())
def test_columns_give_what_one_by_one_gives(steps, has_each_name_once):
    fast, slow = NewestSamples(LIMIT), OneByOne()
    for step in steps:
        if isinstance(step, int):
            assert fast.take(step) == slow.take(step)
            continue
        for begin in range(0, len(step), LIMIT):  # who is forgotten is settled piece by piece
            rows = step[begin : begin + LIMIT]
            room = LIMIT - len({row[0] for row in rows} | set(slow.newest))
            for name in [n for n in slow.newest if n not in {row[0] for row in rows}][: max(-room, 0)]:
                del slow.newest[name]
                slow.unsent.pop(name, None)
            slow.add(rows)
        if step:
            fast.add(batch_of(step, has_each_name_once=has_each_name_once))
        assert len(fast) == len(slow.newest) <= LIMIT
    assert fast.take(99) == slow.take(99)


def test_of_many_that_are_invented_the_ones_heard_before_are_forgotten_a_hundredth_at_a_time():
    newest = NewestSamples(1000)
    newest.add(batch_of([(f"n{i}", 1, float(i), 1) for i in range(1000)]))
    assert len(newest) == 1000
    newest.add(batch_of([("n0", 2, 5.0, 1), ("new", 1, 1.0, 1)]))
    assert len(newest) == 991
    told = [name for name, *_ in newest.take(2000)]
    assert told == ["n0", *(f"n{i}" for i in range(11, 1000)), "new"]
    for k in range(100):
        newest.add(batch_of([(f"invented {k} {i}", 1, 1.0, 1) for i in range(700)]))
        assert len(newest) <= 1000
    assert {name for name, *_ in newest.take(2000)} >= {f"invented 99 {i}" for i in range(700)}
    assert len(newest._names) <= 4000
