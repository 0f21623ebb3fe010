"""Detectors: one file a hazard. A file here that calls `register` is found; nothing else is edited.

A detector watches one series. It is fed samples in the order of time, reads no clock, and says what it
found as `Finding`s: `begin`, `update` when it got worse, `end`. Its state can be written down and taken
back, and findings do not depend on how the samples are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, get_args

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
    """Given: this is not about the hazard but about the sensor, and goes by this name."""
    sample: int = -1
    """Index of the sample that made the finding; -1: time made it."""


class Detector(Protocol):
    """The watch over one series."""

    version: str

    def on_samples(self, samples: Samples) -> list[Finding]:
        """Take samples, each newer than the one before, except after a clock was set back."""
        ...

    def on_time(self, now_us: int) -> list[Finding]:
        """Receiving time reached `now_us`: end what nobody reports on any more."""
        ...

    def snapshot(self) -> bytes:
        """Return the state."""
        ...

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        ...


Parameters = TypeVar("Parameters", bound=msgspec.Struct)


class _Kind(NamedTuple):
    parameters: type[msgspec.Struct]
    make: Callable[[Any, Subject], Detector]


_kinds: dict[str, _Kind] = {}


def register(
    name: str, parameters: type[Parameters], make: Callable[[Parameters, Subject], Detector]
) -> None:
    """Make a detector known under a name; `make` gets its parameters and the subject.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _kinds:
        raise ValueError(f"two detectors are called {name!r}")
    _kinds[name] = _Kind(parameters, make)


def detector_names() -> Sequence[str]:
    """Return the names of all detectors."""
    # Late, because the modules import this one.
    from importlib import import_module  # noqa: PLC0415
    from pkgutil import iter_modules  # noqa: PLC0415

    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return sorted(_kinds)


def make_detector(name: str, parameters: Mapping[str, Any], subject: Subject) -> Detector:
    """Return a new detector.

    Raises
    ------
    ValueError
        There is no such detector, or a parameter is unknown or not credible; the message says which.
    """
    names = detector_names()
    if name not in names:
        raise ValueError(f"there is no detector {name!r}; choose one of {', '.join(names)}")
    kind = _kinds[name]
    try:
        return kind.make(msgspec.convert(dict(parameters), kind.parameters), subject)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"detector {name} of {subject.name}: {error}; correct that parameter") from error
