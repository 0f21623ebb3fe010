"""Several gatherers have a station: rovers get every epoch whole, once, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.caster.link.change_over import AWAY_S, SILENT_S, ChangeOver
from tests.connectors.link.frames import epoch, observed
from tests.rtcm_frames import of_type, split


class Rover:
    """What comes out, at a time that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.got: list[bytes] = []
        self.change_over = ChangeOver(lambda _, frames: self.got.append(frames), lambda: self.now_s)

    def take(self, gatherer: str, frames: bytes, station: str = "A") -> None:
        self.change_over.take(gatherer, station, frames)


def test_the_first_leads_and_others_are_left_out():
    rover = Rover()
    for second in range(5):
        rover.now_s = float(second)
        rover.take("one", epoch(second))
        rover.take("two", epoch(second))
    assert rover.got == [epoch(second) for second in range(5)]
    assert rover.change_over.left_out_bytes == 5 * len(epoch(0))
    assert rover.change_over.changes == 0


def test_a_lost_leader_is_replaced_at_once_and_nothing_comes_twice():
    rover = Rover()
    rover.take("one", epoch(1))
    rover.take("one", epoch(2))
    rover.change_over.lost("one")
    rover.take("two", epoch(2))  # it was behind
    rover.take("two", epoch(3))
    rover.take("one", epoch(3))  # it is back
    assert rover.got == [epoch(1), epoch(2), epoch(3)]
    assert rover.change_over.changes == 1


def test_the_rest_of_an_epoch_comes_from_the_other_one():
    rover = Rover()
    whole = epoch(1, systems=4)
    first = next(iter(split(whole)))
    rover.take("one", first)
    rover.change_over.lost("one")
    rover.take("two", whole)
    assert b"".join(rover.got) == whole


def test_a_new_leader_that_is_behind_waits_until_it_has_caught_up():
    rover = Rover()
    week = 604_800_000
    rover.take("one", epoch(week - 1000))
    rover.take("one", epoch(0))
    rover.change_over.lost("one")
    for behind_ms in range(9000, 1000, -1000):
        rover.take("two", epoch(week - behind_ms))
    rover.take("two", epoch(0))
    rover.take("two", epoch(1000))
    assert rover.got == [epoch(week - 1000), epoch(0), epoch(1000)]
    rover.change_over.lost("two")
    rover.take("one", epoch(week - 3_600_000))  # the receiver itself went back
    assert rover.got[-1] == epoch(week - 3_600_000)


def test_a_silent_leader_is_replaced_and_waits_when_it_is_back():
    rover = Rover()
    rover.take("one", epoch(1))
    rover.now_s = SILENT_S / 2
    rover.take("two", epoch(2))
    assert rover.got == [epoch(1)]
    rover.now_s = SILENT_S
    rover.take("two", epoch(3))
    rover.take("one", epoch(2))
    assert rover.got == [epoch(1), epoch(3)]


def test_stations_are_led_one_by_one_and_a_long_absence_compares_nothing():
    rover = Rover()
    rover.take("one", of_type(1005), "A")
    rover.take("two", of_type(1005), "B")
    rover.change_over.lost("one")
    rover.now_s = AWAY_S + 1
    rover.take("two", of_type(1005), "A")
    assert rover.got == [of_type(1005)] * 3


def test_what_is_not_listed_any_more_is_forgotten():
    rover = Rover()
    rover.take("one", epoch(1), "A")
    rover.take("one", epoch(1), "B")
    rover.change_over.keep_only({"B"})
    rover.take("two", epoch(1), "A")
    assert rover.got == [epoch(1)] * 3


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["brings", "brings", "brings", "lost"]), st.sampled_from(["one", "two"])),
        max_size=60,
    )
)
def test_whatever_two_gatherers_do_epochs_are_whole_in_order_and_once(steps):
    """Each brings the same epochs in order, at its own pace, and is at most two behind the other."""
    rover = Rover()
    next_of = {"one": 0, "two": 0}
    for what, gatherer in steps:
        if what == "lost":
            rover.change_over.lost(gatherer)
            continue
        other = "two" if gatherer == "one" else "one"
        if next_of[gatherer] > next_of[other] + 1:
            continue
        rover.take(gatherer, epoch(next_of[gatherer]))
        next_of[gatherer] += 1
    numbers = {epoch(n): n for n in range(len(steps))}
    assert all(one in numbers for one in rover.got)
    got = [numbers[one] for one in rover.got]
    assert got == sorted(set(got))


def test_a_frame_that_looks_like_no_epoch_passes():
    rover = Rover()
    rover.take("one", observed(1077, 1, more=True))
    rover.change_over.lost("one")
    rover.take("two", b"")
    assert rover.got == [observed(1077, 1, more=True)]
