from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.quality.frame_errors import bad_share
from gnss.quality.latency import Latencies
from gnss.quality.score import Hold, Limit, Verdict, judged, worst_of

SECOND_US = 1_000_000
UP, DOWN = Limit(0.5, 2.0, 5.0), Limit(1.0, 0.95, 0.8)


@pytest.mark.parametrize("limit", [UP, DOWN])
@settings(deadline=None)
@given(a=st.floats(-1, 12), b=st.floats(-1, 12))
def test_worse_values_never_get_more_points(limit: Limit, a: float, b: float) -> None:
    worse, better = (max(a, b), min(a, b)) if limit is UP else (min(a, b), max(a, b))
    assert 0 <= limit.points(worse) <= limit.points(better) <= 100


@pytest.mark.parametrize(
    ("limit", "value", "state"),
    [
        (UP, 0.1, "good"),
        (UP, 1.99, "good"),
        (UP, 2.0, "degraded"),
        (UP, 4.99, "degraded"),
        (UP, 5.0, "bad"),
        (UP, 50.0, "bad"),
        (DOWN, 0.951, "good"),
        (DOWN, 0.95, "degraded"),
        (DOWN, 0.81, "degraded"),
        (DOWN, 0.8, "bad"),
        (DOWN, 0.0, "bad"),
    ],
)
def test_a_threshold_that_is_reached_decides(limit: Limit, value: float, state: str) -> None:
    verdict = worst_of([judged("x", "{value} {threshold}", value, limit, "")])
    assert verdict.state == state
    assert len(verdict.findings) == (state != "good")


def test_one_grave_fault_is_not_averaged_away() -> None:
    good = [judged("fine", "", 0.0, UP, "") for _ in range(20)]
    verdict = worst_of([*good, judged("late", "{value:.0f} s, threshold {threshold:.0f} s", 9.0, UP, "")])
    assert verdict.state == "bad"
    assert verdict.score is not None
    assert verdict.score < 40
    (finding,) = verdict.findings
    assert (finding.code, finding.text, finding.threshold) == ("late", "9 s, threshold 5 s", 5.0)


def test_nothing_to_judge_is_unknown_not_good() -> None:
    assert worst_of([None, None]) == Verdict("unknown", None, ())


def test_worse_at_once_better_after_the_hold() -> None:
    hold = Hold(60.0)
    good, degraded, bad = Verdict("good", 95, ()), Verdict("degraded", 55, ()), Verdict("bad", 10, ())

    def states(verdict: Verdict, begin_s: int, end_s: int) -> list[str]:
        announced = [hold.apply(verdict, s * SECOND_US) for s in range(begin_s, end_s)]
        for one in announced:
            assert one.score is not None
            expected = "good" if one.score >= 70 else "degraded" if one.score >= 40 else "bad"
            assert one.state == expected, "score and state never contradict"
        return [one.state for one in announced]

    assert states(good, 0, 5) == ["good"] * 5
    assert states(bad, 5, 7) == ["bad"] * 2
    assert states(degraded, 7, 20) == ["bad"] * 13
    assert states(good, 20, 80) == ["bad"] * 46 + ["degraded"] * 13 + ["good"]
    assert states(degraded, 80, 81) == ["degraded"]


def test_latency_is_a_median_and_jitter_a_spread() -> None:
    latencies = Latencies()
    assert latencies.recent_s() is None
    assert latencies.jitter_s() is None
    for k in range(100):
        latencies.add(0.2 + 0.01 * (k % 20) + (3.0 if k == 98 else 0.0))
    assert latencies.recent_s() == pytest.approx(0.37)
    assert latencies.jitter_s() == pytest.approx(0.19, abs=0.02)
    again = Latencies()
    again.restore(latencies.snapshot())
    assert again.jitter_s() == latencies.jitter_s()


def test_share_of_bad_frames() -> None:
    assert bad_share(0, 0) is None
    assert bad_share(99, 1) == pytest.approx(0.01)
