"""What a process does at its edges as it is in force now: the configuration with the changes over it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from connectors.caster.server import Caster
from connectors.caster.session_book import Session, Sessions
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import Settings, StationSettings
from deploy.sources import Sources
from sensors.model import Station
from streams.alerting_series import AlertingSeries
from streams.definitions import PRIVACY_ID, AccountDefinition, PrivacyDefinition, StationDefinition
from streams.objects import Objects
from streams.records import Changes, Record
from streams.regions import name_of, steps_above

log = structlog.get_logger()

_HERE, _ABOVE = "here", "above"


@dataclass(slots=True, eq=False)
class Edge:
    """Lets sources and accounts follow changes; what does not change is not disturbed.

    All calls come from the event loop.
    """

    settings: Settings
    registry: Registry
    sources: Sources | None = None
    """None: a process that gathers nothing."""
    caster: Caster | None = None
    alerting: AlertingSeries | None = None
    """Knows of which samples somebody has to hear at once; None: nobody asks."""
    follows_above: bool = False
    """Accounts of regions above are followed, too: nobody is let in before it is known which there are."""
    _objects: Objects = field(init=False)
    _own: frozenset[str] = field(init=False)
    _above: Objects = field(init=False)
    """Accounts of the regions above, by their ids here."""
    _covered: frozenset[str] = frozenset()
    _unknown: set[str] = field(init=False)
    """What is to be known yet before anybody is let in."""
    _is_connected: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._objects = Objects(self.registry.base, ("station", "account", "privacy"))
        self._above = Objects({}, ("account",))
        self._unknown = {_HERE, _ABOVE} if self.follows_above else {_HERE}
        self._own = frozenset(station.id for station in self.settings.station)

    @property
    def standing(self) -> Changes:
        """All that was changed of stations, accounts and privacy."""
        return self._objects.standing

    @property
    def unreadable(self) -> int:
        """Changes that were passed over, since a newer program wrote them."""
        return self._objects.unreadable + self._above.unreadable

    @property
    def from_above(self) -> Changes:
        """All that is known of accounts of regions above."""
        return self._above.standing

    @property
    def covered(self) -> int:
        """Accounts from here that do not hold, since a region above has one of that name."""
        return len(self._covered)

    @property
    def stations(self) -> list[Station]:
        """Those of this process, the paused ones too."""
        return [one.station(one.id) for one in self._stations()]

    def sessions(self) -> list[Session]:
        """Return who gets streams of this process's caster now, and of those that it hears of."""
        return self.book().every()

    def book(self) -> Sessions:
        """Return the book with these sessions."""
        return Sessions("") if self.caster is None else self.caster.admission.sessions

    def connect(self) -> None:
        """Start the connectors of everything that is configured, as it is now."""
        assert self.sources is not None, "this process gathers nothing"
        self._is_connected = True
        self.sources.connect(msgspec.structs.replace(self.settings, station=self._stations()))

    def listen(self, outputs: Sequence[Record]) -> None:
        """Take changes among what was made (a listener of the embedded runtime)."""
        for batch in outputs:
            if isinstance(batch, Changes):
                task = asyncio.create_task(self.take(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def take(self, changes: Changes) -> None:
        """Let changes be in force; return when they are."""
        async with self._turn:
            if self.alerting is not None:
                self.alerting.take(changes)
            taken = self._objects.take(changes)
            if any(kind == "account" for kind, _ in taken):
                self._let_in()
            if any(kind == "privacy" for kind, _ in taken) or not changes.changes:
                self._set_privacy()
            for kind, identity in taken:
                if kind == "station" and self._is_connected:
                    await self._reconnect(identity)

    async def take_above(self, changes: Changes) -> None:
        """Let accounts of regions above hold as they were told last."""
        async with self._turn:
            if self._above.take(changes, again=True):
                self._let_in()

    def know(self, *, above: bool = False) -> None:
        """Let rovers in: all that was changed before has been taken, here and of what is from above."""
        self._unknown.discard(_ABOVE if above else _HERE)
        if self.caster is not None and not self._unknown and not self.caster.accounts.is_known:
            self.caster.accounts.is_known = True
            self.caster.recheck()
        self._set_privacy()

    def doubt(self) -> None:
        """Let no more rovers in: what was known of accounts is too old. Those that are there stay."""
        self._unknown.add(_HERE)
        if self.caster is not None and self.caster.accounts.is_known:
            self.caster.accounts.is_known = False
            log.warning("Kafka has been away for too long: no rover is let in")

    def _stations(self) -> list[StationSettings]:
        found = self._objects.all("station", StationDefinition)
        return [StationSettings.of(name, one) for name, one in found if self._is_own(name, one)]

    def _is_own(self, station_id: str, definition: StationDefinition) -> bool:
        if station_id in self._own and not definition.gatherer:
            return True
        return definition.gatherer == self.settings.gather.name

    def _let_in(self) -> None:
        if self.caster is None:
            return
        accounts = dict(self._objects.all("account", AccountDefinition))
        was_changed = any(c.kind == "account" and c.verb != "revert" for c in self.standing.changes)
        own, ids = frozenset(accounts), dict[str, str]()
        for identity, one in sorted(self._above.all("account", AccountDefinition), key=_steps):
            accounts[name_of(identity)] = one  # that of the highest region holds
            ids[name_of(identity)] = identity
        covered = own & ids.keys()
        for name in covered - self._covered:
            log.warning("an account does not hold: a region above has one of that name; rename it", name=name)
        self._covered = covered
        is_open = not accounts and not was_changed and not self.from_above.changes
        self.caster.accounts.replace(accounts, is_open=is_open, ids=ids)
        self.caster.recheck()

    def _set_privacy(self) -> None:
        if self.caster is not None:
            found = self._objects.find("privacy", PRIVACY_ID, PrivacyDefinition)
            self.caster.watch.set_privacy(found or PrivacyDefinition())

    async def _reconnect(self, station_id: str) -> None:
        assert self.sources is not None
        now = self._objects.find("station", station_id, StationDefinition)
        if now is not None and (now.paused or not self._is_own(station_id, now)):
            now = None
        if now is not None and self.sources.gathers(station_id, now):
            return
        if now is None:
            await self.sources.disconnect_station(station_id)
            log.info("a station is not gathered any more", station=station_id)
            return
        try:
            await self.sources.follow_station(StationSettings.of(station_id, now))
        except Refusal as refusal:
            log.error("a station cannot be gathered", why=str(refusal))
        else:
            log.info("a station is gathered as it was changed", station=station_id)


def _steps(account: tuple[str, AccountDefinition]) -> int:
    return steps_above(account[0])
