"""The verdict: each indicator against its limits, the worst one decides, recovery takes a hold time.

An indicator gives points: 100 where it is perfect, below 70 from `degraded` on, below 40 from `bad` on, 0
as far beyond `bad` as `bad` is beyond `degraded`, linear in between. The score is the least of them, so
that one grave fault is never averaged away, and the state follows from it: good from 70 on, degraded from
40 on, else bad. What could not be judged gives no points.

The limits, their sources and the words for an operator stand in `indicators.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gnss.quality.judgements import INDICATORS

State = Literal["good", "degraded", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a verdict is what it is. `threshold` is the one that was reached; None: a remark."""

    code: str
    text: str
    value: float | None = None
    threshold: float | None = None
    check: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Thresholds of one indicator; it may grow worse upwards or downwards."""

    perfect: float
    degraded: float
    bad: float


@dataclass(frozen=True, slots=True)
class Words:
    """How an indicator is told to an operator: a format string with `value`, `threshold` and more."""

    text: str
    check: str
    unit: float
    """100 to speak of a share in per cent."""


@cache
def _table() -> dict[str, Any]:
    """Return `indicators.toml`."""
    return tomllib.loads(resources.files("gnss.quality").joinpath("indicators.toml").read_text("utf-8"))


def default_limits() -> dict[str, Limit]:
    """Return the limits of all indicators."""
    return {code: Limit(*(float(v) for v in _table()[code]["limit"])) for code in INDICATORS}


@cache
def words(code: str) -> Words:
    """Return how an indicator is told."""
    entry = _table()[code]
    return Words(entry["text"], entry["check"], float(entry.get("unit", 1.0)))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All that a verdict depends on beside the figures."""

    hold_s: float = field(default_factory=lambda: float(_table()["hold_s"]))
    warm_up_s: float = field(default_factory=lambda: float(_table()["warm_up_s"]))
    most_epochs_at_once: float = 900.0
    """Of a live station: a backlog of a quarter of an hour."""
    limits: Mapping[str, Limit] = field(default_factory=default_limits)

    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits by `INDICATORS`, shape (17, 3), and the rest, shape (3,)."""
        rows = [self.limits[code] for code in INDICATORS]
        limits = np.array([(row.perfect, row.degraded, row.bad) for row in rows])
        return limits, np.array([self.hold_s, self.warm_up_s, self.most_epochs_at_once])
