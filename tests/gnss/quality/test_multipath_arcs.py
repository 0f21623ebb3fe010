"""Whole arcs against a plain twin in dictionaries, planted multipath, and the slips of the stream."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.observations import PARTIAL, UNKNOWN_CHANNEL, Observations
from gnss.quality.clock import MS_M
from gnss.quality.engine_cells import Cells, engine_cells
from gnss.quality.memory import K_MP_COUNT, K_MP_SQUARES
from gnss.quality.multipath_arcs import LEAST_POINTS, WholeArcs, whole_arc_residuals
from gnss.quality.slips import LOCK_SLIP, PHASE_SLIP, WIDE_SLIP
from gnss.quality.table import QualityTable
from gnss.rtcm.signals import frequency_hz
from gnss.systems import System
from tests.gnss.rinex.values import joined

SECOND_US = 1_000_000
GAP_S = 10.0


def epochs_of(sky: Any, seconds: range, edit: Any = None) -> EpochColumns:
    parts = []
    for i in seconds:
        seen = sky.at(i)
        parts.append((sky.time_us(i), seen if edit is None else edit(i, seen)))
    return joined(parts)


def kept(seen: Observations, keep: NDArray[np.bool_]) -> Observations:
    return Observations(*(getattr(seen, name)[keep] for name in Observations.__slots__))


def of_signal(arcs: WholeArcs, system: int, signal: int) -> dict[str, float]:
    (k,) = np.flatnonzero((arcs.system == system) & (arcs.signal == signal))
    return {name: float(getattr(arcs, name)[k]) for name in ("rms_m", "count", "arcs", "short")}


def plain_twin(
    epochs: EpochColumns, cells: Cells, gap_s: float, pairs: Any, least: int, break_m: float
) -> NDArray[np.float64]:
    """The same in dictionaries, with the textbook combination and numpy's mean of each list."""
    o = epochs.observations
    lists: dict[Any, list[list[tuple[int, float]]]] = defaultdict(list)
    open_arc: dict[Any, Any] = {}
    broken: set[Any] = set()
    half: dict[Any, int] = defaultdict(int)
    for e in range(len(epochs)):
        at = {}
        for c in range(epochs.first[e], epochs.first[e] + epochs.count[e]):
            if cells.hz[c] == 0.0:
                continue
            satellite, signal = (int(o.system[c]), int(o.satellite[c])), int(o.signal[c])
            at[satellite, signal] = c
            slipped = [signal] if cells.slip[c] or cells.half_cycle[c] != half[satellite, signal] else []
            if cells.slip[c] == WIDE_SLIP:
                slipped.append(int(cells.low[c]))
            half[satellite, signal] = int(cells.half_cycle[c])
            for key, state in open_arc.items():
                if key[0] == satellite and set(slipped) & set(state["pair"]):
                    broken.add(key)
        for (satellite, k), c in at.items():
            pair = (int(cells.high[c]), int(cells.low[c]))
            if pairs is not None:
                pair = pairs.get((satellite[0], k), (0, 0))
            cells_of_pair = [at.get((satellite, g)) for g in pair]
            if None in cells_of_pair or 0 in pair:
                continue
            ci, cj = cells_of_pair
            f_k, f_i, f_j = cells.hz[c], cells.hz[ci], cells.hz[cj]
            if f_i == f_j:
                continue
            iono_i = (cells.phase_m[ci] - cells.phase_m[cj]) / ((f_i / f_j) ** 2 - 1)
            raw = cells.range_m[c] - cells.phase_m[ci] - iono_i - iono_i * (f_i / f_k) ** 2
            if np.isnan(raw):
                continue
            key = (satellite, k)
            state = open_arc.get(key)
            t = int(epochs.time_us[e])
            fresh = state is None or state["pair"] != pair or key in broken or t - state["t"] > gap_s * 1e6
            if fresh or abs(raw - np.mean([v for _, v in lists[key][-1]])) > break_m:
                lists[key].append([])
                broken.discard(key)
            lists[key][-1].append((c, raw))
            open_arc[key] = {"pair": pair, "t": t}
    residual = np.full(len(o), np.nan)
    for arcs in lists.values():
        for arc in arcs:
            if len(arc) >= least:
                where, values = zip(*arc, strict=True)
                residual[list(where)] = np.array(values) - np.mean(values)
    return residual


@st.composite
def recordings(draw: Any) -> tuple[EpochColumns, Cells]:
    """A few satellites of GPS and GLONASS with three signals, holes, slips and changes of pairs."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_epochs = draw(st.integers(1, 30))
    hole, slip = draw(st.sampled_from([0.0, 0.1, 0.4])), draw(st.sampled_from([0.0, 0.03, 0.2]))
    parts = []
    t_us = 0
    signals = {System.GPS: (2, 10, 22), System.GLONASS: (2, 3, 8)}
    for _ in range(n_epochs):
        t_us += int(random.choice([1, 1, 1, 5, 11])) * SECOND_US
        rows = [(y, s, g) for y, some in signals.items() for s in (1, 64) for g in some]
        rows = [row for row in rows if random.random() >= hole]
        random.shuffle(rows)
        n = len(rows)
        table = np.array(rows, np.uint8).reshape(n, 3)
        seen = Observations(
            np.zeros(n, np.int32), *(np.ascontiguousarray(c) for c in table.T), random.normal(2e7, 1.0, n),
            random.normal(2e7, 1.0, n), np.zeros(n), np.full(n, 45.0), np.full(n, -1, np.int32),
            np.full(n, -1, np.int16), np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.full(n, 3, np.int8),
        )  # fmt: skip
        parts.append((t_us, seen))
    epochs = joined(parts)
    o = epochs.observations
    n = len(o)
    low = np.where(random.random(n) < 0.1, 10, np.where(o.system == 1, 8, 22))
    both = random.random(n) < 0.9
    cells = Cells(
        range_m=np.where(random.random(n) < hole, np.nan, o.range_m),
        phase_m=np.where(random.random(n) < hole, np.nan, o.phase_m),
        hz=np.where(random.random(n) < hole / 2, 0.0, frequency_hz(o.system, o.signal, o.channel)),
        slip=np.where(random.random(n) < slip, random.integers(1, 4, n), 0).astype(np.uint8),
        half_cycle=(random.random(n) < slip).astype(np.uint8),
        high=np.where(both, 2, 0).astype(np.uint8),
        low=np.where(both, low, 0).astype(np.uint8),
    )
    return epochs, cells


@given(
    recordings(),
    st.sampled_from([None, {(0, 2): (2, 22), (0, 10): (10, 2), (0, 22): (22, 22), (1, 3): (2, 8)}]),
    st.sampled_from([1, 2, LEAST_POINTS]),
    st.sampled_from([3.0, np.inf]),
)
@settings(max_examples=150, deadline=None)
def test_the_kernel_equals_the_plain_twin(recording: Any, pairs: Any, least: int, break_m: float) -> None:
    epochs, cells = recording
    made = whole_arc_residuals(
        epochs, cells, max_gap_s=GAP_S, pairs=pairs, least_points=least, break_m=break_m
    )
    twin = plain_twin(epochs, cells, GAP_S, pairs, least, break_m)
    np.testing.assert_allclose(made.residual_m, twin, atol=1e-6)
    o = epochs.observations
    for k in range(len(made.system)):
        own = (o.system == made.system[k]) & (o.signal == made.signal[k])
        values = twin[own & np.isfinite(twin)]
        assert made.count[k] == len(values)
        assert made.short[k] == np.count_nonzero(own & (made.arc >= 0) & np.isnan(twin))
        assert made.arcs[k] == len(np.unique(made.arc[own & np.isfinite(twin)]))
        if len(values):
            assert made.rms_m[k] == pytest.approx(np.sqrt(np.mean(values**2)), abs=1e-6)
        else:
            assert np.isnan(made.rms_m[k])
    assert made.count.sum() == np.count_nonzero(np.isfinite(twin))


@given(recordings(), st.floats(-1e8, 1e8))
@settings(max_examples=40, deadline=None)
def test_ambiguities_of_any_size_do_not_matter(recording: Any, ambiguity_m: float) -> None:
    epochs, cells = recording
    moved = cells._replace(phase_m=cells.phase_m + np.where(epochs.observations.signal == 2, ambiguity_m, 0))
    before, after = (
        whole_arc_residuals(epochs, some, max_gap_s=GAP_S, least_points=2, break_m=np.inf)
        for some in (cells, moved)
    )
    np.testing.assert_array_equal(before.arc, after.arc)
    np.testing.assert_allclose(before.residual_m, after.residual_m, atol=1e-5)


def test_slow_multipath_stays_that_a_running_mean_takes_away(new_sky: Any) -> None:
    period_s, amplitude_m, step_s = 2400.0, 1.0, 5
    sky = new_sky(
        code_noise_m=0.1,
        code_bias_m=lambda i, _: np.full(52, amplitude_m * np.sin(2 * np.pi * i / period_s)),
    )
    epochs = epochs_of(sky, range(0, 2 * int(period_s), step_s))
    made = whole_arc_residuals(epochs, engine_cells(epochs, step_s), max_gap_s=1.5 * step_s)
    table = QualityTable()
    s = table.add(step_s)
    table.observe(epochs)
    for system, signal in ((0, 2), (0, 10), (0, 22), (2, 2), (2, 22)):
        whole = of_signal(made, system, signal)
        assert whole["rms_m"] == pytest.approx(np.hypot(amplitude_m / np.sqrt(2), 0.1), rel=0.02)
        assert (whole["arcs"], whole["short"]) == (12 if system == 0 else 8, 0)
        sums = table.memory.kinds[s, table.memory.kind_of[s, system * 33 + signal]]
        assert 0.5 < np.sqrt(sums[K_MP_SQUARES] / sums[K_MP_COUNT]) / whole["rms_m"] < 0.7
    planted = amplitude_m * np.sin(2 * np.pi * step_s * epochs.observations.row / period_s)
    assert np.std(made.residual_m - planted) == pytest.approx(0.1, rel=0.05)


def test_slips_are_those_of_the_stream(sky: Any) -> None:
    random = np.random.default_rng(3)

    def edit(i: int, seen: Observations) -> Observations:
        lost = random.random(len(sky)) < 0.003
        sky.locked_since_us[lost] = sky.time_us(i + 1)
        sky.cycles[random.random(len(sky)) < 0.003] += 5.0
        if i == 150:
            sky.cycles[(sky.system == 0) & (sky.satellite == 3)] += (77.0, 60.0, 0.0)
        return kept(seen, random.random(len(sky)) > 0.02)

    epochs = epochs_of(sky, range(250), edit)
    cells = engine_cells(epochs, 1.0)
    table = QualityTable()
    table.add(1.0)
    judgements = table.observe(epochs)
    slips = np.bincount(epochs.observations.row[cells.slip > 0], minlength=250)
    np.testing.assert_array_equal(slips, judgements["slips"])
    assert np.all(np.bincount(cells.slip, minlength=4)[[LOCK_SLIP, PHASE_SLIP]] > 20)
    np.testing.assert_array_equal(cells.range_m, epochs.observations.range_m)
    np.testing.assert_array_equal(cells.phase_m, epochs.observations.phase_m)


def test_a_slip_found_while_the_other_phase_was_away_breaks_the_arc(sky: Any) -> None:
    """The sum over the arc would else hold two ambiguities."""

    def edit(i: int, seen: Observations) -> Observations:
        if i == 60:
            sky.cycles[(sky.system == 0) & (sky.signal == 2)] += 15.0
        if i != 61:
            return seen
        return kept(seen, ~((seen.system == 0) & (seen.signal == 22)))

    epochs = epochs_of(sky, range(120), edit)
    cells = engine_cells(epochs, 1.0)
    at = (
        (epochs.observations.row == 61)
        & (epochs.observations.system == 0)
        & (epochs.observations.signal == 2)
    )
    assert np.all(cells.slip[at] == PHASE_SLIP)
    made = whole_arc_residuals(epochs, cells, max_gap_s=GAP_S)
    for signal in (2, 10, 22):
        whole = of_signal(made, 0, signal)
        assert whole["arcs"] == 24
        assert whole["rms_m"] == pytest.approx(0.2, rel=0.08)


def test_gaps_and_half_cycles_break_arcs(sky: Any) -> None:
    def edit(i: int, seen: Observations) -> Observations:
        seen.half_cycle[(seen.satellite == 2) & (seen.signal == 2)] = i >= 70
        return kept(seen, ~((seen.satellite == 1) & (40 <= i < 45)))

    epochs = epochs_of(sky, range(100), edit)
    cells = engine_cells(epochs, 1.0)
    assert of_signal(whole_arc_residuals(epochs, cells, max_gap_s=GAP_S), 0, 10)["arcs"] == 12 + 1
    assert of_signal(whole_arc_residuals(epochs, cells, max_gap_s=1.5), 0, 10)["arcs"] == 12 + 2
    none = whole_arc_residuals(epochs, cells, max_gap_s=1.5, least_points=101)
    assert np.isnan(none.residual_m).all()
    assert of_signal(none, 0, 10) == pytest.approx(
        {"rms_m": np.nan, "count": 0, "arcs": 0, "short": 12 * 100 - 5}, nan_ok=True
    )


def test_steps_of_the_clock_in_codes_alone_are_taken_away(sky: Any) -> None:
    def edit(i: int, seen: Observations) -> Observations:
        return seen if i < 50 else dataclasses.replace(seen, range_m=seen.range_m + MS_M)

    epochs = epochs_of(sky, range(100), edit)
    made = whole_arc_residuals(epochs, engine_cells(epochs, 1.0), max_gap_s=1.5)
    assert made.arcs.tolist() == [12, 12, 12, 8, 8]
    assert made.rms_m == pytest.approx([0.2] * 5, rel=0.08)


def test_what_the_engine_does_not_use_has_no_residual(sky: Any) -> None:
    """Ranges without whole milliseconds, unknown signals and channels, satellites that cannot be, a signal
    that comes twice, an epoch that comes twice: their neighbours are unaffected."""
    clean = epochs_of(sky, range(40))
    extra = kept(sky.at(0), np.arange(len(sky)) < 8)

    def edit(i: int, seen: Observations) -> Observations:
        more = {name: getattr(extra, name).copy() for name in Observations.__slots__}
        more["system"][:] = (0, 5, 1, 0, 0, 9, 3, 0)
        more["satellite"][:] = (31, 30, 5, 0, 65, 1, 20, 1)
        more["signal"][:] = (2, 1, 2, 2, 2, 2, 40, 2)
        more["channel"][2] = UNKNOWN_CHANNEL
        more["flags"][0] = PARTIAL
        more["range_m"][7] = np.nan
        columns = {name: np.concatenate([getattr(seen, name), more[name]]) for name in more}
        return Observations(**columns)

    dirty = epochs_of(sky, range(40), edit)
    twice = joined(
        [
            (int(dirty.time_us[e]), kept(dirty.observations, dirty.observations.row == e))
            for e in sorted([*range(40), 7, 20])
        ]
    )
    good = whole_arc_residuals(clean, engine_cells(clean, 1.0), max_gap_s=1.5)
    for epochs in (dirty, twice):
        cells = engine_cells(epochs, 1.0)
        made = whole_arc_residuals(epochs, cells, max_gap_s=1.5)
        known = np.isfinite(made.residual_m)
        np.testing.assert_allclose(made.residual_m[known], good.residual_m, atol=1e-9)
        assert made.short.sum() == 0
        assert made.count.tolist() == good.count.tolist()


def test_cells_that_cannot_be_are_left_out() -> None:
    """Their keys would be those of others: G64 and R01 here."""
    real = [(0, 64, 2), (0, 64, 22), (1, 1, 2), (1, 1, 8)]
    unreal = [
        (1, 0, 2),
        (1, 0, 22),
        (0, 65, 2),
        (0, 65, 8),
        (0, 64, 35),
        (1, 1, 0),
        (7, 1, 2),
        (255, 255, 255),
    ]
    system, satellite, signal = map(list, zip(*real, *unreal, strict=True))
    epochs = joined([(t * SECOND_US, sample(satellite, signal, system)) for t in range(1, 4)])
    n, zeros = len(epochs.observations), np.zeros(len(epochs.observations), np.uint8)
    is_real = np.tile(np.arange(12) < 4, 3)
    cells = Cells(
        range_m=np.random.default_rng(1).normal(0.0, 1.0, n),
        phase_m=np.where(is_real, 0.0, 7.0),
        hz=np.where(epochs.observations.signal == 2, 1.6e9, 1.2e9),
        slip=np.where(is_real, 0, 1).astype(np.uint8),
        half_cycle=zeros,
        high=zeros + 2,
        low=np.where(epochs.observations.system == 0, 22, 8).astype(np.uint8),
    )
    made = whole_arc_residuals(epochs, cells, max_gap_s=1.0, least_points=3)
    expected = cells.range_m.reshape(3, 12) - cells.range_m.reshape(3, 12).mean(axis=0)
    np.testing.assert_allclose(made.residual_m[is_real], expected.ravel()[is_real], atol=1e-12)
    assert np.isnan(made.residual_m[~is_real]).all()
    assert made.system.tolist() == [0, 0, 1, 1]


def sample(satellite: list[int], signal: list[int], system: list[int]) -> Observations:
    n = len(satellite)
    return Observations(
        np.zeros(n, np.int32), np.array(system, np.uint8), np.array(satellite, np.uint8),
        np.array(signal, np.uint8), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
        np.full(n, -1, np.int32), np.full(n, -1, np.int16), np.zeros(n, np.uint8), np.zeros(n, np.uint8),
        np.zeros(n, np.int8),
    )  # fmt: skip


def test_nothing_gives_nothing() -> None:
    for epochs in (joined([(0, sample([], [], []))]), joined([(0, sample([], [], []))] * 3)):
        made = whole_arc_residuals(epochs, engine_cells(epochs, 30.0), max_gap_s=45.0)
        assert len(made.residual_m) == len(made.system) == 0


def test_stations_are_not_mixed(sky: Any) -> None:
    epochs = epochs_of(sky, range(2))
    epochs.station[1] = 1
    with pytest.raises(ValueError, match="one station at a time"):
        engine_cells(epochs, 1.0)
