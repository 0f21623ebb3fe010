"""Findings of many judgements in one call."""

import numpy as np
import pytest

from gnss.quality.judgements import (
    CLOCK_BEHIND,
    CLOCK_STEP,
    HELD_BAD,
    I_FRAME_ERRORS,
    I_LATENCY,
    I_OUTAGE,
    I_REGISTRY,
    INDICATORS,
    JUDGEMENT,
    NOT_WARM,
    NOTHING_CAME,
)
from gnss.quality.score import Finding, Thresholds
from gnss.quality.verdict import findings, with_findings

LIMITS = Thresholds()
ANTENNA = Finding("antenna", "The stream tells another antenna.", check="The entry.")


def judgements(n):
    rows = np.zeros(n, JUDGEMENT)
    rows["points"], rows["values"], rows["thresholds"] = 100.0, 2.0, 1.0
    return rows


def registry(s, time_us):
    return () if s % 2 else (ANTENNA, Finding("place", f"Of {s} at {time_us}.", float(s), 3.0))


def codes(rows, **others):
    return [[f.code for f in told] for told in findings(rows, LIMITS, np.zeros(len(rows)), **others)]


@pytest.mark.parametrize("seed", range(5))
def test_each_is_told_as_it_would_be_alone(seed):
    random = np.random.default_rng(seed)
    n, n_indicators = 300, len(INDICATORS)
    rows = judgements(n)
    rows["station"], rows["time_us"] = random.integers(0, 9, n), random.integers(0, 10**15, n)
    is_low = random.random((n, n_indicators)) < 0.2
    rows["points"] = np.where(is_low, random.choice([10.0, 10.0, 50.0, np.nan], is_low.shape), 100.0)
    values = random.random(is_low.shape)
    rows["values"] = np.where(is_low & (random.random(is_low.shape) < 0.2), np.nan, values)
    rows["values"][:, I_LATENCY] = values[:, I_LATENCY]
    rows["window_epochs"], rows["held_s"] = random.integers(0, 60, n), random.random(n) * 60
    rows["remarks"] = np.where(random.random(n) < 0.3, 0, random.integers(0, 512, n))
    jump_ms = random.normal(0.0, 2.0, n)
    together = findings(rows, LIMITS, jump_ms, registry)
    alone = [findings(rows[k : k + 1], LIMITS, jump_ms[k : k + 1], registry)[0] for k in range(n)]
    assert together == alone
    assert [k for k in range(n) if together[k]] == with_findings(rows)


def test_the_gravest_is_told_first_and_equal_ones_in_the_order_of_indicators():
    rows = judgements(3)
    for row, points in zip(rows, ((30.0, 20.0), (20.0, 30.0), (20.0, 20.0)), strict=True):
        row["points"][[I_OUTAGE, I_LATENCY]] = points
    first = sorted((I_OUTAGE, I_LATENCY))
    outage, latency = INDICATORS[I_OUTAGE], INDICATORS[I_LATENCY]
    assert codes(rows) == [[latency, outage], [outage, latency], [INDICATORS[i] for i in first]]


def test_the_registry_says_itself_what_it_has_against_a_station():
    rows = judgements(3)
    rows["station"], rows["time_us"] = (2, 3, 4), 7
    rows["points"][:2, I_REGISTRY] = 60.0
    told = findings(rows, LIMITS, np.zeros(3), registry)
    assert told[0] == (ANTENNA, Finding("place", "Of 2 at 7.", 2.0, 3.0))
    assert [f.code for f in told[1]] == [INDICATORS[I_REGISTRY]]  # it has no words: the indicator has
    assert told[2] == ()


def test_nobody_is_told_of_indicators_that_have_nothing_to_go_by():
    rows = judgements(4)
    rows["points"][:, [I_OUTAGE, I_FRAME_ERRORS]] = 10.0
    rows["remarks"] = (NOT_WARM, NOTHING_CAME, NOTHING_CAME | NOT_WARM | HELD_BAD, HELD_BAD)
    frames, nothing = INDICATORS[I_FRAME_ERRORS], "no_observations"
    assert codes(rows[:3]) == [["warm_up"], [frames, nothing], [frames, nothing]]
    assert set(codes(rows[3:])[0]) == {INDICATORS[I_OUTAGE], frames, "hold"}
    rows["points"] = 100.0
    assert codes(rows) == [["warm_up"], [nothing], [nothing], ["hold"]]


def test_each_has_its_own_figures():
    rows = judgements(2)
    rows["remarks"] = (CLOCK_STEP, CLOCK_BEHIND)
    rows["values"][:, I_LATENCY] = (0.0, -3.0)
    (step,), (behind,) = findings(rows, LIMITS, np.array([-2.0, 5.0]))
    assert (step.value, "-2 ms" in step.text) == (-2.0, True)
    assert (behind.value, "3.0 s before" in behind.text) == (-3.0, True)


def test_none_is_told_of_no_judgement():
    assert findings(judgements(0), LIMITS, np.zeros(0)) == []
