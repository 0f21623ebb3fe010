"""What the collector looks at, and that cycles go all the same."""

import gc
import weakref

import pytest

from deploy.garbage import LONG_S, WHOLE_LOOK_S, Patience


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def patience():
    before = gc.get_threshold()
    one = Patience(Clock())
    yield one
    one.end()
    gc.set_threshold(*before)


def collection(patience: Patience, seconds: float, generation: int = 2) -> None:
    patience.told("start", {"generation": generation})
    patience._clock_s.now_s += seconds
    patience.told("stop", {"generation": generation, "collected": 0})


def test_what_survives_a_long_look_is_left_out_of_the_next_and_looked_at_again_after_hours(patience):
    node = Node()
    gone = weakref.ref(node)
    collection(patience, LONG_S)
    assert patience.frozen == 1
    assert gc.get_freeze_count() > 0
    del node
    gc.collect()
    assert gone() is not None, "it was looked at"
    patience._clock_s.now_s += WHOLE_LOOK_S
    collection(patience, 0.0, 0)
    gc.collect()
    assert gone() is None


def test_short_looks_and_young_ones_leave_nothing_out(patience):
    frozen = gc.get_freeze_count()
    collection(patience, 0.9 * LONG_S)
    collection(patience, 2 * LONG_S, generation=1)
    assert patience.frozen == 0
    assert gc.get_freeze_count() == frozen


def test_a_program_begins_with_itself_left_out_and_new_cycles_go(patience):
    patience.begin()
    assert gc.get_freeze_count() > 10_000
    node = weakref.ref(Node())
    gc.collect()
    assert node() is None
    patience.end()
    assert gc.get_freeze_count() == 0
