"""Regions: a tree of installations, what each tells its parent, and how ids stay unique on the way.

An id is unique in its region only. Each step up puts the region's name before it (`hangzhou:STAT00CHN`, one
step further `zhejiang:hangzhou:STAT00CHN`), each step down takes it off: nobody has to know more of the tree
than its own step. Ids of stations and alerts have no colon of their own, and fit into a URL with it. What
comes from the parent gets `..:` before it, and loses it on its way up: an account `..:li` is the parent's
`li`, a caster `..:beijing:c1` is the caster `c1` of the neighbour beijing.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from streams.kafka.security import Security

Level = Literal["ministry", "province", "city", "county"]
LEVELS: tuple[Level, ...] = ("ministry", "province", "city", "county")
"""From the top down; levels may be left out."""
Whole = Literal["exact", "none"]
Share = Literal["exact", "coarsened", "none"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_SEPARATOR = ":"
_FROM_ABOVE = f"..{_SEPARATOR}"
"""Stands before what a parent knows by the id that follows: a command, an account, a caster."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration."""


class UpRules(_Section, frozen=True, kw_only=True):
    """What a region tells its parent, of its own and of what came from below."""

    reports: Share = "coarsened"
    """Verdicts on stations; coarsened: with positions on a grid of about a kilometre."""
    figures: Whole = "exact"
    """Figures of stations, once a minute."""
    periods: Share = "coarsened"
    """Hours of stations; coarsened: without coordinates, the sky in whole degrees."""
    samples: Whole = "exact"
    """Samples of sensors with their flags."""
    detections: Share = "exact"
    """Coarsened: without evidence."""
    alerts: Share = "exact"
    """Coarsened: without evidence."""
    raw: Whole = "none"
    """Bytes of stations: exact coordinates can be computed from them."""
    stations: Share | None = None
    """What stations are: name, place, equipment. Coarsened: with places as of `reports`.

    None: as `reports` are told.
    """
    sites: Share | None = None
    """What sensors are: name and place of their site, property, unit. None: as `samples` are told."""
    sessions: Share = "coarsened"
    """Of accounts from above: who gets streams, and how much they have had. Coarsened: without mountpoints,
    addresses and places. None: they count in no other region."""

    @property
    def of_stations(self) -> Share:
        """How stations are described."""
        return self.reports if self.stations is None else self.stations

    @property
    def of_sites(self) -> Share:
        """How sites and their datastreams are described."""
        return self.samples if self.sites is None else self.sites


class DownRules(_Section, frozen=True, kw_only=True):
    """What a region takes from its parent."""

    acknowledgements: bool = True
    """Of its alerts."""
    accounts: bool = True
    """That were registered there or further up: its casters let them in."""


class Region(_Section, frozen=True, kw_only=True):
    """A node of the tree."""

    name: str
    level: Level
    parent: str = ""
    """Empty: the top."""
    kafka: str = ""
    """host:port of its brokers, several divided by commas; a bridge needs its parent's."""
    prefix: str = ""
    """Before the names of its topics."""
    security: Security = Security()
    """How the bridges of the regions below get in there."""
    rate_mb_s: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 8.0
    """The most that its bridge sends up a second, alerts and detections aside."""
    counted: bool = True
    """Whether the sessions and volumes that it tells of count elsewhere; its parent's file says so."""
    up: UpRules = UpRules()
    down: DownRules = DownRules()


class RegionTree(_Section, frozen=True, kw_only=True):
    """All regions, and which one this installation is."""

    here: str
    node: list[Region]

    @property
    def own(self) -> Region:
        """Node of this installation."""
        return next(node for node in self.node if node.name == self.here)

    @property
    def parent(self) -> Region | None:
        """The node above this installation's; None: it is the top."""
        return next((node for node in self.node if node.name == self.own.parent), None)

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the nodes right below this installation's."""
        return tuple(node.name for node in self.node if node.parent == self.here)

    @property
    def reserved(self) -> tuple[str, ...]:
        """How ids begin that come from the regions below this installation's."""
        return tuple(qualified(name, "") for name in self.children)

    def check(self) -> None:
        """Look whether it is a tree.

        Raises
        ------
        ValueError
            It is not; one sentence says what to correct.
        """
        by_name = {node.name: node for node in self.node}
        for node in self.node:
            if not _NAME.fullmatch(node.name):
                raise ValueError(
                    f"region name {node.name!r} does not serve; use at most 31 small letters, digits and -"
                )
        if len(by_name) < len(self.node):
            twice = next(name for name in by_name if sum(name == n.name for n in self.node) > 1)
            raise ValueError(f"two regions are called {twice!r}; give each its own name")
        if self.here not in by_name:
            raise ValueError(
                f"here = {self.here!r} is none of the regions; write one of {', '.join(by_name) or 'them'}"
            )
        tops = [node.name for node in self.node if not node.parent]
        for node in self.node:
            _check_parent(node, by_name)
        if len(tops) > 1:
            raise ValueError(f"{' and '.join(tops)} have no parent; one region alone is the top")


def _check_parent(node: Region, by_name: dict[str, Region]) -> None:
    if not node.parent:
        return
    parent = by_name.get(node.parent)
    if parent is None:
        raise ValueError(f"region {node.name}: its parent {node.parent!r} is none of the regions; name it")
    if LEVELS.index(parent.level) >= LEVELS.index(node.level):  # so there are no circles, either
        raise ValueError(
            f"region {node.name}: a {node.level} cannot be below a {parent.level}; "
            f"correct its level or its parent (from the top down: {', '.join(LEVELS)})"
        )


def qualified(region: str, identity: str) -> str:
    """Return an id as the region's parent knows it."""
    return f"{region}{_SEPARATOR}{identity}"


def within(region: str, identity: str) -> str | None:
    """Return an id as the region itself knows it; None: it is not of this region."""
    name, separator, rest = identity.partition(_SEPARATOR)
    return rest if separator and name == region else None


def region_of(identity: str) -> str:
    """Return the way down to the region of an id; empty: it is of here."""
    return identity.rpartition(_SEPARATOR)[0]


def from_above(identity: str) -> str:
    """Return a parent's id of a command, an account or a caster as it is known here."""
    return _FROM_ABOVE + identity


def to_above(identity: str) -> str | None:
    """Return an id of what is from above as the parent knows it; None: it is not from there."""
    return identity.removeprefix(_FROM_ABOVE) if identity.startswith(_FROM_ABOVE) else None


def steps_above(identity: str) -> int:
    """Return how many steps up an id is from; 0: from here, or from below."""
    steps = 0
    while identity.startswith(_FROM_ABOVE, steps * len(_FROM_ABOVE)):
        steps += 1
    return steps


def name_of(account: str) -> str:
    """Return what a rover types of an account's id: the same in every region."""
    return account[steps_above(account) * len(_FROM_ABOVE) :]


def neighbour_of(caster: str) -> str:
    """Return to whom a caster's id leads at first: `zhejiang`, `..:beijing`, `..` the parent; empty: here."""
    steps = steps_above(caster)
    name, separator, _ = name_of(caster).partition(_SEPARATOR)
    return (caster[: steps * len(_FROM_ABOVE)] + (name if separator else "")).removesuffix(_SEPARATOR)
