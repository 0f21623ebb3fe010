"""Steps of the receiver's clock, through the whole station: they must not look like anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnss.quality.judgements import CLOCK_STEP
from tests.gnss.quality.one_station import Judgement, StationQuality

MS_M = 299_792.458


def run(sky: Any, seconds: int, step: Any, interval: int = 1) -> list[Judgement]:
    quality, judgements = StationQuality(float(interval)), []
    for i in range(0, seconds, interval):
        epoch = step(i, sky.at(i))
        judgements += quality.observe(sky.time_us(i), None, epoch, 5, 0)
    return judgements


@pytest.mark.parametrize("phases_too", [True, False])
@pytest.mark.parametrize(("ms", "interval"), [(1, 1), (-1, 1), (3, 1), (1, 30)])
def test_a_step_is_found_named_and_hurts_nothing(sky: Any, phases_too: bool, ms: int, interval: int) -> None:
    at = 60 * interval

    def step(i: int, o: Any) -> Any:
        if i >= at:
            o.range_m[:] += ms * MS_M
            if phases_too:
                o.phase_m[:] += ms * MS_M
        return o

    judgements = run(sky, 120 * interval, step, interval)
    steps = [j.row["clock_step_ms"] for j in judgements]
    assert steps[60] == ms
    assert not any(steps[:60])
    assert not any(steps[61:])
    assert sum(j.slips for j in judgements) == 0
    assert judgements[-1].multipath_m == pytest.approx(judgements[59].multipath_m, rel=0.3)
    assert {j.state for j in judgements[60:]} == {"good"}
    assert "clock_step" in [f.code for f in judgements[61].findings]
    assert f"{ms:+d} ms" in judgements[61].findings[-1].text


def test_a_clock_that_drifts_is_no_step(sky: Any) -> None:
    def drift(i: int, o: Any) -> Any:
        o.range_m[:] += 450.0 * i  # 1.5 us a second
        o.phase_m[:] += 450.0 * i
        return o

    assert not any(j.row["clock_step_ms"] for j in run(sky, 100, drift))


def test_a_saw_tooth_of_an_unsteered_clock(sky: Any) -> None:
    def saw(i: int, o: Any) -> Any:
        ms = -(i // 40)
        o.range_m[:] += MS_M / 40 * i + ms * MS_M
        o.phase_m[:] += MS_M / 40 * i + ms * MS_M
        return o

    judgements = run(sky, 200, saw)
    assert [i for i, j in enumerate(judgements) if j.row["clock_step_ms"]] == [40, 80, 120, 160]
    assert sum(j.slips for j in judgements) == 0


def test_jumps_that_are_no_whole_ms_or_of_one_satellite_are_no_steps(sky: Any) -> None:
    def jump(i: int, o: Any) -> Any:
        if i >= 50:
            o.range_m[:] += 0.4 * MS_M
            o.phase_m[:] += 0.4 * MS_M
        if i >= 70:
            o.range_m[:3] += MS_M
            o.phase_m[:3] += MS_M
        return o

    judgements = run(sky, 90, jump)
    assert not any(j.row["clock_step_ms"] for j in judgements)
    assert not any(int(j.row["remarks"]) & CLOCK_STEP for j in judgements)


def test_codes_without_phases_tell_nothing(sky: Any) -> None:
    def blind(i: int, o: Any) -> Any:
        o.phase_m[:] = np.nan
        o.range_m[:] += MS_M * (i >= 50)
        return o

    assert not any(j.row["clock_step_ms"] for j in run(sky, 70, blind))
