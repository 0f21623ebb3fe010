"""Lock times and whole cycles from epoch to epoch."""

from __future__ import annotations

import numpy as np

from gnss.to_rtcm.arcs import MOST_CYCLES_OFF_M, Arcs, Told

S = 1_000_000
WAVE_M = 0.19


class Receiver:
    """Follows signals, told as one likes; by default in steps of a second."""

    def __init__(self, *, tells: bool = True, most_lock_ms: int = 64_500) -> None:
        self.arcs = Arcs()
        self.tells, self.most_lock_ms = tells, most_lock_ms
        self.time_us = 1_000 * S

    def epoch(self, signals: dict[int, dict], *, step_us: int = S) -> dict[int, tuple[int, float]]:
        """Take signals by key; return lock time and phase by key."""
        self.time_us += step_us
        keys = list(signals)
        rows = [{"lock_ms": -1, "lost": False, "mark": 0, "phase_m": 2e7} | signals[key] for key in keys]
        told = Told(
            key=np.array(keys, np.int64),
            lock_ms=np.array([row["lock_ms"] for row in rows], np.int64),
            most_lock_ms=self.most_lock_ms,
            lost=np.array([row["lost"] for row in rows], np.bool_),
            mark=np.array([row["mark"] for row in rows], np.int64),
        )
        phase_m = np.array([row["phase_m"] for row in rows])
        n = len(keys)
        lock_ms, moved_m = self.arcs.follow(self.time_us, told, np.full(n, 2e7), phase_m, np.full(n, WAVE_M))
        return {key: (int(lock_ms[i]), float(moved_m[i])) for i, key in enumerate(keys)}

    def lock_ms(self, *signals: dict, step_us: int = S) -> list[int]:
        """Take epochs of one signal."""
        return [self.epoch({5: signal}, step_us=step_us)[5][0] for signal in signals]


def test_told_lock_times_are_taken() -> None:
    receiver = Receiver()
    assert receiver.lock_ms({"lock_ms": 3000}, {"lock_ms": 4000}, {"lock_ms": 500}, {"lock_ms": 0}) == [
        3000, 4000, 500, 0,
    ]  # fmt: skip


def test_beyond_the_receivers_limit_they_go_on() -> None:
    receiver = Receiver()
    told = [{"lock_ms": min(63_000 + 1000 * i, 64_500)} for i in range(100)]
    assert receiver.lock_ms(*told) == [63_000 + 1000 * i for i in range(100)]
    assert receiver.lock_ms({"lock_ms": 10}) == [10]


def test_after_a_gap_longer_than_the_limit_only_the_limit_is_sure() -> None:
    receiver = Receiver()
    assert receiver.lock_ms({"lock_ms": 64_500}, {"lock_ms": 64_500}) == [64_500, 65_500]
    assert receiver.lock_ms({"lock_ms": 64_500}, step_us=60 * S) == [125_500]
    assert receiver.lock_ms({"lock_ms": 64_500}, step_us=65 * S) == [64_500]


def test_half_a_cycle_that_comes_or_goes_begins_an_arc() -> None:
    receiver = Receiver()
    before = [{"lock_ms": 20_000}, {"lock_ms": 21_000}]
    after = [{"lock_ms": 22_000, "mark": 1}, {"lock_ms": 23_000, "mark": 1}, {"lock_ms": 24_000}]
    assert receiver.lock_ms(*before, *after) == [20_000, 21_000, 0, 1000, 0]


def test_without_told_lock_times_they_are_counted_from_the_first_epoch_or_a_loss() -> None:
    receiver = Receiver(tells=False)
    assert receiver.lock_ms({}, {}, {"lost": True}, {}, {}) == [0, 1000, 0, 1000, 2000]
    counted = [{"mark": 7}, {"mark": 7}, {"mark": 8}, {"mark": 8}]
    assert Receiver(tells=False).lock_ms(*counted) == [0, 1000, 0, 1000]


def test_lost_epochs_begin_arcs_unless_losses_are_counted() -> None:
    receiver = Receiver(tells=False)
    assert receiver.lock_ms({"mark": -1}, {"mark": -1}) == [0, 1000]
    assert receiver.lock_ms({"mark": -1}, step_us=3 * S) == [0]
    counting = Receiver(tells=False)
    assert counting.lock_ms({"mark": 4}, {"mark": 4}) == [0, 1000]
    assert counting.lock_ms({"mark": 4}, step_us=3 * S) == [4000]


def test_a_signal_that_was_away_begins_an_arc_and_the_others_go_on() -> None:
    receiver = Receiver(tells=False)
    receiver.epoch({5: {}, 9: {}})
    receiver.epoch({9: {}})
    found = receiver.epoch({9: {}, 5: {}})
    assert (found[9][0], found[5][0]) == (2000, 0)
    receiver.epoch({9: {"phase_m": np.nan}, 5: {}})
    found = receiver.epoch({5: {}, 9: {}})
    assert (found[9][0], found[5][0]) == (0, 2000)


def test_time_that_goes_back_begins_all_arcs() -> None:
    receiver = Receiver(tells=False)
    assert receiver.lock_ms({}, {}) == [0, 1000]
    assert receiver.lock_ms({}, step_us=-10 * S) == [0]
    assert receiver.lock_ms({}) == [1000]


def test_phases_far_from_their_ranges_are_moved_by_the_same_whole_cycles() -> None:
    receiver = Receiver()
    far_m = 2e7 - 3e6 + 0.05
    moved = [
        receiver.epoch({5: {"lock_ms": 9000 + 1000 * i, "phase_m": far_m + 100.0 * i}})[5] for i in range(12)
    ]
    cycles = [(phase_m - (far_m + 100.0 * i)) / WAVE_M for i, (_, phase_m) in enumerate(moved)]
    assert np.allclose(cycles, np.round(cycles), atol=1e-4)
    assert all(abs(phase_m - 2e7) <= MOST_CYCLES_OFF_M + WAVE_M for _, phase_m in moved)
    # they stay the same until the phase is too far again; there an arc begins
    steps = np.flatnonzero(np.abs(np.diff(cycles)) > 0.5) + 1
    assert [lock for lock, _ in moved if lock == 0] == [0] * (1 + len(steps))
    assert len(steps) == 1
    assert moved[0][0] == 0
    assert moved[1][0] == 1000
