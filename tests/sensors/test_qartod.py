from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.model import Datastream, ObservedProperty
from sensors.qartod import Qartod
from sensors.qartod_kernel import judge
from sensors.quality_tests import QualityTests, quality_tests
from tests.sensors.judging import (
    NAN,
    START_US,
    S,
    columns,
    engine,
    final,
    flags_of,
    in_cuts,
    minutes,
    only,
    overall_of,
    rows,
    with_partners,
)

# --- the manual -----------------------------------------------------------------------------------


def test_gross_range_fails_outside_the_span_and_suspects_outside_the_user_span():
    q = engine({"gross_range": {"user_span": [1.0, 9.0]}})
    values = [-0.1, 0.0, 0.9, 1.0, 9.0, 9.1, 10.0, 10.1, NAN, np.inf]
    assert flags_of("gross_range", q.judge(*columns(values))) == [4, 3, 3, 1, 1, 3, 3, 4, 9, 9]


def test_a_spike_is_judged_when_its_successor_comes():
    q = engine(only(spike={"suspect": 0.1, "fail": 0.2}))
    first = q.judge(*columns([1.0, 1.15]))
    assert first.revision.tolist() == [0, 0]
    assert first.tests == ["gross_range", "spike"]
    assert first.flags[:, 1].tolist() == [2, 2]
    times = START_US + np.array([2, 3]) * 60 * S
    second = q.judge(*columns([1.0, 2.0], times))
    assert second.revision.tolist() == [1, 0, 1, 0]
    assert second.time_us.tolist() == [times[0] - 60 * S, times[0], times[0], times[1]]
    # 1.15 against (1 + 1) / 2 is 0.15; 1.0 against (1.15 + 2) / 2 is 0.575
    assert second.flags[:, 1].tolist() == [3, 2, 4, 2]
    assert second.received_at_us[0] == times[0] - 60 * S


def test_a_fixed_rate_is_never_stricter_than_its_limit_for_close_samples():
    q = engine(only(rate_of_change={"limit": 0.1, "per_s": 360}), period_s=360.0)
    times = START_US + np.array([0, 2, 4, 364, 1084]) * S
    judged = q.judge(*columns([1.0, 1.09, 1.2, 1.29, 1.48], times))
    assert flags_of("rate_of_change", judged) == [2, 1, 3, 1, 1]


def test_rate_by_deviations_agrees_with_numpy_over_the_same_steps():
    rng = np.random.default_rng(1)
    values = np.cumsum(rng.normal(0, 0.1, 400)) + 5
    values[::37] += 2.5
    period_s, n_dev = 250 * 60.0, 1.5
    q = engine(
        {"gross_range": {"span": [-100, 8.5]}, "rate_of_change": {"deviations": n_dev, "period_s": period_s}}
    )
    series, times, values, received = columns(values)
    # After a gap, what the window remembers from before is partly, then wholly too old.
    times[320:] += 200 * 60 * S
    values[320:] = rng.normal(-40, 1, 80)
    flags = flags_of("rate_of_change", q.judge(series, times, values, received))
    step = round(period_s * S / 25)
    seen = set()
    for i in range(400):
        before = (times < times[i]) & (times // step > times[i] // step - 25) & (values <= 8.5)
        known = times[: i + 1][values[: i + 1] <= 8.5]
        if i in {0, 320} or len(known) == 0 or times[i] - known[0] < 25 * step:
            expected = 2
        else:
            change = abs(values[i] - values[i - 1])
            expected = 3 if change > n_dev * np.std(values[before], ddof=1) else 1
        assert flags[i] == expected, i
        seen.add(expected)
    assert seen == {1, 2, 3}


def test_a_flat_line_counts_the_samples_before():
    q = engine(only(flat_line={"suspect_count": 3, "fail_count": 5, "tolerance": 0.001}))
    values = [1.0, 1.0, 1.0, 1.0004, 1.0, 1.0, 1.0, 1.5, 1.5]
    assert flags_of("flat_line", q.judge(*columns(values))) == [2, 1, 1, 3, 3, 4, 4, 1, 1]


def test_a_missing_value_breaks_a_flat_line_and_blocks_its_neighbours_spikes():
    tests = only(flat_line={"suspect_count": 2, "fail_count": 3, "tolerance": 0.001}, spike={"suspect": 0.1})
    judged = engine(tests).judge(*columns([1.0, 1.0, 1.0, NAN, 1.0, 1.0, 1.0]))
    assert flags_of("flat_line", judged) == [2, 1, 3, 9, 1, 1, 3]
    assert flags_of("spike", judged) == [2, 1, 2, 9, 2, 1, 2]


def test_a_gap_makes_the_tests_forget():
    tests = only(
        spike={"suspect": 0.1},
        rate_of_change={"limit": 0.1, "per_s": 60},
        flat_line={"suspect_count": 1, "fail_count": 2, "tolerance": 0.001},
        series={"max_gap_s": 600},
    )
    times = START_US + np.array([0, 60, 120, 721, 781, 841]) * S
    judged = engine(tests).judge(*columns([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], times))
    assert flags_of("spike", judged) == [2, 1, 2, 2, 1, 2]
    assert flags_of("rate_of_change", judged) == [2, 1, 1, 2, 1, 1]
    assert flags_of("flat_line", judged) == [2, 3, 4, 2, 3, 4]


def test_the_worst_test_makes_the_overall_flag():
    tests = {"gross_range": {"user_span": [1.0, 9.0]}, "spike": {"suspect": 0.1, "fail": 0.2}}
    kept = final(engine(tests).judge(*columns([2.0, 2.0, 2.0, 9.5, 2.0, NAN, 11.0])))
    assert [kept[key][2] for key in sorted(kept)] == [2, 1, 4, 4, 2, 9, 4]


def test_what_is_switched_off_does_not_count():
    judged = engine({}).judge(*columns([1.0, 11.0]))
    assert judged.tests == ["gross_range"], "a test that no series has is no column"
    assert [f for _, f, _ in final(judged).values()] == [[1], [4]]
    assert overall_of(judged) == [1, 4]
    assert [f for _, _, f in final(engine(only()).judge(*columns([1.0, NAN]))).values()] == [2, 9]


# --- order ----------------------------------------------------------------------------------------


def test_a_repetition_is_not_judged_again_and_a_late_sample_never_replaces_one():
    q = engine(
        {"spike": {"suspect": 0.1}, "flat_line": {"suspect_count": 1, "fail_count": 2, "tolerance": 1}}
    )
    times = START_US + np.array([0, 60, 120, 120, 60, 180]) * S
    judged = q.judge(*columns([1.0, 1.0, 1.0, 5.0, 11.0, 1.0], times))
    assert (judged.repeated, judged.late) == (1, 1)
    late = judged.revision == -1
    assert judged.flags[late].tolist() == [[4, 2, 2]]
    kept = final(judged)
    assert kept[0, times[1]] == (1, [1, 1, 3], 3)
    assert kept[0, times[2]][1] == [1, 1, 4]


def test_a_wrong_time_in_the_future_does_not_make_all_true_ones_late():
    q = engine({})
    times = START_US + np.array([0, 60, 8 * 3600, 180, 240]) * S
    received = START_US + np.array([0, 60, 120, 180, 240]) * S
    judged = q.judge(*columns([1.0] * 5, times, received=received))
    assert judged.late == 0
    assert judged.revision.tolist() == [0] * 5


def test_samples_of_an_unknown_series_are_kept_unjudged():
    judged = engine({"spike": {"suspect": 1.0}}).judge(*columns([1.0, NAN], series=-1))
    assert judged.flags.tolist() == [[2] * 2, [9] * 2]
    assert judged.flag.tolist() == [2, 9]


def test_columns_that_cannot_be_written_need_no_second_kernel():
    made = columns([1.0, 2.0, 1.0])
    engine({}).judge(*made)
    kernels = len(judge.signatures)
    for column in made[1:]:
        column.flags.writeable = False
    assert flags_of("gross_range", engine({}).judge(*made)) == [1, 1, 1]
    assert len(judge.signatures) == kernels


ALL = {
    "gross_range": {"user_span": [1.0, 9.0]},
    "spike": {"suspect": 0.5, "fail": 2.0},
    "rate_of_change": {"deviations": 1.0, "period_s": 2500.0},
    "flat_line": {"suspect_count": 2, "fail_count": 4, "tolerance": 0.3},
}
sample = st.tuples(
    st.integers(0, 2),
    st.integers(-2, 30),
    st.one_of(st.floats(-1, 11, width=16), st.just(NAN)),
)


@given(st.lists(sample, max_size=60), st.lists(st.integers(0, 60), max_size=5), st.booleans())
@settings(max_examples=150, deadline=None)
def test_cutting_and_restarting_change_nothing(samples, cuts, restart):
    clock = np.cumsum([s[1] for s in samples]) if samples else np.empty(0)
    series = np.array([s[0] for s in samples], np.int32)
    times = START_US + clock.astype(np.int64) * 10 * S
    values = np.array([s[2] for s in samples])
    whole = rows(engine(ALL, 3).judge(series, times, values, times))
    q, parts = engine(ALL, 3), []
    bounds = [0, *sorted(min(c, len(samples)) for c in cuts), len(samples)]
    for begin, end in pairwise(bounds):
        piece = slice(begin, end)
        parts += rows(q.judge(series[piece], times[piece], values[piece], times[piece]))
        if restart:
            other = engine(ALL, 3)
            other.restore(list(q.snapshot()))
            q = other
    assert parts == whole


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ({"spike": {"suspect": 1.0, "fial": 2.0}}, "fial"),
        ({"spikes": {}}, "spikes"),
        ({"spike": {"suspect": 3.0, "fail": 2.0}}, "suspect <= fail"),
        ({"gross_range": {"user_span": [5.0, 20.0]}}, "within span"),
        ({"rate_of_change": {}}, "either limit or deviations"),
        ({"flat_line": {"suspect_count": 3, "fail_count": 2, "tolerance": 0.1}}, "suspect_count"),
    ],
)
def test_wrong_parameters_are_refused_by_name(tests, words):
    observed = ObservedProperty(
        id="level", name="P", domain="ocean", unit="m", span=(0.0, 10.0), sampling_period_s=1.0
    )
    series = Datastream(id="g.level", thing_id="g", property_id="level", name="L", unit="m", tests=tests)
    with pytest.raises(ValueError, match=words) as error:
        quality_tests(observed, series)
    assert "datastream g.level" in str(error.value)


def test_a_datastream_changes_single_parameters_and_switches_tests_off():
    observed = ObservedProperty(
        id="level",
        name="P",
        domain="ocean",
        unit="m",
        span=(0.0, 10.0),
        user_span=(1.0, 9.0),
        sampling_period_s=1.0,
        tests={"spike": {"suspect": 1.0, "fail": 2.0}, "rate_of_change": {"limit": 1.0}},
    )
    series = Datastream(
        id="g.level",
        thing_id="g",
        property_id="level",
        name="L",
        unit="m",
        tests={"spike": {"fail": 5.0}, "rate_of_change": {"off": True}},
    )
    tests = quality_tests(observed, series)
    assert tests.tests.keys() == {"gross_range", "spike"}
    assert (tests.tests["spike"].suspect, tests.tests["spike"].fail) == (1.0, 5.0)
    assert tests.tests["gross_range"].user_span == (1.0, 9.0)


def test_series_whose_tests_change_begin_anew_and_no_other_notices() -> None:
    def made(flat: int, **more: object) -> QualityTests:
        lines = {"suspect_count": 2, "fail_count": flat, "tolerance": 0.01}
        observed = ObservedProperty(
            id="p", name="P", domain="ocean", unit="m", span=(-5.0, 5.0), sampling_period_s=60.0
        )
        series = Datastream(
            id="s", thing_id="t", property_id="p", name="S", unit="m", tests={"flat_line": lines} | more
        )
        return quality_tests(observed, series)

    def judge(one: Qartod, name: str, begin: int, values: list[float]) -> list[int]:
        times = np.arange(begin, begin + len(values), dtype=np.int64) * 60_000_000
        slots = one.slots([name] * len(values))
        judged = one.judge(slots, times, np.array(values), times)
        return judged.flags[:, judged.tests.index("flat_line")].tolist()

    changed, whole = (Qartod(["a", "b"], [made(4), made(4)], [60.0, 60.0]) for _ in range(2))
    for one in (changed, whole):
        judge(one, "a", 0, [1.0, 1.0, 1.0])
        judge(one, "b", 0, [2.0, 2.0])
    deviations = {"deviations": 3.0, "period_s": 1500.0}
    changed.change("c", made(9, rate_of_change=deviations), 60.0)  # a longer memory than any before
    changed.change("b", None, 0.0)
    changed.change("d", made(2), 60.0)
    changed.change("b", made(2), 60.0)
    assert judge(changed, "a", 3, [1.0, 1.0, 1.5]) == judge(whole, "a", 3, [1.0, 1.0, 1.5])
    assert judge(changed, "b", 2, [2.0, 2.0])[-1] == 1, "nothing of before is known"
    assert judge(changed, "b", 4, [2.0])[-1] == 4
    for name in ("e", "f", "g", "h", "i", "j", "k", "l"):
        changed.change(name, made(2), 60.0)
        assert judge(changed, name, 0, [3.0])[0] == 2
    again = Qartod(["a", "b"], [made(4), made(2)], [60.0, 60.0])  # as a restart makes it
    again.restore(changed.snapshot())
    for name in ("a", "b"):
        assert judge(again, name, 9, [1.5, 1.5]) == judge(changed, name, 9, [1.5, 1.5])
    assert changed.slots(["nobody"]).tolist() == [-1]


# --- all of them ---


EVERYTHING = {
    "gap": {"interval_s": 90.0},
    "location": {"longitude": "lon", "latitude": "lat", "range_max_m": 5000.0},
    "climatology": {
        "bins": [{"period": "dayofweek", "tspan": [0, 3], "vspan": [2, 8], "zspan": [0, 5]}],
        "depth": "lat",
    },
    "spike": {"suspect": 0.5, "fail": 2.0, "method": "differential"},
    "rate_of_change": {"limit": 2.0, "per_s": 60.0},
    "flat_line": {"suspect_count": 2, "fail_count": 4, "tolerance": 0.3},
    "multi_variate": {"partner": "lon", "period_s": 600.0},
    "attenuated_signal": {"suspect": 2.0, "fail": 1.0, "period_s": 600.0},
    "neighbor": {"partner": "lon", "suspect": 1.0, "fail": 3.0},
    "density_inversion": {"depth": "lat", "suspect": -0.5, "fail": -1.0},
    "syntax": {},
}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(-1, 7), st.one_of(st.floats(-1, 11, width=16), st.just(NAN))
        ),
        max_size=80,
    ),
    st.lists(st.integers(0, 80), max_size=5),
    st.booleans(),
    st.sampled_from(["manual", "ioos_qc"]),
)
@settings(max_examples=200)
def test_every_test_at_once_in_any_cut(samples, cuts, restart, behaviour):
    def begin():
        return with_partners(EVERYTHING | {"series": {"behaviour": behaviour}}, ["lon", "lat"])

    times = START_US + np.cumsum([step for _, step, _ in samples], dtype=np.int64) * 20 * S
    made = (
        np.array([slot for slot, _, _ in samples], np.int32),
        times,
        np.array([value for _, _, value in samples]),
        times + 30 * S,
    )
    whole = rows(*in_cuts(begin(), made, []))
    q, parts = begin(), []
    for left, right in pairwise([0, *sorted(min(c, len(samples)) for c in cuts), len(samples)]):
        parts.append(q.judge(*(column[left:right] for column in made)))
        if restart:
            pieces = list(q.snapshot())
            q = begin()
            q.restore(pieces)
    parts.append(q.end())
    assert rows(*parts) == whole


def test_a_test_that_remembers_in_another_way_begins_anew_and_the_others_go_on():
    flat = {"suspect_count": 2, "fail_count": 4, "tolerance": 0.1}
    tests = {"spike": {"suspect": 0.5}, "flat_line": flat}
    q = engine(tests)
    q.judge(*columns([1.0, 1.0, 1.0]))
    for longer, expected in ((4, 3), (6, 2)):
        other = engine(tests | {"flat_line": flat | {"fail_count": longer}})
        other.restore(q.snapshot())
        judged = other.judge(*columns([1.0], minutes(3)))
        assert flags_of("flat_line", judged)[-1] == expected
        assert flags_of("spike", judged) == [1, 2]
    other.restore([msgspec.msgpack.encode([224, ["s0"], [4, 0], b"", b"", b""])])  # of an older program
    assert flags_of("spike", other.judge(*columns([1.0], minutes(4)))) == [1, 2]
