"""Alerts that are not closed, as calls know them: by id, by site, and those that wait to be called about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from sensors.detectors import Level
from streams.records import AlertTransition


class KnownAlert(msgspec.Struct):
    """One of them."""

    alert: AlertTransition
    turn: int = 0
    """How often calling about it has begun."""
    called: Level | None = None
    """The level at which it was called about; None: not yet, or not any more."""
    group: str = ""
    """The calling that it is part of; empty: of none."""
    stood: Level | None = None
    """The highest level about which who has it in hand was told."""
    waits: bool = False
    """It is muted, or the calling that it belongs to is full."""
    full: str = ""
    """That calling."""
    number: int = 0
    """Counts up over all of them."""


class KnownAlerts:
    """Finds them in the order in which they came, without a look at all of them.

    Parameters
    ----------
    site_of
        Returns the site of a subject; after a change of it `rearrange` is to be called.
    """

    def __init__(self, site_of: Callable[[str], str]) -> None:
        self._site_of = site_of
        self._all: dict[str, KnownAlert] = {}
        self._sites: dict[str, str] = {}
        self._at: dict[str, dict[str, KnownAlert]] = {}
        """By site."""
        self._muted: dict[str, dict[str, KnownAlert]] = {}
        """Those that wait since they are muted, by site."""
        self._full: dict[str, dict[str, KnownAlert]] = {}
        """Those that wait for room, by calling."""
        self._number = 0

    def __contains__(self, alert_id: str) -> bool:
        return alert_id in self._all

    def __getitem__(self, alert_id: str) -> KnownAlert:
        return self._all[alert_id]

    def __iter__(self) -> Iterator[KnownAlert]:
        return iter(list(self._all.values()))

    def get(self, alert_id: str) -> KnownAlert | None:
        """Return one; None: it is closed, or never was."""
        return self._all.get(alert_id)

    def follow(self, step: AlertTransition) -> KnownAlert:
        """Return the alert that a step belongs to; the first step makes it known."""
        known = self._all.get(step.alert_id)
        if known is None:
            self._number += 1
            known = KnownAlert(step, number=self._number)
            self.put(known)
        return known

    def put(self, known: KnownAlert) -> None:
        """Take one as it is."""
        name = known.alert.alert_id
        self._all[name] = known
        self._number = max(self._number, known.number)
        site = self._sites[name] = self._site_of(known.alert.subject_id)
        self._at.setdefault(site, {})[name] = known
        if known.waits:
            self.let_wait(known, known.full)

    def forget(self, alert_id: str) -> None:
        """Let one go that is closed."""
        known = self._all.pop(alert_id)
        self.go_on(known)
        _take_out(self._at, self._sites.pop(alert_id), alert_id)

    def clear(self) -> None:
        """Forget all."""
        for table in (self._all, self._sites, self._at, self._muted, self._full):
            table.clear()

    def rearrange(self) -> None:
        """Ask anew where each is."""
        every = list(self)
        self.clear()
        for known in every:
            self.put(known)

    def near(self, known: KnownAlert) -> Iterable[KnownAlert]:
        """Return all of the same site."""
        return self._at[self._sites[known.alert.alert_id]].values()

    def let_wait(self, known: KnownAlert, full: str = "") -> None:
        """Note that one is muted, or that a calling has no room for it."""
        known.waits, known.full = True, full
        name = known.alert.alert_id
        table, key = (self._full, full) if full else (self._muted, self._sites[name])
        table.setdefault(key, {})[name] = known

    def go_on(self, known: KnownAlert) -> None:
        """Note that one waits no more."""
        name = known.alert.alert_id
        if known.waits:
            _take_out(self._muted, self._sites.get(name, ""), name)
            _take_out(self._full, known.full, name)
            known.waits, known.full = False, ""

    def muted_at(self, site: str) -> list[KnownAlert]:
        """Return those of a site that are muted."""
        return _ordered(self._muted.get(site, {}))

    def without_room(self) -> list[list[KnownAlert]]:
        """Return those that wait for room, of each calling."""
        return [_ordered(waiting) for waiting in self._full.values()]


def _ordered(some: dict[str, KnownAlert]) -> list[KnownAlert]:
    return sorted(some.values(), key=lambda one: one.number)


def _take_out(table: dict[str, dict[str, KnownAlert]], key: str, name: str) -> None:
    some = table.get(key)
    if some is not None:
        some.pop(name, None)
        if not some:
            del table[key]
