"""How a figure is spread over the stations: bars, with yardsticks of others as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnss.reports.drawing import Scale, drawing, figure, text, tick_text, ticks, x_axis, y_axis
from gnss.reports.markup import Child, Markup, short, tag
from gnss.reports.words import Words

_WIDTH, _HEIGHT = 500.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, 490.0, 26.0, 180.0
_BINS = 24
_NAMED = 12


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A value that others use, and who says so (English, Chinese)."""

    value: float
    label: str
    source: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """The span that a histogram always shows; it grows with the figures, within `least` and `most`."""

    low: float
    high: float
    least: float
    most: float
    is_log: bool = False


def histogram(
    title: str,
    note: Child,
    values: Sequence[tuple[str, float]],
    axis: Axis,
    yardsticks: Sequence[Yardstick],
    words: Words,
) -> Markup:
    """Return the plot of a figure: (station, figure) each; those outside the axis stand in its outer bars."""
    figures = np.array([value for _, value in values])
    low, high = axis.low, axis.high
    if len(figures):
        low, high = (
            max(min(low, float(figures.min())), axis.least),
            min(max(high, float(figures.max())), axis.most),
        )
    across = Scale(low, high, _LEFT, _RIGHT, axis.is_log)
    places = np.array([across(min(max(value, low), high)) for _, value in values])
    width = (_RIGHT - _LEFT) / _BINS
    bins = (
        np.clip(((places - _LEFT) / width).astype(np.int64), 0, _BINS - 1)
        if len(places)
        else np.zeros(0, int)
    )
    counts = np.bincount(bins, minlength=_BINS)
    up = Scale(0.0, max(float(counts.max()) * 1.05, 1.0), _BOTTOM, _TOP)
    marks = _log_ticks(low, high) if axis.is_log else ticks(low, high, 8)
    steps = [mark for mark in ticks(0.0, up.high, 4) if mark == int(mark)]
    bars = []
    for number in np.flatnonzero(counts).tolist():
        names = [values[i][0] for i in np.flatnonzero(bins == number).tolist()]
        told = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
        top = up(float(counts[number]))
        x = _LEFT + number * width
        bars.append(
            tag(
                "rect",
                tag("title", f"{counts[number]}: {told}"),
                x=x + 1,
                y=top,
                width=width - 2,
                height=_BOTTOM - top,
                class_="f-bar",
            )
        )
    return figure(
        title,
        note,
        drawing(
            _WIDTH,
            _HEIGHT - 20,
            title,
            y_axis(up, _LEFT, _RIGHT, steps, [tick_text(step) for step in steps]),
            x_axis(across, _TOP, _BOTTOM, marks, [tick_text(mark) for mark in marks], with_grid=False),
            text(4, _TOP - 14, words("stations_axis"), anchor="start"),
            *bars,
            *_lines(yardsticks, across),
        ),
        _sources(yardsticks, words),
    )


def _lines(yardsticks: Sequence[Yardstick], across: Scale) -> list[Markup]:
    lines = []
    for number, yardstick in enumerate(yardsticks, 1):
        if across.low <= yardstick.value <= across.high:
            x = across(yardstick.value)
            lines.append(tag("path", d=f"M{short(x)} {short(_TOP - 8)}V{short(_BOTTOM)}", class_="limit"))
            label = f"{number}: {yardstick.label}"
            row = _TOP - 12 if number % 2 else _TOP
            is_left = x > 0.8 * across.end
            lines.append(
                text(x - 3 if is_left else x + 3, row, label, "limit-text", "end" if is_left else "start")
            )
    return lines


def _sources(yardsticks: Sequence[Yardstick], words: Words) -> Markup | None:
    if not yardsticks:
        return None
    place = 0 if words.language == "en" else 1
    told = [f"{n}: {y.label} – {y.source[place]}" for n, y in enumerate(yardsticks, 1)]
    return tag("p", "; ".join(told) + ".", class_="note")


def _log_ticks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [round_one * 10.0**exponent for exponent in exponents for round_one in (1, 2, 5)]
    return [mark for mark in marks if low <= mark <= high]
