from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.quality.ionosphere import network_median, update
from gnss.quality.judgements import JUDGEMENT, STORM
from gnss.quality.memory import CELL, NEVER_US, SATELLITE
from gnss.quality.network import MINUTE_US, TURN_US, Network
from tests.gnss.quality.one_station import StationQuality

L1_HZ, L2_HZ = 1575.42e6, 1227.60e6
METRES_A_TECU_L1 = 40.3e16 / L1_HZ**2


def roti_of(tec: Any, step_s: float) -> float:
    """Feed slant TEC (TECU) by time; return the last ROTI."""
    satellite = np.zeros(1, SATELLITE)
    satellite["free_us"], satellite["free_arc"] = NEVER_US, -1
    for k, value in enumerate(tec):
        high, low = np.zeros(1, CELL)[0], np.zeros(1, CELL)[0]
        high["hz"], low["hz"] = L1_HZ, L2_HZ
        high["phase_m"] = 2e7 - METRES_A_TECU_L1 * value
        low["phase_m"] = 2e7 - METRES_A_TECU_L1 * (L1_HZ / L2_HZ) ** 2 * value
        update(satellite[0], high, low, round(k * step_s * 1e6))
    return float(satellite["roti"][0])


@pytest.mark.parametrize("step_s", [1.0, 5.0, 30.0])
def test_roti_is_the_deviation_of_rot_at_thirty_seconds_over_five_minutes(step_s: float) -> None:
    random = np.random.default_rng(5)
    t = np.arange(0.0, 900.0 + step_s, step_s)
    tec = 20.0 + 0.01 * t + np.interp(t, np.arange(0, 960.0, 30.0), random.normal(0, 0.5, 32))
    at_30 = tec[:: round(30 / step_s)]
    rot = np.diff(at_30) * 2.0  # TECU a minute
    assert roti_of(tec, step_s) == pytest.approx(float(np.std(rot[-10:])), rel=1e-4)


def test_a_smooth_ionosphere_has_none() -> None:
    assert roti_of(20.0 + 0.02 * np.arange(600.0), 1.0) == pytest.approx(0.0, abs=1e-4)


def test_few_points_tell_nothing() -> None:
    assert np.isnan(roti_of(20.0 + 0.02 * np.arange(120.0), 1.0))


def test_a_network_has_a_median_of_five_stations_at_least() -> None:
    assert network_median([1.0, 2.0, np.nan, 3.0, 4.0]) is None
    assert network_median([1.0, 2.0, np.nan, 3.0, 4.0, 5.0]) == 3.0


def rows(minute: int, roti: list[float], slipped: float) -> Any:
    out = np.zeros(len(roti), JUDGEMENT)
    out["station"], out["time_us"] = np.arange(len(roti)), minute * MINUTE_US
    out["roti_tecu_min"], out["slipped_share"] = roti, slipped
    return out


def test_the_network_of_a_minute_is_known_two_minutes_later() -> None:
    network = Network()
    for minute in range(4):
        network.turn(minute * MINUTE_US)
        network.add(rows(minute, [0.5 + minute, 1.5 + minute, 2.5 + minute, 9.0, np.nan, 0.0], 0.2), 6)
    stations = np.array([1, 4, 77], np.int32)

    def states(minute: int) -> Any:
        return network.states(np.full(3, minute * MINUTE_US), stations)

    assert np.allclose(states(3), [[2.5, 0.2, 2.5], [2.5, 0.2, np.nan], [2.5, 0.2, np.nan]], equal_nan=True)
    assert np.isnan(states(4)).all(), "not over yet"
    assert [share.minute for share in network.untold()] == [0, 1]
    assert network.untold() == []
    network.turn(100 * MINUTE_US)
    assert np.isnan(states(3)).all(), "forgotten"
    assert not network._sums


def test_a_minute_is_closed_half_a_minute_after_its_end() -> None:
    network = Network()
    network.turn(MINUTE_US)
    network.add(rows(1, [1.0] * 5, 0.1), 5)
    network.turn(5 * MINUTE_US // 2 - 1)
    assert network.untold() == []
    network.add(rows(1, [2.0] * 5, 0.1), 5)
    network.turn(5 * MINUTE_US // 2)
    (share,) = network.untold()
    assert share.roti_tecu_min.tolist() == [1.5] * 5
    network.add(rows(1, [90.0] * 5, 0.1), 5)
    assert network.states(np.full(1, 3 * MINUTE_US), np.zeros(1, np.int32)).tolist()[0][0] == 1.5


@given(st.lists(st.integers(0, 2), min_size=8, max_size=8), st.booleans())
def test_divided_stations_that_tell_each_other_know_what_one_table_knows(
    table_of: list[int], restart: bool
) -> None:
    random = np.random.default_rng(4)
    whole, parts = Network(), [Network() for _ in range(3)]
    row_of = [table_of[:k].count(table_of[k]) for k in range(8)]
    for turn in range(14):
        minute = turn // 2
        roti = random.gamma(2.0, 0.4, 8)
        roti[random.integers(0, 8)] = np.nan
        whole.turn(turn * TURN_US)
        whole.add(rows(minute, roti.tolist(), 0.1), 8)
        for number, part in enumerate(parts):
            own = [k for k in range(8) if table_of[k] == number]
            part.turn(turn * TURN_US)
            some = rows(minute, [roti[k] for k in own], 0.1)
            part.add(some, len(own))
            for share in part.untold():
                for other in parts:
                    if other is not part:
                        other.hear(str(number), share)
            if restart and turn % 3 == number:
                backwards = list(range(len(own)))[::-1]
                parts[number] = Network()
                parts[number].restore(part.snapshot(backwards), backwards)
        if turn % 2:
            continue
        at = np.full(8, turn * TURN_US)
        expected = whole.states(at, np.arange(8, dtype=np.int32))
        for k in range(8):
            known = parts[table_of[k]].states(at[:1], np.array([row_of[k]], np.int32))
            assert np.array_equal(known[0], expected[k], equal_nan=True)
    assert np.isfinite(expected[:, 0]).all()


def test_a_storm_is_not_blamed_on_a_station(new_sky: Any) -> None:
    stations = [new_sky(seed=k) for k in range(8)]
    first = StationQuality(1.0)
    table = first.table
    quality = [first, *(StationQuality(1.0, table) for _ in stations[1:])]
    random = np.random.default_rng(2)
    states: list[set[str]] = [set() for _ in stations]
    remarks = 0
    for i in range(1200):
        for k, (sky, station) in enumerate(zip(stations, quality, strict=True)):
            if i >= 400:  # irregular phases of all satellites, and a slip every seven seconds
                sky.cycles += random.normal(0, 0.04, len(sky))
                sky.cycles[random.integers(0, len(sky), 1)] += 7 * (i % 7 == 0)
            for one in station.observe(sky.time_us(i), sky.time_us(i) + 200_000, sky.at(i), 5, 0):
                if i >= 700:
                    states[k].add(one.state)
                    remarks += bool(int(one.row["remarks"]) & STORM)
                assert "ionosphere" not in [f.code for f in one.findings]
    assert remarks > 3000
    assert all("bad" not in s for s in states)
