"""Kinds of mountpoints that lead rovers from base to base: one file a kind.

A file here that calls `register` is found; nothing else is edited. A kind says which base a rover is to have;
the relay, the hand-over and the messages that go before it are the same for all. A kind that makes streams of
its own publishes them at the relay under ids of their own and names those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from connectors.caster.roaming.choice import Reason, Rules
from connectors.caster.roaming.network import Columns


class Asking(NamedTuple):
    """A rover that wants to know which base it should have."""

    place_km: NDArray[np.float64]
    """Earth-centred, shape (3,), on the ellipsoid."""
    base: str
    """That it has; empty: none."""
    held_s: float
    """How long it has had it."""


class Led(NamedTuple):
    """Where a rover is led to."""

    base: str
    """Empty: there is none for it."""
    reason: Reason | None
    """Why it is another one than before; None: it is the same."""
    distance_km: float


class Mountpoint(Protocol):
    """One roaming mountpoint. All calls come from one thread; none may wait."""

    def look(self, network: Columns) -> frozenset[str]:
        """Take the network as it is now; return the bases that got worse, whose rovers are to ask at once."""
        ...

    def lead(self, asking: Asking) -> Led:
        """Say which base a rover is to have, by the last look."""
        ...

    def reaches(self, place_km: NDArray[np.float64]) -> bool:
        """Whether any base is near enough to a place, sending or not."""
        ...


_kinds: dict[str, Callable[[Rules], Mountpoint]] = {}


def register(name: str, make: Callable[[Rules], Mountpoint]) -> None:
    """Make a kind known under a name.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _kinds:
        raise ValueError(f"two kinds of mountpoints are called {name!r}")
    _kinds[name] = make


def kinds() -> Sequence[str]:
    """Return the names of all kinds."""
    # Late, because the modules import this one.
    from importlib import import_module  # noqa: PLC0415
    from pkgutil import iter_modules  # noqa: PLC0415

    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return sorted(_kinds)


def make_mountpoint(kind: str, rules: Rules) -> Mountpoint:
    """Return a new mountpoint.

    Raises
    ------
    ValueError
        There is no such kind; the message says which there are.
    """
    names = kinds()
    if kind not in names:
        raise ValueError(f"there is no kind of mountpoint {kind!r}; choose one of {', '.join(names)}")
    return _kinds[kind](rules)
