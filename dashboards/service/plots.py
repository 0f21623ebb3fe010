"""The network's course over days and months, as bars."""

from __future__ import annotations

from collections.abc import Sequence

from gnss.reports.drawing import Scale, drawing, figure, text, tick_text, ticks, y_axis
from gnss.reports.markup import Markup, tag
from gnss.reports.numbers import plain_share

_WIDTH, _TOP, _BOTTOM = 560.0, 10.0, 120.0
_LEFT, _RIGHT = 40.0, 550.0
_LEAST_SHARE = 0.5
"""Shares below stand at the lower edge: what matters happens between 90 and 100 %."""
_MOST_LABELS = 11


def shares(title: str, note: str, rows: Sequence[tuple[str, float | None]]) -> Markup | None:
    """Return a bar for each row, which are a name and a share; None without any share."""
    known = [one for _, one in rows if one is not None]
    if not known:
        return None
    low = 100.0 * max(_LEAST_SHARE, min(0.9, min(known) - 0.02))
    up = Scale(low, 100.0, _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / len(rows)
    steps = ticks(low, 100.0, 5)
    every = -(-len(rows) // _MOST_LABELS)
    bars, labels = [], []
    for place, (name, one) in enumerate(rows):
        x = _LEFT + place * width
        if one is not None:
            top = up(max(low, 100.0 * one))
            told = tag("title", f"{name}: {plain_share(one)} %")
            bars.append(
                tag("rect", told, x=x + 1, y=top, width=max(width - 2, 1.0), height=max(_BOTTOM - top, 1.0),
                    class_="f-bar")
            )  # fmt: skip
        if place % every == 0:
            labels.append(text(x + width / 2, _BOTTOM + 13, name[5:], anchor="middle"))
    axis = y_axis(up, _LEFT, _RIGHT, steps, [tick_text(step) for step in steps])
    return figure(f"{title} (%)", note, drawing(_WIDTH, _BOTTOM + 18, title, axis, *bars, *labels))
