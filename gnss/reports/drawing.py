"""Small parts that plots are drawn with: scales, ticks, lines and frames, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.reports.markup import Child, Markup, join, short, tag
from gnss.time import DAY_US, SECOND_US, iso_z

Float64 = NDArray[np.float64]

_TIME_STEPS_S = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Scale:
    """From figures to places: `low` stands at `begin`, `high` at `end`; by tenfolds when `is_log`."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a figure."""
        if self.is_log:
            value, low, high = math.log10(max(value, 1e-9)), math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        return self.begin + (self.end - self.begin) * (value - low) / (high - low if high > low else 1.0)

    def all(self, values: Float64) -> Float64:
        """Return the places of many figures, of the same shape; linear scales only."""
        span = self.high - self.low if self.high > self.low else 1.0
        return self.begin + (self.end - self.begin) * (values - self.low) / span


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round figures between two others, at most so many."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * round_one for round_one in (1, 2, 2.5, 5, 10) if size * round_one >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """Return a tick's label: as short as it can be."""
    return f"{value:.6g}".replace("-", "−")


def time_ticks(begin_us: int, end_us: int, most: int = 13) -> list[tuple[int, str]]:
    """Return moments of a period with their labels: days where it is long, else hours, minutes or seconds."""
    span_s = max((end_us - begin_us) / SECOND_US, 1.0)
    if span_s > 4 * 86_400:
        days = math.ceil(span_s / 86_400 / most)
        step_us = days * DAY_US
        first = -(-begin_us // DAY_US) * DAY_US
        return [(at, iso_z(at)[5:10]) for at in range(first, end_us + 1, step_us)]
    step_s = next((s for s in _TIME_STEPS_S if span_s / s <= most), 86_400)
    step_us = step_s * SECOND_US
    first = -(-begin_us // step_us) * step_us
    marks = []
    for at in range(first, end_us + 1, step_us):
        text = iso_z(at)
        if step_s < 60:
            marks.append((at, text[11:19]))
        else:
            marks.append((at, text[5:10] if at % DAY_US == 0 and span_s > 86_400 else text[11:16]))
    return marks


def line_path(x: Float64, y: Float64, breaks: NDArray[np.bool_] | None = None) -> str:
    """Return the path of a line; it breaks at NaN and before points marked in `breaks`.

    A point alone becomes a line of no length, which round caps show as a dot.
    """
    parts = []
    pen_is_down = alone = False
    for i, (at, height) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if not (math.isfinite(at) and math.isfinite(height)):
            if alone:
                parts.append("h0")
            pen_is_down = alone = False
            continue
        broken = breaks is not None and bool(breaks[i])
        if pen_is_down and not broken:
            parts.append(f"L{short(at)} {short(height)}")
            alone = False
            continue
        if alone:
            parts.append("h0")
        parts.append(f"M{short(at)} {short(height)}")
        pen_is_down = alone = True
    if alone:
        parts.append("h0")
    return "".join(parts)


def text(x: float, y: float, words: str, class_: str = "tick", anchor: str | None = None) -> Markup:
    """Return a text in a drawing; `anchor` is start, middle or end."""
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def level_lines(scale: Scale, levels: Iterable[tuple[float, str, bool]], left: float, right: float) -> Markup:
    """Return a line for each level inside a scale: figure, name, and whether it is the graver one."""
    lines = []
    for value, name, is_worse in levels:
        if min(scale.low, scale.high) < value < max(scale.low, scale.high):
            y, kind = scale(value), " worse" if is_worse else ""
            lines.append(tag("path", d=f"M{short(left)} {short(y)}H{short(right)}", class_=f"limit{kind}"))
            lines.append(text(right - 2, y - 3, name, f"limit-text{kind}", "end"))
    return join(*lines)


def drawing(width: float, height: float, title: str, *children: Child) -> Markup:
    """Return a drawing that fills its place, with a title for those who cannot see it."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {short(width)} {short(height)}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def figure(title: str, note: Child, *children: Child, class_: str | None = None) -> Markup:
    """Return a plot under its title, with a note that says how to read it."""
    caption = tag("figcaption", tag("b", title), tag("span", note) if note else None)
    return tag("figure", caption, *children, class_=class_)


def y_axis(scale: Scale, left: float, right: float, marks: Sequence[float], labels: Sequence[str]) -> Markup:
    """Return grid lines with labels on the left."""
    grid = "".join(f"M{short(left)} {short(scale(mark))}H{short(right)}" for mark in marks)
    return join(
        tag("path", d=grid, class_="grid"),
        *(
            text(left - 5, scale(m) + 3.5, label, anchor="end")
            for m, label in zip(marks, labels, strict=True)
        ),
    )


def x_axis(
    scale: Scale,
    top: float,
    bottom: float,
    marks: Sequence[float],
    labels: Sequence[str],
    with_grid: bool = True,
) -> Markup:
    """Return ticks with labels below, and grid lines."""
    begin = top if with_grid else bottom - 4
    grid = "".join(f"M{short(scale(mark))} {short(begin)}V{short(bottom)}" for mark in marks)
    return join(
        tag("path", d=grid, class_="grid"),
        *(
            text(scale(mark), bottom + 13, label, anchor="middle")
            for mark, label in zip(marks, labels, strict=True)
        ),
        tag("path", d=f"M{short(scale.begin)} {short(bottom)}H{short(scale.end)}", class_="axis"),
    )
