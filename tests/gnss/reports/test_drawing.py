import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.reports.drawing import Scale, line_path, ticks, time_ticks
from gnss.reports.markup import Markup, short, tag
from gnss.reports.numbers import plain_duration, plain_share
from gnss.time import DAY_US, SECOND_US
from tests.gnss.reports.invented import BEGIN_US

UNITS = ("d", "h", "min", "s")
finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(finite, st.floats(1e-3, 1e6), st.integers(1, 12))
def test_ticks_are_round_even_and_inside(low, span, most):
    marks = ticks(low, low + span, most)
    assert len(marks) <= most + 1
    assert all(low - 1e-6 * span <= mark <= low + span * (1 + 1e-6) for mark in marks)
    steps = np.diff(marks)
    if len(steps):
        np.testing.assert_allclose(steps, steps[0], rtol=1e-5, atol=1e-9)
        digits = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert min(abs(digits - d) for d in (1, 2, 2.5, 5, 10)) < 1e-3


@given(st.integers(0, 400 * DAY_US), st.integers(SECOND_US, 400 * DAY_US))
def test_ticks_of_time_are_inside_and_few(offset_us, span_us):
    marks = time_ticks(BEGIN_US + offset_us, BEGIN_US + offset_us + span_us)
    assert len(marks) <= 15
    assert all(BEGIN_US + offset_us <= at <= BEGIN_US + offset_us + span_us for at, _ in marks)
    assert all(re.fullmatch(r"\d\d-\d\d|\d\d:\d\d(:\d\d)?", label) for _, label in marks)


@given(st.lists(st.tuples(finite, st.one_of(finite, st.just(math.nan))), max_size=30))
def test_a_path_holds_each_known_point_once_and_breaks_at_others(points):
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    path = line_path(x, y)
    drawn = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)
    assert drawn == [(short(a), short(b)) for a, b in points if not math.isnan(b)]
    known = [not math.isnan(b) for _, b in points]
    starts = sum(now and not before for before, now in zip([False, *known], known, strict=False))
    alone = sum(
        now and not before and not after
        for before, now, after in zip([False, *known], known, [*known[1:], False], strict=False)
    )
    assert path.count("M") == starts
    assert path.count("h0") == alone


def test_paths_break_where_told():
    path = line_path(np.arange(4.0), np.zeros(4), np.array([False, False, True, False]))
    assert path == "M0 0L1 0M2 0L3 0"


def test_scales():
    linear, log = Scale(10, 20, 100, 0), Scale(1, 1000, 0, 300, is_log=True)
    assert linear(15) == 50
    np.testing.assert_array_equal(linear.all(np.array([10.0, 20.0])), [100, 0])
    assert log(100) == pytest.approx(200)
    assert math.isfinite(log(0))
    assert Scale(5, 5, 0, 10)(5) == 0


@given(st.text(max_size=20), st.text(max_size=20))
def test_texts_never_become_markup(text, attribute):
    import xml.etree.ElementTree as ET

    element = ET.fromstring(tag("p", text, tag("b", "x"), title=attribute))
    assert len(element) == 1
    assert set(element.attrib) == {"title"}
    assert isinstance(tag("p"), Markup)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100.00"),
        (0.99999, "> 99.99"),
        (0.5, "50.00"),
        (0.0, "0.00"),
        (0.000001, "< 0.01"),
        (1.2, "120.00"),
    ],
)
def test_what_is_not_the_whole_never_reads_as_the_whole(value, text):
    assert plain_share(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"), (2.5, "2.5 s"), (59.4, "59 s"), (60.0, "1 min"), (3599.0, "59 min 59 s"),
        (3600.0, "1 h"), (7322.0, "2 h 2 min"), (86_400.0, "1 d"), (86_460.0, "1 d"), (90_000.0, "1 d 1 h"),
        (2_592_000.0, "30 d"),
    ],
)  # fmt: skip
def test_durations_have_two_units(seconds, text):
    assert plain_duration(seconds, UNITS).replace("\u202f", " ") == text
