"""Each test as the manual has it, by hand or with a plain numpy twin."""

import numpy as np
import pytest

from sensors.model import Datastream, ObservedProperty
from sensors.qartod import Qartod
from sensors.quality_tests import quality_tests
from tests.sensors.judging import (
    NAN,
    S,
    columns,
    engine,
    flags_of,
    minutes,
    only,
    overall_of,
    together,
    with_partners,
)


def test_a_sample_that_came_late_or_after_a_hole_is_told():
    tests = only(gap={"interval_s": 120.0})
    times = minutes(0, 1, 4, 5)
    received = times + np.array([5, 121, 5, 5]) * S
    judged = engine(tests).judge(*columns([1.0, 1.0, NAN, 1.0], times, received=received))
    assert flags_of("gap", judged) == [1, 9, 3, 1]
    assert overall_of(judged) == [1, 2, 9, 1], "a 9 of a sample that is there says nothing of its value"


def test_what_could_not_be_read_fails_its_syntax_alone():
    from sensors.quality.syntax import UNREADABLE

    judged = engine({"syntax": {}}).judge(*columns([1.0, UNREADABLE, NAN]))
    assert flags_of("syntax", judged) == [1, 4, 9]
    assert flags_of("gross_range", judged) == [1, 9, 9]
    assert overall_of(judged) == [1, 9, 9]


def test_a_third_difference_marks_a_spike_and_the_sample_behind_it():
    tests = only(spike={"suspect": 0.3, "fail": 0.6, "method": "third_difference"})
    judged = engine(tests).judge(*columns([1.0, 1.1, 1.2, 1.55, 1.4, 1.5, 1.6, 1.7]))
    # the spike of 0.25 above a line of slope 0.1 gives 3 * 0.25 at itself and behind, 0.25 beside
    assert flags_of("spike", judged) == [2, 2, 1, 4, 4, 1, 1, 2]


def test_seasons_go_over_the_end_of_a_year_and_only_suspect():
    bins = [
        {"period": "month", "tspan": [12, 2], "vspan": [0.0, 5.0]},
        {"period": "month", "tspan": [6, 8], "vspan": [4.0, 9.0], "zspan": [0.0, 10.0]},
    ]
    days = np.array([0, 31, 62, 121, 181, 182, 334])  # of 2023: January, February, March, May, July, December
    times = (19_358 + days) * 86_400 * S
    q = engine(only(climatology={"bins": bins, "depth_m": 5.0}), period_s=86_400.0)
    judged = q.judge(*columns([6.0, 5.0, 6.0, 6.0, 3.0, 6.0, 9.0], times))
    assert flags_of("climatology", judged) == [3, 1, 2, 2, 3, 1, 3]
    deep = engine(only(climatology={"bins": bins}), period_s=86_400.0).judge(*columns([3.0], times[4:5]))
    assert flags_of("climatology", deep) == [2], "no depth is in no span of depths"


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_neighbour_is_found_whichever_comes_first(order):
    tests = {"neighbor": {"partner": "other", "suspect": 0.03, "fail": 0.05, "offset": 1.0}}
    values = [2.0, 2.04, 2.06, NAN, 2.0, 2.0]
    others = [1.0, 1.0, 1.0, 1.0, NAN, 1.0]
    q = with_partners(tests, ["other"])
    judged = q.judge(*together(minutes(*range(6)), values, others, order=order))
    last = 1 if order == [1, 0] else 2
    assert flags_of("neighbor", judged) == [1, 3, 4, 9, 2, last]
    revised = judged.revision[(judged.series == 0) & (judged.revision > 0)]
    assert len(revised) == (0 if order == [1, 0] else 3)


def test_a_neighbour_of_another_site_or_one_that_failed_says_nothing():
    tests = engine(only(neighbor={"partner": "o", "suspect": 0.1}))._parameters  # compiles the engine alone
    assert len(tests) == 1
    observed = ObservedProperty(
        id="p", name="P", domain="ocean", unit="m", span=(0.0, 10.0), sampling_period_s=60.0
    )

    def series(name, **tests):
        return quality_tests(
            observed, Datastream(id=name, thing_id="t", property_id="p", name=name, unit="m", tests=tests)
        )

    both = [series("s0", neighbor={"partner": "o", "suspect": 0.1}), series("o")]
    for sites, other, flag in ((("a", "b"), 1.0, 2), (("a", "a"), 11.0, 2), (("a", "a"), 1.0, 1)):
        q = Qartod(["s0", "o"], both, [60.0, 60.0], sites)
        judged = q.judge(*together(minutes(0), [1.0], [other], order=[1, 0]))
        assert flags_of("neighbor", judged) == [flag]
    q.change("o", None, 0.0)
    assert flags_of("neighbor", q.judge(*columns([1.0], minutes(1)))) == [2]
    q.change("o", series("o"), 60.0, "a")
    judged = q.judge(*together(minutes(2), [1.0], [1.0], order=[1, 0]))
    assert flags_of("neighbor", judged) == [1]


def test_a_change_that_the_wind_does_not_explain_agrees_with_numpy():
    rng = np.random.default_rng(5)
    level, wind = rng.normal(0, 1, 400), rng.normal(0, 1, 400)
    period_s = 250 * 60.0
    tests = {"multi_variate": {"partner": "wind", "period_s": period_s, "deviations": 1.5}}
    times = minutes(*range(400))
    judged = with_partners(tests, ["wind"]).judge(*together(times, level, wind, order=[1, 0]))
    step = round(period_s * S / 25)
    expected = [2]
    for i in range(1, 400):
        window = (times < times[i]) & (times // step > times[i] // step - 25)
        of_level, of_wind = (
            np.std(level[window], ddof=1) if i > 1 else 0,
            np.std(wind[window], ddof=1) if i > 1 else 0,
        )
        changes = abs(level[i] - level[i - 1]) > 1.5 * of_level
        still = abs(wind[i] - wind[i - 1]) < 2 * of_wind
        expected.append(2 if times[i] - times[0] < 25 * step else 3 if changes and still else 1)
    assert flags_of("multi_variate", judged) == expected
    assert set(expected) == {1, 2, 3}


@pytest.mark.parametrize("check_type", ["std", "range"])
def test_a_weak_signal_agrees_with_numpy_over_the_same_steps(check_type):
    rng = np.random.default_rng(6)
    values = rng.normal(5, 0.5, 500) * np.repeat([1, 0.2, 0.01, 1, 0.2], 100) + 3
    times = minutes(*range(500))
    tests = only(
        attenuated_signal={"suspect": 0.5, "fail": 0.1, "period_s": 3000.0, "check_type": check_type}
    )
    step = 120 * S
    expected = []
    for i in range(500):
        if times[i] - times[0] < 3000 * S:
            expected.append(2)
            continue
        window = values[(times <= times[i]) & (times // step > times[i] // step - 25)]
        strength = np.std(window, ddof=1) if check_type == "std" else np.ptp(window)
        expected.append(4 if strength < 0.1 else 3 if strength < 0.5 else 1)
    assert flags_of("attenuated_signal", engine(tests).judge(*columns(values))) == expected
    assert set(expected) == {1, 2, 3, 4} if check_type == "std" else {1, 2, 3}


def test_the_end_of_the_stream_settles_what_only_waited():
    tests = {"series": {"behaviour": "ioos_qc"}, "spike": {"suspect": 1.0}}
    q = engine(tests)
    judged = q.judge(*columns([1.0, 1.0]))
    assert overall_of(judged) == [1, 2], "a spike may still be told of the newest"
    end = q.end()
    assert (end.revision.tolist(), end.flag.tolist(), end.flags.tolist()) == ([1], [1], [[1, 2]])
    assert len(q.end().series) == 0
    later = q.judge(*columns([9.0, 1.0], minutes(2, 3)))
    assert overall_of(judged, end, later) == [1, 3, 3, 2]
    assert len(engine({"spike": {"suspect": 1.0}}).end().series) == 0


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ({"gap": {"interval_s": 0.0}}, "interval_s"),
        ({"location": {"longitude": "a"}}, "latitude"),
        ({"climatology": {"bins": []}}, "bins"),
        ({"climatology": {"bins": [{"period": "moon", "tspan": [1, 2], "vspan": [0, 1]}]}}, "moon"),
        ({"climatology": {"bins": [{"tspan": [1, 2], "vspan": [0, 1]}]}}, "dates"),
        ({"climatology": {"bins": [{"tspan": ["now", "then"], "vspan": [0, 1]}]}}, "bin 1"),
        (
            {
                "climatology": {
                    "bins": [{"period": "month", "tspan": [1, 2], "vspan": [0, 1], "fspan": [0, 1]}]
                }
            },
            "fspan",
        ),
        ({"attenuated_signal": {"suspect": 0.1, "fail": 0.2}}, "fail <= suspect"),
        ({"multi_variate": {"partner": "a", "deviations": 0.0}}, "positive"),
        ({"neighbor": {"partner": "a", "suspect": 0.0}}, "suspect"),
        ({"density_inversion": {"depth": "z", "suspect": 0.1}}, "<= 0"),
        (
            {"series": {"behaviour": "ioos_qc"}, "spike": {"suspect": 1, "method": "third_difference"}},
            "third",
        ),
    ],
)
def test_parameters_of_each_test_are_looked_at(tests, words):
    with pytest.raises(ValueError, match=words):
        engine(tests)
