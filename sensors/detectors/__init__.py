"""Detectors: one file a hazard. A file here that calls `register_kind` is found; nothing else is edited.

A detector watches one series, or several of one site. It is fed samples, reads no clock, and says what it
found as `Finding`s: `begin`, `update` when it got worse, `end`. Its state can be written down and taken
back, and findings do not depend on how the samples are cut. `bank.py`: how many are watched at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from sensors.detectors.bank import Bank, Fails, Kind, OneSeries
from sensors.detectors.finding import LEVELS, Finding, Level, Phase, Samples, Subject
from sensors.detectors.objects import ObjectBank

__all__ = [
    "LEVELS",
    "Detector",
    "Finding",
    "Level",
    "Phase",
    "Samples",
    "Subject",
    "detector_names",
    "find_kind",
    "inputs_of",
    "make_bank",
    "make_detector",
    "read_parameters",
    "register",
    "register_kind",
]


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


class _Made(NamedTuple):
    parameters: type[msgspec.Struct]
    make: Callable[[Any, Subject], Detector]


_kinds: dict[str, _Made] = {}
_banks: dict[str, Kind[Any]] = {}


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
    _kinds[name] = _Made(parameters, make)


def register_kind(kind: Kind[Any]) -> None:
    """Make a kind of detectors known under its name.

    Raises
    ------
    ValueError
        The name is taken.
    """
    register(kind.name, kind.parameters, lambda parameters, subject: OneSeries(kind, parameters, subject))
    _banks[kind.name] = kind


def find_kind(name: str) -> Kind[Any]:
    """Return the kind of this name.

    Raises
    ------
    KeyError
        There is none.
    """
    detector_names()
    return _banks[name]


def detector_names() -> Sequence[str]:
    """Return the names of all detectors."""
    _find_all()
    return sorted(_kinds)


@cache
def _find_all() -> None:
    # Late, because the modules import this one.
    from importlib import import_module  # noqa: PLC0415
    from pkgutil import iter_modules  # noqa: PLC0415

    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)


def read_parameters(name: str, parameters: Mapping[str, Any], subject: Subject) -> Any:
    """Return a detector's parameters as its kind has them.

    Raises
    ------
    ValueError
        There is no such detector, or a parameter is unknown or not credible; the message says which.
    """
    names = detector_names()
    if name not in names:
        raise ValueError(f"there is no detector {name!r}; choose one of {', '.join(names)}")
    try:
        return msgspec.convert(dict(parameters), _kinds[name].parameters)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"detector {name} of {subject.name}: {error}; correct that parameter") from error


def inputs_of(name: str, parameters: Any) -> tuple[str, ...]:
    """Return the datastreams that a detector needs besides its own, in the order of their roles.

    `parameters` are what `read_parameters` gave.
    """
    kind = _banks.get(name)
    return () if kind is None else tuple(kind.inputs(parameters))


def make_bank(name: str, fails: Fails | None = None) -> Bank[Any] | ObjectBank:
    """Return an empty bank of detectors of this name; `fails` as `Bank` takes it."""
    detector_names()
    if name in _banks:
        return Bank(_banks[name], fails)
    return ObjectBank(_kinds[name].make, fails)


def make_detector(name: str, parameters: Mapping[str, Any], subject: Subject) -> Detector:
    """Return a new detector.

    Raises
    ------
    ValueError
        There is no such detector, or a parameter is unknown or not credible; the message says which.
    """
    read = read_parameters(name, parameters, subject)
    return _kinds[name].make(read, subject)
