"""Sky plots: one for each system, tracks coloured by C/N0, crosses where satellites should have been seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gnss.quality.period import MASK_DEG, SkyTrack, StationPeriod
from gnss.reports.drawing import drawing, figure, line_path, text
from gnss.reports.elevation_plot import system_name
from gnss.reports.markup import Markup, join, short, tag
from gnss.reports.numbers import plain_when
from gnss.reports.texts import moment
from gnss.reports.words import Words
from gnss.systems import System

STRENGTHS_DBHZ = (30.0, 35.0, 40.0, 45.0, 50.0)
"""Borders between the colours of C/N0."""
MOST_POINTS = 12_000
"""More are thinned out: a page of a day stays small."""
_SIZE, _RADIUS = 260.0, 112.0
_NAME_WIDTH, _NAME_HEIGHT = 19.0, 8.0
_BREAK_US = 11 * 60 * 1_000_000

Float64 = NDArray[np.float64]


def sky_plots(period: StationPeriod, words: Words) -> Markup | None:
    """Return a plot for each system; None where no satellite is known."""
    sky = period.sky
    if len(sky.time_us) == 0:
        return None
    step = -(-len(sky.time_us) // MOST_POINTS)
    plots = [_system(sky, System(number), step, words) for number in sorted(set(sky.system.tolist()))]
    span = words(
        "sky_from",
        begin=plain_when(moment(int(sky.time_us.min()))),
        end=plain_when(moment(int(sky.time_us.max()))),
    )
    return join(
        tag("p", f"{words('sky_note')} {span}", class_="note"),
        _key(words),
        tag("div", *plots, class_="row sky"),
        tag("p", _never_seen(sky, words), class_="note"),
    )


def _key(words: Words) -> Markup:
    borders = STRENGTHS_DBHZ
    names = [f"< {borders[0]:.0f}"]
    names += [f"{low:.0f}–{high:.0f}" for low, high in pairwise(borders)]
    names += [f"≥ {borders[-1]:.0f} dB-Hz"]
    items = [
        tag("span", drawing(22, 12, name, tag("path", d="M2 6H20", class_=f"track k{level}")), name)
        for level, name in enumerate(names)
    ]
    cross = drawing(22, 12, words("unseen"), tag("path", d="M8 3l6 6m0-6l-6 6", class_="unseen"))
    return tag("div", tag("span", "C/N0:"), *items, tag("span", cross, words("unseen")), class_="key")


def _never_seen(sky: SkyTrack, words: Words) -> str:
    high = sky.elevation_deg >= MASK_DEG
    key = sky.system.astype(np.int64) * 256 + sky.satellite
    seen = set(key[np.isfinite(sky.cn0_dbhz)].tolist())
    never = sorted(set(key[high].tolist()) - seen)
    if not never:
        return words("all_seen")
    names = [f"{System(one // 256).letter}{one % 256:02d}" for one in never]
    return words("never_seen", list=words("listed").join(names))


def _system(sky: SkyTrack, system: System, step: int, words: Words) -> Markup:
    of_system = sky.system == system
    strokes: list[list[str]] = [[] for _ in range(len(STRENGTHS_DBHZ) + 1)]
    runs: list[str] = []
    crosses: list[str] = []
    low_crosses: list[str] = []
    labels = _Labels()
    for satellite in sorted(set(sky.satellite[of_system].tolist())):
        rows = np.flatnonzero(of_system & (sky.satellite == satellite))
        rows = rows[np.argsort(sky.time_us[rows], kind="stable")][::step]
        azimuth, reach = np.radians(sky.azimuth_deg[rows]), _RADIUS * (90.0 - sky.elevation_deg[rows]) / 90.0
        x, y = _SIZE / 2 + reach * np.sin(azimuth), _SIZE / 2 - reach * np.cos(azimuth)
        breaks = np.diff(sky.time_us[rows], prepend=sky.time_us[rows[0]]) > _BREAK_US * step
        cn0 = sky.cn0_dbhz[rows]
        level = np.where(np.isfinite(cn0), np.searchsorted(STRENGTHS_DBHZ, cn0, side="right"), -1)
        for begin, end in _runs(level, breaks):
            reaches = end + 1 if end < len(rows) and not breaks[end] else end
            piece = line_path(x[begin:reaches], y[begin:reaches])
            if level[begin] >= 0:
                strokes[level[begin]].append(piece)
            else:
                runs.append(piece)
                for at in range(begin + (end - begin) % 4 // 2, end, 4):
                    is_high = sky.elevation_deg[rows[at]] >= MASK_DEG
                    (crosses if is_high else low_crosses).append(_cross(x[at], y[at]))
        labels.place(f"{system.letter}{satellite:02d}", x, y)
    few = " few" if len(set(sky.time_us[of_system].tolist())) == 1 else ""
    title = system_name(system.letter)
    return figure(
        title,
        None,
        drawing(
            _SIZE,
            _SIZE,
            title,
            _rings(words),
            tag("path", d="".join(runs), class_="unseen-run") if runs else None,
            *(tag("path", d="".join(p), class_=f"track k{n}{few}") for n, p in enumerate(strokes) if p),
            tag("path", d="".join(low_crosses), class_="unseen low") if low_crosses else None,
            tag("path", d="".join(crosses), class_="unseen") if crosses else None,
            *labels.drawn,
        ),
    )


class _Labels:
    """Names of satellites at places of their tracks where they cover no other name."""

    def __init__(self) -> None:
        self.drawn: list[Markup] = []
        self._places: list[tuple[float, float]] = []

    def place(self, name: str, x: Float64, y: Float64) -> None:
        """Put a name somewhere along a track; nowhere when there is no room."""
        for part in (0.5, 0.3, 0.7, 0.15, 0.85, 0.4, 0.6, 0.05, 0.95):
            at = int(part * (len(x) - 1))
            here = float(x[at]), float(y[at]) - 2
            if all(
                abs(here[0] - px) > _NAME_WIDTH or abs(here[1] - py) > _NAME_HEIGHT for px, py in self._places
            ):
                self._places.append(here)
                self.drawn.append(text(*here, name, "small halo", "middle"))
                return


def _runs(level: NDArray[np.int64], breaks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    starts = np.flatnonzero((np.diff(level, prepend=-9) != 0) | breaks).tolist()
    return list(zip(starts, [*starts[1:], len(level)], strict=True))


def _cross(x: float, y: float) -> str:
    return f"M{short(x - 2)} {short(y - 2)}l4 4m0-4l-4 4"


def _rings(words: Words) -> Markup:
    middle = _SIZE / 2
    spokes = f"M{short(middle)} {short(middle - _RADIUS)}v{short(2 * _RADIUS)}"
    spokes += f"M{short(middle - _RADIUS)} {short(middle)}h{short(2 * _RADIUS)}"
    rings = [
        tag("circle", cx=middle, cy=middle, r=_RADIUS * (90 - elevation) / 90, class_="ring")
        for elevation in (0, 30, 60)
    ]
    far = _RADIUS + 4
    return join(
        *rings,
        tag("circle", cx=middle, cy=middle, r=_RADIUS * (90 - MASK_DEG) / 90, class_="mask"),
        tag("path", d=spokes, class_="grid"),
        *(text(middle + 3, middle - _RADIUS * (90 - e) / 90 + 10, f"{e}°", "small") for e in (30, 60)),
        text(middle, middle - far, words("north"), "strong", "middle"),
        text(middle, middle + far + 9, words("south"), "strong", "middle"),
        text(middle + far, middle + 4, words("east"), "strong", "start"),
        text(middle - far, middle + 4, words("west"), "strong", "end"),
    )
