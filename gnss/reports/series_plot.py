"""Figures of each minute or hour as lines over time, with the limits that they are judged by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.quality.judgements import DEGRADED_POINTS, GOOD_POINTS
from gnss.quality.period import MinuteFigures, StationPeriod
from gnss.quality.score import Limit
from gnss.reports.drawing import (
    Scale,
    drawing,
    figure,
    level_lines,
    line_path,
    text,
    tick_text,
    ticks,
    time_ticks,
    x_axis,
    y_axis,
)
from gnss.reports.elevation_plot import limit_levels
from gnss.reports.markup import Markup, join, short, tag
from gnss.reports.numbers import plain_duration
from gnss.reports.state_plot import LEFT, RIGHT, WIDTH
from gnss.reports.words import Words
from gnss.time import SECOND_US

MOST_POINTS = 1_500
"""Of a line; of more, the worst of several stands for them."""
FEW = 10
"""Lines of fewer points are drawn broad, so that one alone can be seen."""
_TOP, _BOTTOM = 8.0, 92.0
_CLIP_SHARE = 0.98
_LEAST_SHARE = 70.0
"""Shares below stand at the lower edge: what matters happens between 90 and 100 %."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Panel:
    name: str
    unit: str
    values: Callable[[MinuteFigures], Float64]
    worst: Callable[..., Float64]
    """How several values become one."""
    limit: str | None = None
    low: float | None = None
    high: float | None = None
    least_high: float = 0.0
    second: Callable[[MinuteFigures], Float64] | None = None
    is_bars: bool = False


def _epochs_share(rows: MinuteFigures) -> Float64:
    expected = rows.epochs_expected.astype(np.float64)
    share = np.full(len(expected), np.nan)
    np.divide(100.0 * rows.epochs, expected, out=share, where=expected > 0)
    return share


_PANELS = (
    _Panel("score", "points", lambda rows: rows.score, np.fmin.reduceat, "score", 0.0, 100.0),
    _Panel(
        "share", "%", _epochs_share, np.fmin.reduceat, "epochs", high=100.0,
        second=lambda rows: 100.0 * rows.observations_share,
    ),
    _Panel("satellites", "count", lambda rows: rows.satellites, np.fmin.reduceat, low=0.0),
    _Panel("multipath", "m", lambda rows: rows.multipath_m, np.fmax.reduceat, "multipath", 0.0),
    _Panel("cn0", "dB-Hz", lambda rows: rows.cn0_dbhz, np.fmin.reduceat, "cn0"),
    _Panel("slips", "count", lambda rows: rows.slips.astype(np.float64), np.add.reduceat, None, 0.0,
           least_high=5.0, is_bars=True),
    _Panel("latency", "s", lambda rows: rows.latency_s, np.fmax.reduceat, "latency", least_high=1.0),
    _Panel("roti", "TECU/min", lambda rows: rows.roti_tecu_min, np.fmax.reduceat, "roti", 0.0,
           least_high=0.3),
)  # fmt: skip


def series_plots(period: StationPeriod, limits: Mapping[str, Limit], words: Words) -> Markup | None:
    """Return a plot for each figure that is known at any time; None without any."""
    rows = period.minutes
    if len(rows.time_us) == 0:
        return None
    step = -(-len(rows.time_us) // MOST_POINTS)
    known = {**limits, "score": Limit(100.0, GOOD_POINTS, DEGRADED_POINTS), "roti": Limit(0.0, 0.5, 1.0)}
    plots = [plot for panel in _PANELS if (plot := _plot(panel, period, step, known, words)) is not None]
    row = plain_duration(period.rows_s * step, words.units())
    told = words("series_each" if step == 1 else "series_worst", time=row)
    return join(tag("p", told, class_="note"), *plots)


def _plot(
    panel: _Panel, period: StationPeriod, step: int, limits: Mapping[str, Limit], words: Words
) -> Markup | None:
    rows = period.minutes
    starts = np.arange(0, len(rows.time_us), step)
    values = panel.worst(panel.values(rows), starts)
    lines = [values]
    if panel.second is not None:
        lines.append(panel.worst(panel.second(rows), starts))
    known = np.concatenate([line[np.isfinite(line)] for line in lines])
    if len(known) == 0:
        return None
    limit = limits.get(panel.limit) if panel.limit is not None else None
    scale = _scale(panel, known, limit)
    across = Scale(period.begin_us, max(period.end_us, period.begin_us + 1), LEFT, RIGHT)
    times = rows.time_us[starts].astype(np.float64)
    x = across.all(np.minimum(times + period.rows_s * step * SECOND_US / 2, period.end_us))
    breaks = np.diff(times, prepend=times[0]) > 1.5 * period.rows_s * step * SECOND_US
    marks, steps = time_ticks(period.begin_us, period.end_us), ticks(scale.low, scale.high, 4)
    unit = words(panel.unit) if words.has(panel.unit) else panel.unit
    title = words(f"series_{panel.name}")
    return figure(
        f"{title} ({unit})",
        words(f"note_{panel.name}"),
        drawing(
            WIDTH,
            _BOTTOM + 18,
            title,
            y_axis(scale, LEFT, RIGHT, steps, [tick_text(mark) for mark in steps]),
            x_axis(across, _TOP, _BOTTOM, [at for at, _ in marks], [label for _, label in marks]),
            *_lines(panel, lines, x, breaks, scale),
            text(LEFT - 22, _BOTTOM + 13, "UTC", anchor="end"),
            level_lines(scale, _levels(panel, period, limit, words), LEFT, RIGHT),
            _beyond(values, x, scale, words),
            _names(words) if panel.second is not None else None,
        ),
    )


def _levels(
    panel: _Panel, period: StationPeriod, limit: Limit | None, words: Words
) -> list[tuple[float, str, bool]]:
    """Return the limits of a figure, and the thresholds of the period's reasons that are others."""
    if panel.name == "roti" and limit is not None:
        named = ((limit.degraded, "moderate"), (limit.bad, "strong"))
        return [(value, words(name, value=tick_text(value)), False) for value, name in named]
    factor = 100.0 if panel.unit == "%" else 1.0
    levels = limit_levels(limit, words, factor) if limit is not None else []
    for reason in period.reasons:
        if reason.code == panel.limit and reason.threshold is not None:
            value = reason.threshold * factor
            if not any(math.isclose(value, level) for level, _, _ in levels):
                levels.append((value, words("limit_reason", value=tick_text(value)), False))
    return levels


def _lines(
    panel: _Panel, lines: list[Float64], x: Float64, breaks: NDArray[np.bool_], scale: Scale
) -> list[Markup]:
    if panel.is_bars:
        some = np.flatnonzero(lines[0] > 0)
        tops = scale.all(np.minimum(lines[0], scale.high))
        bars = "".join(f"M{short(x[i])} {short(_BOTTOM)}V{short(tops[i])}" for i in some)
        return [tag("path", d=bars, class_="line")] if bars else []
    drawn = []
    for number, line in reversed(list(enumerate(lines))):
        path = line_path(x, scale.all(np.clip(line, scale.low, scale.high)), breaks)
        few = " few" if len(line) < FEW else ""
        drawn.append(tag("path", d=path, class_=f"line second{few}" if number else f"line{few}"))
    return drawn


def _scale(panel: _Panel, known: Float64, limit: Limit | None) -> Scale:
    """Return a scale that holds nearly all values: a few great ones are not to flatten the others."""
    low, high = float(known.min()), float(known.max())
    factor = 100.0 if panel.unit == "%" else 1.0
    if panel.worst is np.fmax.reduceat:
        usual = 3.0 * float(np.quantile(known, _CLIP_SHARE))
        high = min(high, max(usual, 1.3 * limit.degraded * factor if limit is not None else 0.0))
        if limit is not None and high < limit.degraded <= 3.0 * high:
            high = 1.15 * limit.degraded
    elif limit is not None and panel.high is None:
        low = min(low, limit.degraded * factor - 1.0)
    if panel.unit == "%":
        low = min(max(low, _LEAST_SHARE), 90.0)
    low = panel.low if panel.low is not None else low
    high = panel.high if panel.high is not None else max(high, panel.least_high)
    if panel.name == "latency":
        low = min(low, 0.0)
    margin = 0.06 * (high - low) if high > low else 1.0
    top = high if panel.high is not None else high + margin
    return Scale(low if panel.low is not None or panel.unit == "%" else low - margin, top, _BOTTOM, _TOP)


def _beyond(values: Float64, x: Float64, scale: Scale, words: Words) -> Markup | None:
    over, under = np.flatnonzero(values > scale.high), np.flatnonzero(values < scale.low)
    if len(over) == len(under) == 0:
        return None
    arrows = [f"M{short(x[i] - 3)} {short(_TOP)}h6l-3-6z" for i in over[:300]]
    arrows += [f"M{short(x[i] - 3)} {short(_BOTTOM - 6)}h6l-3 6z" for i in under[:300]]
    farthest = float(values[over].max()) if len(over) else float(values[under].min())
    told = words("beyond", count=len(over) + len(under), value=tick_text(round(farthest, 2)))
    return join(
        tag("path", d="".join(arrows), class_="over"),
        text(LEFT + 190, _TOP + 10 if len(over) else _BOTTOM - 8, told, "limit-text worse", "start"),
    )


def _names(words: Words) -> Markup:
    y = _BOTTOM - 8
    return join(
        tag("path", d=f"M{short(LEFT + 8)} {short(y - 4)}h16", class_="line"),
        text(LEFT + 28, y, words("share_epochs"), anchor="start"),
        tag("path", d=f"M{short(LEFT + 88)} {short(y - 4)}h16", class_="line second"),
        text(LEFT + 108, y, words("share_signals"), anchor="start"),
    )
