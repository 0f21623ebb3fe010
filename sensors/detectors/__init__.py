"""Detectors: one file a hazard. A file here that calls `register_kind` is found; nothing else is edited.

A detector watches one series, or several of one site. It is fed samples, reads no clock, and says what it
found as `Finding`s: `begin`, `update` when it got worse, `end`. Its state can be written down and taken
back, and findings do not depend on how the samples are cut. `bank.py`: how many are watched at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from sensors.detectors.bank import Kind, OneSeries
from sensors.detectors.finding import LEVELS, Finding, Level, Phase, Samples, Subject

__all__ = [
    "LEVELS",
    "Finding",
    "Level",
    "Phase",
    "Samples",
    "Subject",
    "detector_names",
    "find_kind",
    "inputs_of",
    "make_detector",
    "memory_s",
    "read_parameters",
    "register_kind",
]


_kinds: dict[str, Kind[Any]] = {}


def register_kind(kind: Kind[Any]) -> None:
    """Make a kind of detectors known under its name.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if kind.name in _kinds:
        raise ValueError(f"two detectors are called {kind.name!r}")
    _kinds[kind.name] = kind


def find_kind(name: str) -> Kind[Any]:
    """Return the kind of this name.

    Raises
    ------
    KeyError
        There is none.
    """
    detector_names()
    return _kinds[name]


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
    return tuple(find_kind(name).inputs(parameters))


def memory_s(name: str, parameters: Any) -> float:
    """Return after how long what a detector has seen changes nothing any more, in s.

    `parameters` are what `read_parameters` gave.
    """
    return float(find_kind(name).memory_s(parameters))


def make_detector(name: str, parameters: Mapping[str, Any], subject: Subject) -> OneSeries[Any]:
    """Return a new detector of one series.

    Raises
    ------
    ValueError
        There is no such detector, or a parameter is unknown or not credible; the message says which.
    """
    read = read_parameters(name, parameters, subject)
    return OneSeries(find_kind(name), read, subject)
