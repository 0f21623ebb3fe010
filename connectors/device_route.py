"""What a configuration says of commands to devices: which sites, which topics, how they are written."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from sensors.detectors import LEVELS
from sensors.payloads.commands import Encoder, JsonCommand

NORMAL = "normal"
"""While no alert is open."""
MOST_DEVICES = 100
"""Of a site."""
MAX_TOPIC_BYTES = 1000
ORDER = (NORMAL, *LEVELS)
"""The lowest first."""
_PLACE = re.compile(r"\{(thing|device)\}")


class DeviceRoute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[mqtt.devices]]`: devices that take commands at this broker."""

    things: Annotated[list[str], msgspec.Meta(min_length=1)]
    """Ids of their sites, or patterns with `*` and `?`."""
    topic: str
    """Where a device listens, with `{thing}` and `{device}`."""
    devices: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_DEVICES)] = msgspec.field(
        default_factory=lambda: ["{thing}"]
    )
    """Names of the devices of a site, with `{thing}`."""
    encoder: Encoder = msgspec.field(default_factory=JsonCommand)
    retain: bool = False
    """Let the broker keep the newest command for a device that sleeps; for commands that set a state only."""
    intervals_s: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}
    """Sampling by the highest level of the site's open alerts: `normal`, blue, yellow, orange, red. A level
    that is not named has the interval of the one below it."""
    interval_command: str = "set_interval"
    """Its name; the arguments are `interval_s` and `level`."""

    def __post_init__(self) -> None:
        unknown = self.intervals_s.keys() - set(ORDER)
        if unknown:
            raise ValueError(f"intervals_s: {min(unknown)!r} is no level; write {', '.join(ORDER)}")
        if self.intervals_s and NORMAL not in self.intervals_s:
            raise ValueError("intervals_s: say by `normal` what holds while no alert is open")
        if len(set(self.devices)) != len(self.devices):
            raise ValueError("devices: each needs its own name")
        if len(self.devices) > 1 and "{device}" not in self.topic:
            raise ValueError("topic: several devices need a topic each; write {device} in it")
        if set(_PLACE.sub("", self.topic)) & set("{}+#\0") or not self.topic:
            raise ValueError("topic: write one without + and #, with {thing} and {device} where they vary")

    def reaches(self, thing: str) -> bool:
        """Return whether commands to a site go this way."""
        return any(fnmatchcase(thing, pattern) for pattern in self.things)

    def devices_of(self, thing: str) -> list[str]:
        """Return the names of the devices of a site."""
        return [name.replace("{thing}", thing) for name in self.devices]

    def topic_of(self, thing: str, device: str) -> str:
        """Return the topic at which a device listens.

        Raises
        ------
        ValueError
            There can be none: the name has a wildcard, for instance.
        """
        topic = self.topic.replace("{thing}", thing).replace("{device}", device)
        if set(topic) & set("+#\0") or len(topic.encode("utf-8", "surrogatepass")) > MAX_TOPIC_BYTES:
            raise ValueError(f"no topic can be made of device {device[:60]!a}; use plain letters and digits")
        return topic

    def interval_of(self, level: str) -> int | None:
        """Return the sampling interval in seconds at a level; None: it is not set by levels."""
        below = ORDER[: ORDER.index(level) + 1]
        return next((self.intervals_s[name] for name in reversed(below) if name in self.intervals_s), None)
