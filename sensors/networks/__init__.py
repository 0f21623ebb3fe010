"""Networks: what several series say together. One file a kind; a file here that calls `register` is found.

A network is given what its members tell in the order in which they told it (`told_us`, the receiving time
where they are judged), and the time up to which all of them have told. It knows no other clock, so what it
says depends neither on who came first nor on how it was cut. Its state is bounded: whoever tells more than a
network can hold is a fault, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from sensors.detectors.finding import LEVELS, Finding, Level

MOST_MEMBERS = 500


class NetworkParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a configuration may say of a network."""

    def listens(self) -> tuple[str, ...]:
        """Return the rules (detectors) whose findings members tell; none: they tell their samples."""
        return ()

    def decides(self) -> bool:
        """Return whether what a member finds raises no alert before the network has looked at it."""
        return False

    def most_alone(self) -> Level | None:
        """Return the highest level of what one member finds by itself; None: as it was found."""
        return None


Parameters = TypeVar("Parameters", bound=NetworkParameters)


class MemberFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector of a member found."""

    member: str
    """Its datastream."""
    station: str
    """Its site: stations agree, not the series of one."""
    rule: str
    told_us: int
    finding: Finding
    unit: str = ""
    version: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """Which event of which detector it is about."""
        return self.member, self.rule, self.finding.onset_us


class MemberSample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of a member, as it was judged at its site."""

    member: str
    station: str
    told_us: int
    time_us: int
    value: float
    received_at_us: int
    revision: int
    flag: int
    flags: dict[str, int]
    """By test."""


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    """A member's finding is to be told after all."""

    found: MemberFinding
    level: Level
    evidence: dict[str, Any]
    """What the network has to say of it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The neighbours' flag of an earlier sample."""

    sample: MemberSample
    """As it was known."""
    flag: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the network itself found."""

    finding: Finding
    unit: str


Said = Forward | Verdict | Found


class Network(Protocol):
    """One network."""

    def take(self, told: MemberFinding | MemberSample) -> list[Said]:
        """Take what a member told, not earlier than what was taken before."""
        ...

    def due_us(self) -> int | None:
        """Return when time alone will have something to say; None: never."""
        ...

    def advance(self, now_us: int) -> list[Said]:
        """All members have told everything until `now_us`: say what is due."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often something was left out, by what."""
        ...

    def snapshot(self) -> bytes:
        """Return the state."""
        ...

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        msgspec.MsgspecError
            Another version wrote it.
        """
        ...


@dataclass(frozen=True, slots=True)
class NetworkKind(Generic[Parameters]):
    """One kind of network."""

    name: str
    version: str
    parameters: type[Parameters]
    make: Callable[[Parameters, str, Mapping[str, str]], Network]
    """Gets the parameters, the network's name for its words, and the site of each member."""
    pace_s: float = 1.0
    """How often members tell their time."""


_kinds: dict[str, NetworkKind[Any]] = {}


def register(kind: NetworkKind[Any]) -> None:
    """Make a kind known under its name.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if kind.name in _kinds:
        raise ValueError(f"two kinds of networks are called {kind.name!r}")
    _kinds[kind.name] = kind


def network_kinds() -> Sequence[str]:
    """Return the names of all kinds."""
    _find_all()
    return sorted(_kinds)


@cache
def _find_all() -> None:
    # Late, because the modules import this one.
    from importlib import import_module  # noqa: PLC0415
    from pkgutil import iter_modules  # noqa: PLC0415

    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)


def find_network_kind(name: str) -> NetworkKind[Any]:
    """Return the kind of this name.

    Raises
    ------
    ValueError
        There is none; the message says which there are.
    """
    names = network_kinds()
    if name not in names:
        raise ValueError(f"there is no kind of network {name[:40]!r}; choose one of {', '.join(names)}")
    return _kinds[name]


def read_network(kind: str, parameters: Mapping[str, Any]) -> Any:
    """Return a network's parameters as its kind has them.

    Raises
    ------
    ValueError
        There is no such kind, or a parameter is unknown or not credible; the message says which.
    """
    made = find_network_kind(kind)
    try:
        return msgspec.convert(dict(parameters), made.parameters)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{kind}: {error}; correct that parameter") from error


def needed(least: int, share: float, stations: int) -> int:
    """Return how many of a network's stations have to agree: never one alone."""
    return max(least, 2, -int(-share * stations // 1))


def capped(level: Level, most: Level) -> Level:
    """Return a level, or the highest allowed one."""
    return min(level, most, key=LEVELS.index)


def highest(levels: Iterable[Level]) -> Level:
    """Return the highest of some levels, of which there is one at least."""
    return max(levels, key=LEVELS.index)
