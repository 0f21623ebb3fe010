"""C/N0 and multipath over elevation: a plot for each radio band, a curve for each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnss.quality.bands import BANDS
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
    x_axis,
    y_axis,
)
from gnss.reports.figures import ElevationBin
from gnss.reports.markup import Markup, join, short, tag
from gnss.reports.words import Words
from gnss.systems import System

_WIDTH, _HEIGHT = 320.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, 312.0, 12.0, 172.0
_ORDER = ("L1", "L2", "L5", "L6", "S")


def elevation_plots(bins: Sequence[ElevationBin], limits: Mapping[str, Limit], words: Words) -> Markup | None:
    """Return the plots of both figures; None without any."""
    if not bins:
        return None
    systems = [system.letter for system in System if any(one.system == system.letter for one in bins)]
    plots = []
    for name, kind, unit in (("cn0_mean_dbhz", "cn0", "dB-Hz"), ("multipath_rms_m", "multipath", "m")):
        values = [value for one in bins if (value := getattr(one, name)) is not None]
        if not values:
            continue
        if kind == "cn0":
            scale = Scale(min(25.0, *values) - 1.0, max(52.0, *values) + 1.0, _BOTTOM, _TOP)
        else:
            scale = Scale(0.0, min(max(1.05 * max(values), 1.15 * limits[kind].degraded), 5.0), _BOTTOM, _TOP)
        some = [
            _band(
                band, [one for one in bins if one.band == band], name, kind, unit, scale, limits[kind], words
            )
            for band in sorted(BANDS, key=_ORDER.index)
            if any(one.band == band and getattr(one, name) is not None for one in bins)
        ]
        plots.append(tag("p", words(f"{kind}_elevation_note"), class_="note"))
        plots.append(tag("div", *some, class_="row"))
    return join(_key(systems), *plots) if plots else None


def _key(systems: Sequence[str]) -> Markup:
    items = []
    for letter in systems:
        name = system_name(letter)
        sample = drawing(
            22, 12, name, tag("path", d="M0 6H22", class_=f"curve s{letter}"), _marker(letter, 11, 6)
        )
        items.append(tag("span", sample, name))
    return tag("div", *items, class_="key")


def system_name(letter: str) -> str:
    """Return what a system is called, by its RINEX letter; the letter where there is none."""
    names = {
        "G": "GPS",
        "R": "GLONASS",
        "E": "Galileo",
        "S": "SBAS",
        "J": "QZSS",
        "C": "BeiDou",
        "I": "NavIC",
    }
    return names.get(letter, letter)


def _marker(letter: str, x: float, y: float) -> Markup:
    """Return a mark whose shape tells the system without its colour."""
    shapes = {
        "G": "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
        "R": "m-3-3h6v6h-6z",
        "E": "m0-4l4 7h-8z",
        "S": "m-3-1h6v2h-6z",
        "J": "m0 4l4-7h-8z",
        "C": "m0-4l4 4l-4 4l-4-4z",
        "I": "m-1-4h2v8h-2z",
    }
    return tag("path", d=f"M{short(x)} {short(y)}{shapes.get(letter, shapes['S'])}", class_=f"d{letter}")


def _band(
    band: str,
    bins: Sequence[ElevationBin],
    name: str,
    kind: str,
    unit: str,
    scale: Scale,
    limit: Limit,
    words: Words,
) -> Markup:
    across = Scale(0.0, 90.0, _LEFT, _RIGHT)
    curves: list[Markup] = []
    for system in System:
        rows = [one for one in bins if one.system == system.letter and getattr(one, name) is not None]
        if not rows:
            continue
        x = across.all(np.array([(one.from_deg + one.to_deg) / 2 for one in rows]))
        y = scale.all(np.minimum([getattr(one, name) for one in rows], scale.high))
        width = rows[0].to_deg - rows[0].from_deg
        breaks = np.diff([one.from_deg for one in rows], prepend=rows[0].from_deg) > 1.5 * width
        curves.append(tag("path", d=line_path(x, y, breaks), class_=f"curve s{system.letter}"))
        curves += [_marker(system.letter, *place) for place in zip(x.tolist(), y.tolist(), strict=True)]
    title = words(f"{kind}_elevation", band=band)
    marks = ticks(scale.low, scale.high, 6)
    return figure(
        f"{title} ({unit})",
        None,
        drawing(
            _WIDTH,
            _HEIGHT,
            title,
            y_axis(scale, _LEFT, _RIGHT, marks, [tick_text(mark) for mark in marks]),
            x_axis(across, _TOP, _BOTTOM, range(0, 91, 15), [str(n) for n in range(0, 91, 15)]),
            text((_LEFT + _RIGHT) / 2, _BOTTOM + 30, words("elevation_axis"), anchor="middle"),
            level_lines(scale, limit_levels(limit, words), _LEFT, _RIGHT),
            *curves,
        ),
    )


def limit_levels(limit: Limit, words: Words, factor: float = 1.0) -> list[tuple[float, str, bool]]:
    """Return the levels of `level_lines` for a limit; `factor` is 100 for a scale in per cent."""
    named = ((limit.degraded, "limit_degraded"), (limit.bad, "limit_bad"))
    return [
        (value * factor, words(name, value=tick_text(value * factor)), name == "limit_bad")
        for value, name in named
    ]
