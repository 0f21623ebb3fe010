from hypothesis import given
from hypothesis import strategies as st

from dashboards.access import rates
from dashboards.access.rates import BURST_S, Rates

RATE_S = 2.0
BURST = int(RATE_S * BURST_S)


@given(st.lists(st.integers(0, 3_000), max_size=200))
def test_a_bucket_of_tokens_says_the_same(steps_ms):
    """The oracle counts tokens: a bucket of BURST that gets RATE_S a second."""
    limits, tokens, now_ms = Rates(RATE_S), BURST * 1000, 0
    for step_ms in steps_ms:
        now_ms += step_ms
        tokens = min(BURST * 1000, tokens + step_ms * int(RATE_S))
        taken = tokens >= 1000
        tokens -= 1000 * taken
        wait_s = limits.wait_s("a", now_ms / 1000)
        assert (wait_s == 0) == taken
        if not taken:
            assert abs(wait_s - (1000 - tokens) / 1000 / RATE_S) < 1e-6


def test_who_waits_as_long_as_told_is_taken():
    limits = Rates(RATE_S)
    assert [limits.wait_s("a", 5.0) for _ in range(BURST)] == [0.0] * BURST
    wait_s = limits.wait_s("a", 5.0)
    assert 0 < wait_s <= 1 / RATE_S
    assert limits.wait_s("b", 5.0) == 0.0
    assert limits.wait_s("a", 5.0 + wait_s) == 0.0
    assert limits.refused == 1


def test_a_slow_rate_takes_one():
    limits = Rates(0.01)
    assert limits.wait_s("a", 0.0) == 0.0
    assert limits.wait_s("a", 1.0) > 98
    assert limits.wait_s("a", 100.0) == 0.0


def test_no_rate_takes_all():
    assert not any(Rates(0.0).wait_s("a", 0.0) for _ in range(10_000))


def test_askers_are_bounded(monkeypatch):
    monkeypatch.setattr(rates, "MOST_ASKERS", 3)
    limits = Rates(0.1)
    assert [limits.wait_s(name, 0.0) for name in "abcd"] == [0.0] * 4
    assert len(limits._full_at_s) == 3
