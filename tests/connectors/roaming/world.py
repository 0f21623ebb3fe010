"""Bases that send whole epochs, and rovers that note what they get, in time of their own."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from connectors.caster.audience import Outcome
from connectors.caster.relay import Relay
from connectors.caster.roaming.config import RoamingConfig
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.roaming.rover import Rover
from gnss.ntrip import RoverPosition
from sensors.model import Station
from tests.connectors.link.frames import observed
from tests.rtcm_frames import of_type, text_frame

UTC_US = 1_760_000_000_000_000


@functools.cache
def epoch(station: str, time_s: float, *, first: bool = False) -> bytes:
    """Return an epoch that says whose it is; `first`: with what a station tells of itself."""
    of_week_ms = round(time_s * 1000) % 604_800_000
    told = of_type(1006, 21) + of_type(1033) if first else b""
    return (
        told
        + observed(1077, of_week_ms, more=True)
        + text_frame(f"<{station} {round(time_s * 1000)}>")
        + observed(1127, (of_week_ms - 14_000) % 604_800_000, more=False)
    )


def epochs_of(frames: bytes) -> list[tuple[str, float]]:
    """Return stations and times of the epochs in frames."""
    return [(s.decode(), int(t) / 1000) for s, t in re.findall(rb"<(\w+) (\d+)>", frames)]


@dataclass(eq=False)
class Listening:
    """A rover's connection that notes what it gets and when."""

    clock: Clock
    username: str = "li"
    is_heard: bool = False
    is_open: bool = True
    is_stuck: bool = False
    sent: list[tuple[float, bytes]] = field(default_factory=list)

    def socket(self) -> int:
        return -1

    def send(self, frames: bytes) -> Outcome:
        if self.is_stuck:
            return "cut"
        self.sent.append((self.clock.now_s, frames))
        return "sent"

    def send_rest(self, rest: memoryview) -> None:
        raise AssertionError("nothing is begun past its socket")

    def hang_up(self) -> None:
        self.is_open = False

    @property
    def epochs(self) -> list[tuple[str, float]]:
        return [one for _, frames in self.sent for one in epochs_of(frames)]


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class World:
    """A caster's roaming without sockets."""

    def __init__(self, places: dict[str, tuple[float, float]], **config: object) -> None:
        self.clock = Clock()
        self.relay = Relay(self.clock)
        self.stations = [
            Station(id=name, name=name, longitude=lon, latitude=lat) for name, (lon, lat) in places.items()
        ]
        self.roaming = Roaming(
            self.relay, lambda: self.stations, RoamingConfig(**config), self.clock, lambda: UTC_US
        )
        self.roaming.tick()

    def rover(self, mountpoint: str, place: tuple[float, float] | None) -> tuple[Rover, Listening]:
        listening = Listening(self.clock)
        position = None if place is None else RoverPosition(*place, 0.0, 1)
        return self.roaming.join(listening, mountpoint, position, listening), listening

    def publish(self, station: str, time_s: float, *, first: bool = False) -> None:
        self.relay.publish(station, epoch(station, time_s, first=first))

    def second(self, *stations: str, lag_s: float = 0.1) -> None:
        """Let a second pass in which stations send an epoch each, in this order."""
        base_s = self.clock.now_s
        self.clock.now_s = base_s + lag_s
        for station in stations:
            self.publish(station, base_s)
        for part in (0.5, 1.0):
            self.clock.now_s = base_s + part
            self.roaming.tick()
