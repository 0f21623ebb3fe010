import csv
import gzip
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ioos_qc import qartod as ioos

from sensors.model import Datastream, ObservedProperty
from sensors.qartod import TESTS, Qartod
from sensors.qartod_kernel import judge
from sensors.quality_tests import FlatLine, GrossRange, QualityTests, RateOfChange, quality_tests

S = 1_000_000
START_US = 1_700_000_000 * S
NAN = float("nan")


def engine(tests, n_series=1, period_s=60.0):
    """One engine; `tests` as in a catalogue, the span from 0 to 10 unless it says otherwise."""
    observed = ObservedProperty(
        id="p", name="P", domain="ocean", unit="m", span=(0.0, 10.0), sampling_period_s=period_s, tests=tests
    )
    made = quality_tests(observed)
    return Qartod([f"s{i}" for i in range(n_series)], [made] * n_series, [period_s] * n_series)


def only(**tests):
    return {"gross_range": {"off": True}} | tests


def columns(values, times=None, series=0, received=None):
    n = len(values)
    times = START_US + np.arange(n) * 60 * S if times is None else np.asarray(times, np.int64)
    return (
        np.full(n, series, np.int32),
        times,
        np.asarray(values, np.float64),
        times if received is None else np.asarray(received, np.int64),
    )


def final(*judged):
    """The flags that a store keeps: for each series and time the highest revision."""
    kept = {}
    for part in judged:
        for i in range(len(part.series)):
            key = (int(part.series[i]), int(part.time_us[i]))
            if key not in kept or part.revision[i] >= kept[key][0]:
                kept[key] = (int(part.revision[i]), part.flags[i].tolist(), int(part.flag[i]))
    return kept


def flags_of(test, judged):
    kept = final(judged)
    return [kept[key][1][TESTS.index(test)] for key in sorted(kept)]


def rows(judged):
    return list(
        zip(
            judged.series.tolist(),
            judged.time_us.tolist(),
            [repr(v) for v in judged.value.tolist()],
            judged.received_at_us.tolist(),
            judged.revision.tolist(),
            [tuple(f) for f in judged.flags.tolist()],
            judged.flag.tolist(),
            strict=True,
        )
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
    kept = final(engine({}).judge(*columns([1.0, 11.0])))
    assert [kept[key][1] for key in sorted(kept)] == [[1, 2, 2, 2], [4, 2, 2, 2]]
    assert [kept[key][2] for key in sorted(kept)] == [1, 4]
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
    assert judged.flags[late].tolist() == [[4, 2, 2, 2]]
    kept = final(judged)
    assert kept[0, times[1]] == (1, [1, 1, 2, 3], 3)
    assert kept[0, times[2]][1] == [1, 1, 2, 4]


def test_a_wrong_time_in_the_future_does_not_make_all_true_ones_late():
    q = engine({})
    times = START_US + np.array([0, 60, 8 * 3600, 180, 240]) * S
    received = START_US + np.array([0, 60, 120, 180, 240]) * S
    judged = q.judge(*columns([1.0] * 5, times, received=received))
    assert judged.late == 0
    assert judged.revision.tolist() == [0] * 5


def test_samples_of_an_unknown_series_are_kept_unjudged():
    judged = engine({}).judge(*columns([1.0, NAN], series=-1))
    assert judged.flags.tolist() == [[2] * 4, [9] * 4]
    assert judged.flag.tolist() == [2, 9]


def test_columns_that_cannot_be_written_need_no_second_kernel():
    made = columns([1.0, 2.0, 1.0])
    engine({}).judge(*made)
    kernels = len(judge.signatures)
    for column in made:
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


# --- ioos_qc beside -------------------------------------------------------------------------------


def ioos_flags(values, seconds, gross, user, spike, rate, flat):
    times = np.asarray(seconds).astype("datetime64[s]")
    with np.errstate(all="ignore"):
        return {
            "gross_range": ioos.gross_range_test(values, gross, user),
            "spike": ioos.spike_test(values, *spike),
            "rate_of_change": ioos.rate_of_change_test(values, times, *rate),
            "flat_line": ioos.flat_line_test(values, times, *flat),
        }


def as_ioos(gross, user, spike, rate, flat, interval_s):
    return {
        "series": {"behaviour": "ioos_qc"},
        "gross_range": {"span": gross, "user_span": user},
        "spike": dict(zip(("suspect", "fail"), spike, strict=False)),
        "rate_of_change": dict(zip(("limit", "fail_limit"), rate, strict=False)),
        "flat_line": {
            "suspect_count": int(flat[0] / interval_s),
            "fail_count": int(flat[1] / interval_s),
            "tolerance": flat[2],
        },
    }


@given(
    st.lists(st.one_of(st.integers(-24, 24).map(lambda n: n / 4), st.just(NAN)), min_size=3, max_size=60),
    st.sampled_from([1, 60, 360, 3600]),
    st.integers(1, 4),
    st.integers(0, 6),
)
@settings(max_examples=150, deadline=None)
def test_every_flag_of_ioos_qc_on_regular_series(values, interval_s, suspect, more):
    seconds = 1_700_000_000 + np.arange(len(values)) * interval_s
    gross, user, spike = (-5.0, 5.0), (-3.0, 4.0), (0.6, 2.1)
    rate = (1.1 / interval_s, 3.1 / interval_s)
    flat = (suspect * interval_s, (suspect + more) * interval_s, 0.3)
    expected = ioos_flags(values, seconds, gross, user, spike, rate, flat)
    q = engine(as_ioos(gross, user, spike, rate, flat, interval_s), period_s=float(interval_s))
    judged = q.judge(*columns(values, seconds * S))
    for test in TESTS:
        assert flags_of(test, judged) == expected[test].tolist(), test


def test_the_kotzebue_water_level_flag_by_flag(data):
    with gzip.open(data / "qartod/water_level_kotzebue_expected_flags_ioos_qc_3.0.0.csv.gz", "rt") as file:
        expected = list(csv.DictReader(file))
    seconds = np.array([int(datetime.fromisoformat(r["time"]).timestamp()) for r in expected])
    values = np.array([float(r["value"] or NAN) for r in expected])
    flat = (10_800, 21_600, 0.001)
    tests = as_ioos(
        (-10.0, 10.0), (-2.0, 3.0), (0.8, 3.0), (0.001,), flat, float(np.median(np.diff(seconds)))
    )
    judged = engine(tests, period_s=3600.0).judge(*columns(values, seconds * S))
    beside = ioos_flags(values, seconds, (-10, 10), (-2, 3), (0.8, 3.0), (0.001,), flat)
    for test in TESTS:
        stored = [int(r[test]) for r in expected]
        assert beside[test].tolist() == stored, test
        assert flags_of(test, judged) == stored, test


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
    assert tests.spike is not None
    assert (tests.spike.suspect, tests.spike.fail) == (1.0, 5.0)
    assert tests.rate_of_change is None
    assert tests.gross_range is not None
    assert tests.gross_range.user_span == (1.0, 9.0)


def test_series_whose_tests_change_begin_anew_and_no_other_notices() -> None:
    def made(flat: int, **more: object) -> QualityTests:
        return QualityTests(
            gross_range=GrossRange(span=(-5.0, 5.0)),
            flat_line=FlatLine(suspect_count=2, fail_count=flat, tolerance=0.01),
            **more,  # type: ignore[arg-type]
        )

    def judge(one: Qartod, name: str, begin: int, values: list[float]) -> list[list[int]]:
        times = np.arange(begin, begin + len(values), dtype=np.int64) * 60_000_000
        slots = one.slots([name] * len(values))
        judged = one.judge(slots, times, np.array(values), times)
        return judged.flags.tolist()

    changed, whole = (Qartod(["a", "b"], [made(4), made(4)], [60.0, 60.0]) for _ in range(2))
    for one in (changed, whole):
        judge(one, "a", 0, [1.0, 1.0, 1.0])
        judge(one, "b", 0, [2.0, 2.0])
    deviations = RateOfChange(deviations=3.0, period_s=1500.0)
    changed.change("c", made(9, rate_of_change=deviations), 60.0)  # a wider ring, and bins for all
    changed.change("b", None, 0.0)
    changed.change("d", made(2), 60.0)
    changed.change("b", made(2), 60.0)
    assert judge(changed, "a", 3, [1.0, 1.0, 1.5]) == judge(whole, "a", 3, [1.0, 1.0, 1.5])
    assert judge(changed, "b", 2, [2.0, 2.0])[-1][3] == 1, "nothing of before is known"
    assert judge(changed, "b", 4, [2.0])[-1][3] == 4
    for name in ("e", "f", "g", "h", "i", "j", "k", "l"):
        changed.change(name, made(2), 60.0)
        assert judge(changed, name, 0, [3.0])[0][3] == 2
    again = Qartod(["a", "b"], [made(4), made(2)], [60.0, 60.0])  # as a restart makes it
    again.restore(changed.snapshot())
    for name in ("a", "b"):
        assert judge(again, name, 9, [1.5, 1.5]) == judge(changed, name, 9, [1.5, 1.5])
    assert changed.slots(["nobody"]).tolist() == [-1]
