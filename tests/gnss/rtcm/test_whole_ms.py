"""Whole milliseconds are restored: against ranges that are known, whatever the receiver's clock."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnss.observations import PARTIAL, Observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.whole_ms import MILLISECOND_M, partial_modulus_m, restore_whole_ms
from gnss.systems import System

OTHER_COLUMNS = [f.name for f in fields(Observations) if f.name not in {"range_m", "phase_m", "flags"}]


def columns(
    satellites: list[int], range_m: NDArray[np.float64], phase_m: NDArray[np.float64], row: Any = 0
) -> Observations:
    n = len(satellites)
    zeros = np.zeros(n, np.uint8)
    return Observations(
        row=np.broadcast_to(np.asarray(row, np.int32), n).copy(),
        system=zeros,
        satellite=np.array(satellites, np.uint8),
        signal=zeros + np.uint8(2),
        range_m=range_m,
        phase_m=phase_m,
        rate_m_s=np.full(n, np.nan),
        cn0_dbhz=np.full(n, np.nan),
        lock_ms=np.zeros(n, np.int32),
        lock_indicator=np.zeros(n, np.int16),
        half_cycle=zeros,
        flags=np.full(n, PARTIAL, np.uint8),
        channel=np.zeros(n, np.int8),
    )


def cut(values_m: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return values_m - whole * MILLISECOND_M


@st.composite
def skies(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Return true ranges, predictions, phases and the receiver's clock error in metres."""
    n = draw(st.integers(1, 20))

    def column(low: float, high: float) -> NDArray[np.float64]:
        return np.array(draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))

    clock_m = draw(st.floats(-0.499, 0.499)) * MILLISECOND_M
    range_m = column(1.9e7, 4.2e7)
    # wrong by 20 km at most: a satellite moves so far in six seconds
    predicted_m = range_m - clock_m + column(-2e4, 2e4)
    return range_m, predicted_m, range_m + column(-500.0, 500.0), clock_m


@settings(max_examples=300, deadline=None)
@given(skies(), st.integers(-5, 5), st.randoms(use_true_random=False))
def test_ranges_come_back(sky: Any, clock_ms: int, shuffler: Any) -> None:
    range_m, predicted_m, phase_m, clock_m = sky
    whole = np.floor(range_m / MILLISECOND_M)
    # satellites may be cut at different milliseconds, as their senders do
    seen = columns(list(range(1, len(range_m) + 1)), cut(range_m, whole), cut(phase_m, whole))
    # the prediction lacks some whole milliseconds of the clock: it is right up to a common clock
    restored = restore_whole_ms(seen, predicted_m + clock_ms * MILLISECOND_M)
    assert not restored.flags.any()
    added_m = restored.range_m - range_m
    # all together, and at the true millisecond unless the clock and the prediction's error make half of one
    assert np.ptp(added_m) < 1e-6
    assert abs(added_m[0] / MILLISECOND_M - round(added_m[0] / MILLISECOND_M)) < 1e-9
    if abs(clock_m) < 0.4 * MILLISECOND_M:
        np.testing.assert_allclose(added_m, clock_ms * MILLISECOND_M, rtol=0, atol=1e-6)
    np.testing.assert_allclose(restored.phase_m - phase_m, added_m, rtol=0, atol=1e-6)
    order = list(range(len(range_m)))
    shuffler.shuffle(order)
    shuffled = columns([order_ + 1 for order_ in order], seen.range_m[order], seen.phase_m[order])
    again = restore_whole_ms(shuffled, predicted_m[order] + clock_ms * MILLISECOND_M)
    np.testing.assert_array_equal(again.range_m, restored.range_m[order])


@settings(max_examples=100, deadline=None)
@given(skies(), skies())
def test_epochs_do_not_mix(first: Any, second: Any) -> None:
    alone, together = [], []
    for row, (range_m, predicted_m, phase_m, _) in enumerate((first, second)):
        whole = np.floor(range_m / MILLISECOND_M)
        seen = columns(list(range(1, len(range_m) + 1)), cut(range_m, whole), cut(phase_m, whole), row)
        alone.append(restore_whole_ms(seen, predicted_m).range_m)
        together.append((seen, predicted_m))
    both = Observations(
        **{f.name: np.concatenate([getattr(s, f.name) for s, _ in together]) for f in fields(Observations)}
    )
    restored = restore_whole_ms(both, np.concatenate([p for _, p in together]))
    np.testing.assert_array_equal(restored.range_m, np.concatenate(alone))


@pytest.mark.parametrize("clock_ms", [-0.5, -0.499_99, -0.25, 0.0, 0.25, 0.499_99, 0.5, 0.500_01, 12.5])
def test_a_clock_near_half_a_millisecond_keeps_satellites_together(clock_ms: float) -> None:
    random = np.random.default_rng(4)
    range_m = random.uniform(2.0e7, 2.6e7, 24)
    predicted_m = range_m - clock_ms * MILLISECOND_M + random.normal(0, 30, 24)
    whole = np.floor(range_m / MILLISECOND_M)
    seen = columns(list(range(1, 25)), cut(range_m, whole), cut(range_m, whole))
    restored = restore_whole_ms(seen, predicted_m)
    assert not restored.flags.any()
    assert np.ptp(restored.range_m - range_m) < 1e-6


def test_wrong_and_missing_predictions_leave_their_rows() -> None:
    random = np.random.default_rng(5)
    range_m = random.uniform(2.0e7, 2.6e7, 11)
    predicted_m = range_m + 90_000.0 + random.normal(0, 100, 11)  # a clock of -0.3 ms
    predicted_m[[0, 4, 8]] += [0.5 * MILLISECOND_M, 0.3 * MILLISECOND_M, -0.4 * MILLISECOND_M]
    predicted_m[[2, 6]] = np.nan, np.inf
    whole = np.floor(range_m / MILLISECOND_M)
    seen = columns(list(range(1, 12)), cut(range_m, whole), cut(range_m, whole) + 7.0)
    seen.range_m[10] = np.nan  # MSM2: its phase is restored alone
    seen.range_m[9] = seen.phase_m[9] = np.nan
    restored = restore_whole_ms(seen, predicted_m)
    left = np.array([0, 2, 4, 6, 8, 9])
    assert np.flatnonzero(restored.flags == PARTIAL).tolist() == left.tolist()
    np.testing.assert_array_equal(restored.range_m[left], seen.range_m[left])
    np.testing.assert_array_equal(restored.phase_m[left], seen.phase_m[left])
    others = np.array([1, 3, 5, 7])
    np.testing.assert_allclose(restored.range_m[others], range_m[others], rtol=0, atol=1e-6)
    assert np.isnan(restored.range_m[10])
    assert restored.phase_m[10] == pytest.approx(range_m[10] + 7.0, abs=1e-6)


@pytest.mark.parametrize("clock_ms", [0.0, 0.3, 0.5, 0.9])
def test_wrong_predictions_are_outvoted(clock_ms: float) -> None:
    random = np.random.default_rng(8)
    range_m = random.uniform(2.0e7, 2.6e7, 12)
    predicted_m = range_m - clock_ms * MILLISECOND_M + random.normal(0, 3000, 12)
    predicted_m[:5] += np.array([0.3, 0.4, 0.5, 0.6, 0.7]) * MILLISECOND_M
    whole = np.floor(range_m / MILLISECOND_M)
    restored = restore_whole_ms(
        columns(list(range(1, 13)), cut(range_m, whole), cut(range_m, whole)), predicted_m
    )
    assert restored.flags.tolist() == [PARTIAL] * 5 + [0] * 7
    assert np.ptp((restored.range_m - range_m)[5:]) < 1e-6


def test_whole_ranges_tell_the_clock_and_stay() -> None:
    random = np.random.default_rng(6)
    range_m = random.uniform(2.0e7, 2.6e7, 9)
    predicted_m = range_m - 7.45 * MILLISECOND_M
    whole = np.floor(range_m / MILLISECOND_M)
    seen = columns(list(range(1, 10)), cut(range_m, whole), cut(range_m, whole))
    seen.range_m[:3] = range_m[:3]
    seen = replace(seen, flags=np.where(np.arange(9) < 3, 0, PARTIAL).astype(np.uint8))
    restored = restore_whole_ms(seen, predicted_m)
    assert not restored.flags.any()
    np.testing.assert_array_equal(restored.range_m[:3], range_m[:3])
    np.testing.assert_allclose(restored.range_m[3:], range_m[3:], rtol=0, atol=1e-6)


def test_a_satellite_with_many_signals_has_one_voice() -> None:
    range_m = np.linspace(2.0e7, 2.5e7, 14)
    satellites = [1] * 8 + [2, 3, 4, 5, 6, 7]
    predicted_m = np.where(np.array(satellites) == 1, range_m + 0.4 * MILLISECOND_M, range_m)
    whole = np.floor(range_m / MILLISECOND_M)
    seen = columns(satellites, cut(range_m, whole), cut(range_m, whole))
    restored = restore_whole_ms(seen, predicted_m)
    assert restored.flags.tolist() == [PARTIAL] * 8 + [0] * 6
    np.testing.assert_allclose(restored.range_m[8:], range_m[8:], rtol=0, atol=1e-6)


def test_a_recording_without_its_milliseconds(data) -> None:
    stream = np.fromfile(data / "rtcm3/asv/fw206mrtk_rtcm", np.uint8)
    index = find_frames(stream, final=True)
    frames, seen = decode_msm(stream, index.start, index.length)
    epoch = np.cumsum(np.diff(frames.time_ms, prepend=frames.time_ms[:1]) != 0)[seen.row].astype(np.int32)
    clock_m = 0.4999 * MILLISECOND_M * np.sin(epoch / 50.0)
    error_m = np.random.default_rng(7).normal(0, 500, len(seen))
    predicted_m = np.where(np.isnan(seen.range_m), seen.phase_m, seen.range_m) - clock_m + error_m
    whole = np.floor(np.where(np.isnan(seen.range_m), seen.phase_m, seen.range_m) / MILLISECOND_M)
    cut_short = replace(
        seen,
        row=epoch,
        range_m=cut(seen.range_m, whole),
        phase_m=cut(seen.phase_m, whole),
        flags=np.full(len(seen), PARTIAL, np.uint8),
    )
    restored = restore_whole_ms(cut_short, predicted_m)
    assert not restored.flags[~np.isnan(whole)].any()
    usual = np.abs(clock_m) < 0.49 * MILLISECOND_M
    assert np.count_nonzero(usual) > 10_000
    np.testing.assert_allclose(restored.range_m[usual], seen.range_m[usual], rtol=0, atol=1e-6)
    np.testing.assert_allclose(restored.phase_m[usual], seen.phase_m[usual], rtol=0, atol=1e-6)
    for name in OTHER_COLUMNS:
        np.testing.assert_array_equal(getattr(restored, name), getattr(cut_short, name))


def test_nothing_to_restore_is_the_same() -> None:
    seen = columns([1, 2], np.array([2.1e7, 2.2e7]), np.array([2.1e7, 2.2e7]))
    whole = replace(seen, flags=np.zeros(2, np.uint8))
    assert restore_whole_ms(whole, np.full(2, np.nan)) is whole
    empty = columns([], np.empty(0), np.empty(0))
    assert restore_whole_ms(empty, np.empty(0)) is empty
    unknown = restore_whole_ms(seen, np.full(2, np.nan))
    assert unknown.flags.tolist() == [PARTIAL] * 2
    assert unknown.range_m.tolist() == seen.range_m.tolist()


def test_moduli() -> None:
    for system in System:
        assert {partial_modulus_m(1071 + 10 * system + kind) for kind in range(3)} == {299_792.458}
    assert [partial_modulus_m(n) for n in (1001, 1003, 1009, 1011)] == [299_792.458] * 2 + [599_584.916] * 2
    for number in (1002, 1004, 1010, 1012, 1074, 1077, 1080, 1005, 0):
        with pytest.raises(ValueError, match="modulus"):
            partial_modulus_m(number)
