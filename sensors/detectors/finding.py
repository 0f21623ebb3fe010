"""What detectors take, and what they say."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

Phase = Literal["begin", "update", "end"]
Level = Literal["blue", "yellow", "orange", "red"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""The lowest first."""


class Samples(NamedTuple):
    """Samples of one series, oldest first; columns of shape (n,)."""

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    usable: NDArray[np.bool_]
    """False: there is no value, or the instrument cannot have measured it. Suspect samples are usable."""
    received_at_us: NDArray[np.int64]


class Subject(NamedTuple):
    """What a detector watches, for its words."""

    name: str
    unit: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector says. See `streams.records.Detection` for the fields."""

    phase: Phase
    level: Level
    onset_us: int
    at_us: int
    title: str
    value: float
    threshold: float
    evidence: dict[str, Any]
    rule: str = ""
    """Given: this is not about the hazard but about the sensor, or about something else that begins and ends
    by itself, and goes by this name."""
    sample: int = -1
    """Index of the sample that made the finding; -1: time made it."""
