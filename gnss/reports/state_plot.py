"""How a station was over time: lanes of states and gaps, or a calendar of hours where the period is long."""

from __future__ import annotations

import numpy as np

from gnss.quality.judgements import STATES
from gnss.quality.period import MinuteFigures, StationPeriod
from gnss.reports.combining import LONG_US
from gnss.reports.drawing import Scale, drawing, figure, text, time_ticks, x_axis
from gnss.reports.hours import HOUR_S, combine_minutes
from gnss.reports.markup import Markup, join, short, tag
from gnss.reports.numbers import plain_duration
from gnss.reports.texts import moment
from gnss.reports.words import Words
from gnss.time import DAY_US, SECOND_US, iso_z

WIDTH, LEFT, RIGHT = 1060.0, 72.0, 1044.0
_HEIGHTS = {"unknown": 6.0, "good": 10.0, "degraded": 20.0, "bad": 30.0}
_HOUR_US = round(HOUR_S) * SECOND_US
_MOST_DAYS, _MOST_GAPS, _MOST_JUMPS = 400, 400, 500


def state_plot(period: StationPeriod, words: Words) -> Markup:
    """Return lanes of states and gaps; a calendar for a period of more than two days."""
    days = (period.end_us - 1) // DAY_US - period.begin_us // DAY_US + 1
    if period.end_us - period.begin_us > LONG_US and days <= _MOST_DAYS:
        return _calendar(period, days, words)
    return _lanes(period, words)


def _key(words: Words, *more: Markup) -> Markup:
    items = []
    for state in STATES[1:]:
        height = _HEIGHTS[state] / 3
        sample = tag("rect", x=2, y=12 - height, width=18, height=height, class_=f"f-{state}")
        items.append(tag("span", drawing(22, 12, words(state), sample), words(state)))
    sample = tag("rect", x=2, y=10, width=18, height=2, class_="f-unknown")
    items.append(tag("span", drawing(22, 12, words("unknown"), sample), words("unknown")))
    return tag("div", *items, *more, class_="key")


def _lanes(period: StationPeriod, words: Words) -> Markup:
    across = Scale(period.begin_us, max(period.end_us, period.begin_us + 1), LEFT, RIGHT)
    marks = time_ticks(period.begin_us, period.end_us)
    top, lane_gaps, bottom = 8.0, 46.0, 70.0
    lane_jumps = bottom if period.clock_jumps else None
    if lane_jumps is not None:
        bottom += 22.0
    base = top + 30.0
    return figure(
        words("states_title"),
        words("states_note"),
        drawing(
            WIDTH,
            bottom + 20,
            words("states_title"),
            x_axis(across, top, bottom, [at for at, _ in marks], [label for _, label in marks]),
            text(LEFT - 22, bottom + 13, "UTC", anchor="end"),
            text(LEFT - 6, base - 10, words("lane_state"), anchor="end"),
            text(LEFT - 6, lane_gaps + 12, words("lane_gaps"), anchor="end"),
            tag("rect", x=LEFT, y=lane_gaps, width=RIGHT - LEFT, height=16, class_="f-lane"),
            *_state_bars(period, across, base),
            *_gap_bars(period, across, lane_gaps, words),
            *(_jump_marks(period, across, lane_jumps, words) if lane_jumps is not None else ()),
        ),
        _key(words),
    )


def _gap_bars(period: StationPeriod, across: Scale, top: float, words: Words) -> list[Markup]:
    """Return the longest gaps, so that a page does not drown in short ones."""
    bars = []
    for begin, end in sorted(period.gaps, key=lambda gap: gap[0] - gap[1])[:_MOST_GAPS]:
        x0, x1 = across(max(begin, period.begin_us)), across(min(end, period.end_us))
        told = f"{moment(begin)} – {moment(end)} ({plain_duration((end - begin) / SECOND_US, words.units())})"
        width = max(x1 - x0, 1.0)
        bars.append(tag("rect", tag("title", told), x=x0, y=top, width=width, height=16, class_="f-gap"))
    return bars


def _jump_marks(period: StationPeriod, across: Scale, top: float, words: Words) -> list[Markup]:
    marks = [text(LEFT - 6, top + 12, words("lane_jumps"), anchor="end")]
    for at, ms in period.clock_jumps[:_MOST_JUMPS]:
        told = tag("title", f"{moment(at)}: {ms:+.0f} ms")
        marks.append(tag("path", told, d=f"M{short(across(at))} {short(top)}v16", class_="jump"))
    return marks


def _state_bars(period: StationPeriod, across: Scale, base: float) -> list[Markup]:
    """Return a path for each state: runs of equal rows become one bar."""
    rows = period.minutes
    if len(rows.time_us) == 0:
        return []
    row_us = round(period.rows_s * SECOND_US)
    new = np.diff(rows.state.astype(np.int16), prepend=-1) != 0
    new |= np.diff(rows.time_us, prepend=rows.time_us[0]) > row_us * 3 // 2
    starts = np.flatnonzero(new).tolist()
    bars: dict[str, list[str]] = {}
    for begin, end in zip(starts, [*starts[1:], len(rows.time_us)], strict=True):
        state = STATES[min(int(rows.state[begin]), len(STATES) - 1)]
        x0 = across(max(int(rows.time_us[begin]), period.begin_us))
        x1 = across(min(int(rows.time_us[end - 1]) + row_us, period.end_us))
        height = _HEIGHTS[state]
        bar = f"M{short(x0)} {short(base)}v{short(-height)}h{short(max(x1 - x0, 0.5))}v{short(height)}z"
        bars.setdefault(state, []).append(bar)
    return [tag("path", d="".join(paths), class_=f"f-{state}") for state, paths in bars.items()]


def _calendar(period: StationPeriod, days: int, words: Words) -> Markup:
    hours = period.minutes if period.rows_s >= HOUR_S else combine_minutes([period.minutes], HOUR_S)
    first_day = period.begin_us // DAY_US
    cell = 38.0
    height = 18.0 if days <= 62 else 8.0
    top = 6.0
    bottom = top + days * height
    across = Scale(0.0, 24.0, LEFT + 10, LEFT + 10 + 24 * cell)
    every = -(-days // 62)
    labels = [
        text(LEFT + 4, top + (day + 0.5) * height + 4, iso_z((first_day + day) * DAY_US)[5:10], anchor="end")
        for day in range(0, days, every)
    ]
    missing_key = tag(
        "span",
        drawing(22, 12, words("missing"), tag("rect", x=2, y=6, width=18, height=6, class_="f-gap")),
        words("missing"),
    )
    return figure(
        words("calendar_title"),
        words("calendar_note"),
        drawing(
            WIDTH,
            bottom + 36,
            words("calendar_title"),
            *_cells(hours, first_day, across, top, cell, height),
            x_axis(
                across, top, bottom, range(0, 25, 3), [f"{n:02d}" for n in range(0, 25, 3)], with_grid=False
            ),
            text((across.begin + across.end) / 2, bottom + 30, words("hours_axis"), anchor="middle"),
            *labels,
        ),
        _key(words, missing_key),
    )


def _cells(
    hours: MinuteFigures, first_day: int, across: Scale, top: float, width: float, height: float
) -> list[Markup]:
    """Return a path for each state, one for missing epochs, and marks that tell states without colours."""
    fills: dict[str, list[str]] = {}
    missing: list[str] = []
    marks: list[str] = []
    w, h = width - 2, height - 2
    for row, time_us in enumerate(hours.time_us.tolist()):
        day, hour = time_us // DAY_US - first_day, time_us % DAY_US // _HOUR_US
        x, y = across(hour) + 1, top + day * height + 1
        state = STATES[min(int(hours.state[row]), len(STATES) - 1)]
        fills.setdefault(state, []).append(f"M{short(x)} {short(y)}h{short(w)}v{short(h)}h{short(-w)}z")
        expected, came = int(hours.epochs_expected[row]), int(hours.epochs[row])
        if came < expected:
            part = max(h * (expected - came) / expected, 1.0)
            missing.append(f"M{short(x)} {short(y + h)}h{short(w)}v{short(-part)}h{short(-w)}z")
        if state == "bad" and height > 10:
            marks.append(f"M{short(x + w / 2 - 3)} {short(y + 3)}l6 6m0-6l-6 6")
        elif state == "degraded" and height > 10:
            marks.append(f"M{short(x + w / 2 - 3)} {short(y + 6)}h6")
    return [
        *(tag("path", d="".join(paths), class_=f"f-{state}") for state, paths in fills.items()),
        join(tag("path", d="".join(missing), class_="f-gap") if missing else None),
        join(tag("path", d="".join(marks), class_="mark") if marks else None),
    ]
