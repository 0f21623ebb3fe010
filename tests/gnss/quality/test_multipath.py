from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from gnss.observations import Observations
from gnss.quality import bands
from gnss.quality.multipath import WARM_UP_S, WINDOW_S, carriers, combine, scaled_split_m, update
from tests.gnss.quality.kernels import MAX_GAP_US, Tracking

L1_HZ, L2_HZ, L5_HZ = 1575.42e6, 1227.60e6, 1176.45e6


class Arcs:
    """Feeds epochs to the kernels as a station does."""

    def __init__(self) -> None:
        self.tracking = Tracking()

    def epoch(self, o: Observations, t_us: int, slip: Any = None) -> tuple[float, int]:
        tracking = self.tracking
        tracking.find(o, t_us)
        cells, rows = tracking.cells, tracking.rows
        if slip is not None:
            cells["slip"][: len(o)] = slip
        squares, count = 0.0, 0
        for k in range(tracking.n_seen):
            one = tracking.seen[k]
            satellite = tracking.satellites[one["slot"]]
            high, low = carriers(cells, one["head"], satellite, rows, t_us, MAX_GAP_US)
            i, split_m = -1, 0.0
            if high >= 0:
                i, two = one["head"], (cells[high], cells[low])
                split_m = scaled_split_m(*(c["phase_m"] for c in two), *(c["hz"] for c in two))
            while i >= 0:
                residual_m = update(
                    rows[cells[i]["row"]], satellite["arc"], cells[i], cells[high], split_m, t_us
                )
                if not np.isnan(residual_m):
                    squares += residual_m**2
                    count += 1
                i = cells[i]["following"]
        tracking.commit()
        return float(squares), count


def plain_twin(epochs: list[tuple[int, Observations, Any]]) -> list[tuple[float, int]]:
    """The same in dictionaries: the textbook combination and a running mean for each arc."""
    carriers: dict[Any, tuple[int, int]] = {}
    means: dict[Any, list[float]] = {}
    results = []
    for t_us, o, slip in epochs:
        by_satellite: dict[Any, dict[int, int]] = defaultdict(dict)
        for c in range(len(o)):
            by_satellite[int(o.system[c]), int(o.satellite[c])][int(o.signal[c])] = c
        squares, count = 0.0, 0
        for satellite, cells in by_satellite.items():
            hz = {g: bands.FREQUENCY_HZ[satellite[0], g] for g in cells}
            high, low = carriers.setdefault(
                satellite, (max(hz, key=hz.__getitem__), min(hz, key=hz.__getitem__))
            )
            if slip[cells[high]] or slip[cells[low]]:
                for g in cells:
                    means.pop((satellite, g), None)
            l_i, l_j = o.phase_m[cells[high]], o.phase_m[cells[low]]
            f_i, f_j = hz[high], hz[low]
            for g, c in cells.items():
                iono_i = (l_i - l_j) / ((f_i / f_j) ** 2 - 1)
                iono_k = iono_i * (f_i / hz[g]) ** 2
                value = o.range_m[c] - l_i - iono_i - iono_k
                arc = means.setdefault((satellite, g), [0.0, 0, t_us])
                arc[1] += 1
                arc[0] += (value - arc[0]) * max(1 / arc[1], 1.0 / WINDOW_S)
                if arc[1] > 10 and t_us - arc[2] >= WARM_UP_S * 1e6:
                    squares += (value - arc[0]) ** 2
                    count += 1
        results.append((squares, count))
    return results


def test_the_combination_is_that_of_the_literature() -> None:
    p1, p2, l1, l2 = 2.2e7 + 3.1, 2.2e7 + 5.4, 2.2e7 - 2.2, 2.2e7 - 3.9
    a = (L1_HZ / L2_HZ) ** 2
    mp1 = p1 - (1 + 2 / (a - 1)) * l1 + (2 / (a - 1)) * l2
    mp2 = p2 - (2 * a / (a - 1)) * l1 + (2 * a / (a - 1) - 1) * l2
    assert combine(p1, l1, l2, L1_HZ, L1_HZ, L2_HZ) == pytest.approx(mp1, abs=1e-6)
    assert combine(p2, l1, l2, L2_HZ, L1_HZ, L2_HZ) == pytest.approx(mp2, abs=1e-6)


@pytest.mark.parametrize("code_hz", [L1_HZ, L2_HZ, L5_HZ])
def test_geometry_and_ionosphere_are_gone_and_multipath_is_left(code_hz: float) -> None:
    def value(geometry_m: float, iono_l1_m: float, bounce_m: float) -> float:
        delay = {hz: iono_l1_m * (L1_HZ / hz) ** 2 for hz in (L1_HZ, L2_HZ, L5_HZ)}
        return combine(
            geometry_m + delay[code_hz] + bounce_m,
            geometry_m - delay[L1_HZ] + 77.0,
            geometry_m - delay[L5_HZ] - 31.0,
            code_hz,
            L1_HZ,
            L5_HZ,
        )

    at_rest = value(2.1e7, 3.0, 0.0)
    assert value(2.5e7, 21.0, 0.0) == pytest.approx(at_rest, abs=1e-6)
    assert value(2.5e7, 21.0, 1.25) == pytest.approx(at_rest + 1.25, abs=1e-6)


def test_the_stream_equals_the_plain_twin(sky: Any) -> None:
    random = np.random.default_rng(7)
    epochs = []
    for i in range(150):
        slip = (random.random(len(sky)) < 0.002).astype(np.uint8)
        sky.cycles += np.where(slip, 3.0, 0.0)
        epochs.append((sky.time_us(i), sky.at(i), slip))
    arcs = Arcs()
    streamed = [arcs.epoch(o, t_us, slip) for t_us, o, slip in epochs]
    expected = plain_twin(epochs)
    assert [count for _, count in streamed] == [count for _, count in expected]
    assert [s for s, _ in streamed] == pytest.approx([s for s, _ in expected], rel=1e-6, abs=1e-6)
    assert max(count for _, count in expected) > 40


@pytest.mark.parametrize("amplitude_m", [0.0, 1.0, 2.0])
def test_planted_multipath_is_measured(new_sky: Any, amplitude_m: float) -> None:
    def bounce(i: float, signal: Any) -> Any:
        return amplitude_m * np.sin(2 * np.pi * i / 25.0 + signal)

    sky = new_sky(code_noise_m=0.1, code_bias_m=bounce)
    arcs = Arcs()
    results = [arcs.epoch(sky.at(i), sky.time_us(i)) for i in range(240)][-60:]
    rms = math.sqrt(sum(s for s, _ in results) / sum(n for _, n in results))
    assert rms == pytest.approx(math.hypot(amplitude_m / math.sqrt(2), 0.1), rel=0.08)


def test_a_satellite_with_one_carrier_says_nothing(sky: Any) -> None:
    arcs = Arcs()
    counts = [arcs.epoch(sky.at(i, keep=sky.signal == 2), sky.time_us(i))[1] for i in range(60)]
    assert counts == [0] * 60


def test_a_jump_that_nobody_saw_begins_a_new_arc(sky: Any) -> None:
    arcs = Arcs()
    for i in range(60):
        arcs.epoch(sky.at(i), sky.time_us(i))
    sky.cycles += 500
    assert arcs.epoch(sky.at(60), sky.time_us(60))[1] == 0


def test_glonass_counts_where_the_channel_is_known(sky: Any) -> None:
    from gnss.systems import UNKNOWN_CHANNEL

    for channel, expected in ((UNKNOWN_CHANNEL, 0), (4, 2)):
        arcs, count = Arcs(), 0
        for i in range(40):
            two = sky.at(i, keep=np.arange(len(sky)) < 2)
            two.system[:] = 1
            two.signal[:] = (2, 8)
            two.channel[:] = channel
            count = arcs.epoch(two, sky.time_us(i))[1]
        assert count == expected
