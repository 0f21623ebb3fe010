"""Leads rovers from base to base: asks their mountpoints where they belong, and hands them over."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

import structlog

from connectors.caster.audience import Subscriber
from connectors.caster.mountpoints import Asking, make_mountpoint
from connectors.caster.relay import Relay
from connectors.caster.roaming.config import RoamingConfig
from connectors.caster.roaming.near import point_km
from connectors.caster.roaming.network import Base, Network
from connectors.caster.roaming.rover import PATIENCE, Listener, Rover
from connectors.epoch_glance import time_of
from gnss.ntrip.gga_reader import RoverPosition
from sensors.model import Station

log = structlog.get_logger()

TICK_S = 0.5
TURNS = 10
"""A rover is asked each so many ticks where it belongs, besides at once when its base gets worse."""
LATE_S = 1.0
"""A tick that comes so late: this program stood still, and no station is to blame."""
STATIONS_S, SOON_S = 10.0, 1.0
"""After which the stations are asked for again; and when something came from one that is not known."""
MOST_URGENT = 2000
"""Rovers that are asked at once in a tick; the others in the next ones."""


@dataclass(slots=True)
class RoamingCounters:
    """For `/metrics`."""

    changes: Counter[str] = field(default_factory=Counter)
    """Rovers that got a base or another one or lost theirs, by reason."""
    without_position: int = 0
    """Rovers that were let go since they did not say where they are."""


class Roaming:
    """The roaming mountpoints of a caster. All calls come from the event loop.

    Parameters
    ----------
    relay
        Where the bases' epochs come from, whole.
    stations
        Returns the stations that there are.
    config
        Names and kinds of mountpoints, and limits.
    clock_s, clock_us
        Monotonic; UTC, for what people see.
    """

    def __init__(
        self,
        relay: Relay,
        stations: Callable[[], Iterable[Station]],
        config: RoamingConfig,
        clock_s: Callable[[], float],
        clock_us: Callable[[], int],
    ) -> None:
        self.counters = RoamingCounters()
        self.network = Network(config.silent_s, config.recovery_s, config.verdict_s)
        self._relay, self._stations, self._config = relay, stations, config
        self._clock_s, self._clock_us = clock_s, clock_us
        self._mountpoints = {n: make_mountpoint(kind, config) for n, kind in config.mountpoints.items()}
        self._turns: list[dict[Rover, None]] = [{} for _ in range(TURNS)]
        self._turn = 0
        self._by_base: dict[str, dict[Rover, None]] = {}
        self._by_target: dict[str, dict[Rover, None]] = {}
        self._urgent: deque[Rover] = deque()
        self._ticked_s: float | None = None
        self._stations_at_s = 0.0
        relay.listeners.append(self._hear)
        relay.lookers.append(self.network.hear)

    # --- what the caster asks -------------------------------------------------------------------------

    @property
    def names(self) -> Mapping[str, str]:
        """The mountpoints that there are now, and their kinds: none with fewer than two bases."""
        return self._config.mountpoints if self.network.size >= 2 else {}

    @property
    def mountpoints(self) -> Iterable[str]:
        """All that are configured."""
        return self._mountpoints

    @property
    def rovers(self) -> Iterator[Rover]:
        """All rovers."""
        return (rover for turn in self._turns for rover in turn)

    def reaches(self, mountpoint: str, position: RoverPosition) -> bool:
        """Whether any base of a mountpoint is near enough to a rover."""
        place_km = point_km(position.longitude, position.latitude)
        return self._mountpoints[mountpoint].reaches(place_km)

    def join(
        self,
        connection: Listener,
        mountpoint: str,
        position: RoverPosition | None,
        subscriber: Subscriber,
    ) -> Rover:
        """Lead a rover from now on, to whom bases are sent by `subscriber`; `leave` ends it."""
        turn = min(range(TURNS), key=lambda one: len(self._turns[one]))
        rover = Rover(connection, subscriber, mountpoint, self._clock_s(), self._clock_us(), turn)
        self._turns[turn][rover] = None
        if position is not None:
            self.tell(rover, position)
        return rover

    def n_bytes(self, rover: Rover) -> int:
        """Return about how much a rover has had that has no limits."""
        of_base = self._relay.contents_of(rover.base).n_bytes - rover.bytes_from if rover.base else 0
        return rover.bytes_before + of_base

    def n_epochs(self, rover: Rover) -> int:
        """Return about how many epochs a rover has had."""
        of_base = self._relay.contents_of(rover.base).n_epochs - rover.epochs_from if rover.base else 0
        return rover.epochs_before + of_base

    def tell(self, rover: Rover, position: RoverPosition) -> None:
        """Take where a rover is; it is asked in its turn, the first time at once."""
        is_first = rover.place_km is None
        rover.place_km = point_km(position.longitude, position.latitude)
        if is_first:
            self._ask(rover, self._clock_s())

    def judge(self, station_id: str, state: str, score: int | None) -> None:
        """Take a verdict on a station: fields of `streams.records.StationReport`."""
        self.network.judge(station_id, state, score, self._clock_s())

    def leave(self, rover: Rover) -> None:
        """Forget a rover that is gone."""
        self._turns[rover.turn].pop(rover, None)
        self._aim(rover, "")
        self._let_go(rover)

    # --- time -----------------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Go on until cancelled."""
        while True:
            try:
                self.tick()
            except Exception:
                log.exception("rovers could not be led; trying again")
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Look at the network, and ask the rovers whose turn it is; to be called each `TICK_S`."""
        self._relay.look()
        now_s = self._clock_s()
        if self._ticked_s is not None and (late_s := now_s - self._ticked_s - TICK_S) > LATE_S:
            self.network.excuse(late_s)
        self._ticked_s = now_s
        soon = self.network.has_strangers or not self.network.size
        if now_s - self._stations_at_s >= (SOON_S if soon else STATIONS_S) or not self._stations_at_s:
            self._stations_at_s = now_s
            self._relay.tell_again(self.network.set_stations(self._stations()))
        network = self.network.columns(now_s)
        for name, mountpoint in self._mountpoints.items():
            for base in mountpoint.look(network):
                self._urgent.extend(one for one in self._by_base.get(base, ()) if one.mountpoint == name)
        for _ in range(min(len(self._urgent), MOST_URGENT)):
            self._ask(self._urgent.popleft(), now_s)
        self._turn = (self._turn + 1) % TURNS
        for rover in tuple(self._turns[self._turn]):
            if rover.place_km is not None:
                self._ask(rover, now_s)
            elif not rover.connection.is_heard and now_s - rover.since_s > self._config.position_s:
                self.counters.without_position += 1
                log.info("a rover did not say where it is", account=rover.connection.username)
                self.leave(rover)
                rover.connection.hang_up()

    # --- inside ---------------------------------------------------------------------------------------

    def _ask(self, rover: Rover, now_s: float) -> None:
        """Ask where a rover belongs. One that has left meanwhile is in no turn."""
        if rover.place_km is None or rover not in self._turns[rover.turn]:
            return
        held_s = now_s - rover.base_since_s
        led = self._mountpoints[rover.mountpoint].lead(Asking(rover.place_km, rover.base, held_s))
        if led.base == rover.base:
            self._aim(rover, "")
            return
        if led.base != rover.target or not led.base:  # else the reason is that of the first answer
            rover.reason = led.reason
        rover.distance_km = led.distance_km
        self._aim(rover, led.base)
        if not led.base and rover.base:
            self._note(rover, "")
            self._let_go(rover)

    def _aim(self, rover: Rover, target: str) -> None:
        """Let a rover wait for the next epoch of a base."""
        if rover.target == target:
            return
        _take_out(self._by_target, rover.target, rover)
        rover.target, rover.behind = target, 0
        if target:
            self._by_target.setdefault(target, {})[rover] = None

    def _hear(self, station_id: str, frames: bytes) -> None:
        """Take an epoch before the rovers get it (a listener of the relay)."""
        if station_id not in self._by_target or time_of(frames) is None:
            return
        self._relay.look()
        base = self.network.bases.get(station_id)
        if base is None:
            return
        for rover in tuple(self._by_target[station_id]):
            if rover.is_due(base):
                self._hand_over(rover, base, frames)
            elif rover.behind >= PATIENCE:
                self._let_go(rover)

    def _hand_over(self, rover: Rover, base: Base, frames: bytes) -> None:
        """Send what goes before, and let the relay send the epoch that is just being published."""
        now_s = self._clock_s()
        target, first = rover.target, base.messages.first(now_s)
        outcome = rover.subscriber.send(first) if first else "sent"
        if outcome in ("cut", "gone", "left out"):
            return  # who is behind gets its base with a later epoch; a rate may never leave room for it
        self._note(rover, target)
        self._aim(rover, "")
        self._let_go(rover)
        rover.bytes_before += len(first)
        contents = self._relay.contents_of(target)
        rover.bytes_from, rover.epochs_from = contents.n_bytes - len(frames), contents.n_epochs - 1
        rover.base, rover.source = target, base
        rover.base_since_s, rover.base_since_us = now_s, self._clock_us()
        self._by_base.setdefault(target, {})[rover] = None
        self._relay.subscribe(target, rover.subscriber)

    def _let_go(self, rover: Rover) -> None:
        """Send a rover nothing more of its base; the time of the last epoch that it had is kept."""
        if rover.base:
            rover.bytes_before, rover.epochs_before = self.n_bytes(rover), self.n_epochs(rover)
            self._relay.unsubscribe(rover.base, rover.subscriber)
            _take_out(self._by_base, rover.base, rover)
            rover.base = ""
            if rover.source is not None:
                rover.source = replace(rover.source)

    def _note(self, rover: Rover, to: str) -> None:
        reason = rover.last_reason = rover.reason or "first"
        self.counters.changes[reason] += 1
        log.info(
            "a rover is led",
            mountpoint=rover.mountpoint,
            account=rover.connection.username,
            before=rover.base,
            to=to,
            reason=reason,
            distance_km=round(rover.distance_km, -1) if to else None,  # exact ones tell where it is
        )


def _take_out(index: dict[str, dict[Rover, None]], name: str, rover: Rover) -> None:
    rovers = index.get(name)
    if rovers is not None:
        rovers.pop(rover, None)
        if not rovers:
            del index[name]
