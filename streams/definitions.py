"""What can be changed while the program runs: one structure a kind, each with its own checks.

An object is what the configuration file defines (the base), or what commands made of it. A rule is a
detector's limits for one datastream; its id is `datastream/detector`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from gnss import area
from sensors.detectors import Level
from sensors.fusion import FusionParameters
from sensors.model import Datastream, Promise, Sensor, Station, Thing
from streams.access_definitions import Role, TokenDefinition
from streams.call_definitions import GroupDefinition, PersonDefinition, PlanDefinition, RosterDefinition
from streams.catalogue import PropertyDefinition, SensorDefinition, check_property_id
from streams.definition import Definition
from streams.network_definition import NetworkDefinition
from streams.records import Command, ObjectKind, TimeUs
from streams.station_sources import (
    ChangeOver,
    SourceDefinition,
    check_passwords,
    check_sources,
    every_source,
    shown_sources,
    without_password,
)

Degrees = Annotated[float, msgspec.Meta(ge=-180, le=180)]
LatitudeDegrees = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]
ReferenceStation = Annotated[int, msgspec.Meta(ge=0, le=4095)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Words = Annotated[str, msgspec.Meta(max_length=2000)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
"""A mountpoint, or several by `*` and `?`."""
RegionPath = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]*(:[a-z0-9][a-z0-9-]*)*\Z", max_length=200)
]
"""The name of a region right below, or the way to one further down: `zhejiang:hangzhou`."""
Corner = Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)]
"""Longitude and latitude in degrees."""
Ring = list[Corner]
Volume = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
Parameters = dict[str, dict[str, Any]]

MOST_BYTES = 16_000
"""Of a definition, encoded."""
MOST_CORNERS = 500
"""Of all areas of an account."""
DAY_US = 86_400_000_000
LONGEST_SILENCE_US = 366 * DAY_US
MOST_NAME = 200
"""Characters of a station's name."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no name can hold: it would break a line of a sourcetable, or cannot be written as UTF-8."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON, where a backslash that stands for itself is written twice."""
_STATION_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_ID = re.compile(r"[\w.:-]{1,100}")
_SECRETS: dict[str, tuple[str, ...]] = {
    "account": ("password", "password_hash"),
    "station": ("push_password", "push_password_hash"),
    "token": ("secret_hash",),
}


class StationDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GNSS reference station and where its stream is."""

    source: str = ""
    """`ntrip://user:password@host:port/MOUNTPOINT`, `ntrips://` for TLS, `tcp://host:port`; or `push:` where
    the station sends to our caster, `tcp-listen://host:port` where it connects to a port of its own."""
    sources: list[SourceDefinition] = []
    """Where else its stream is to be had, in order: behind `source`, or without one."""
    source_paused: bool = False
    """`source` alone is not gathered."""
    change_over: ChangeOver = ChangeOver()
    """When another source takes over."""
    name: str = ""
    version: str | int = "auto"
    """NTRIP version: 1, 2 or auto."""
    longitude: Degrees | None = None
    latitude: LatitudeDegrees | None = None
    height_m: float | None = None
    """Ellipsoidal. With it the stream's place is held against the registered one to some metres."""
    antenna: Text | None = None
    """Antenna and radome, named as in the IGS's list."""
    receiver: Text | None = None
    messages: str = ""
    """RTCM 3 messages and intervals as a sourcetable tells them: `1005(10),1077(1)`; none may stay away."""
    format: str = "auto"
    """What it sends: rtcm, ubx, binex or auto (RTCM 3, unless only one of the others comes). What is no
    RTCM 3 becomes it."""
    reference_station: ReferenceStation = 0
    """DF003 of what is converted."""
    send_position: bool = False
    """Tell the registered place as message 1006 in what is converted, for rovers: it must be an exact one."""
    interval_s: Seconds = 1.0
    stall_s: Seconds = 30.0
    push_password: str = ""
    """Of a station that pushes, in a configuration only; what travels is the hash."""
    push_password_hash: str = ""
    allow: list[str] = []
    """Addresses and networks from where the station connects to `tcp-listen:`."""
    paused: bool = False
    """Neither gathered nor judged nor missed."""
    gatherer: str = ""
    """Name of the process that gathers it, where there are several."""

    def every_source(self) -> list[SourceDefinition]:
        """Return all of its sources in order, the paused ones too."""
        return every_source(msgspec.structs.asdict(self), self.sources)

    def check(self) -> None:
        """Look at the sources and the place."""
        check_sources(self.every_source())
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("one of longitude and latitude is missing; give both or neither")
        if self.send_position and None in {self.longitude, self.latitude, self.height_m}:
            raise ValueError("send_position needs longitude, latitude and height_m; give all three")

    def station(self, identity: str) -> Station:
        """Return the registry's entry."""
        return Station(
            id=identity,
            name=self.name or identity,
            longitude=self.longitude,
            latitude=self.latitude,
            height_m=self.height_m,
            interval_s=self.interval_s,
            antenna=self.antenna,
            receiver=self.receiver,
            messages=self.messages,
            paused=self.paused,
        )


class ThingDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site with sensors."""

    longitude: Degrees
    latitude: LatitudeDegrees
    name: str = ""
    height_m: float | None = None
    height_datum: str = "EPSG:5737"
    description: Words = ""
    fusion: FusionParameters | None = None
    """How its findings are put together; None: each is an alert of its own."""
    properties: dict[str, Any] = {}

    def thing(self, identity: str) -> Thing:
        """Return the registry's entry."""
        return Thing(
            id=identity,
            name=self.name or identity,
            longitude=self.longitude,
            latitude=self.latitude,
            height_m=self.height_m,
            height_datum=self.height_datum,
            description=self.description,
            properties=self.properties,
        )


class DatastreamDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One observed property of one thing."""

    thing: str
    property: str
    name: str = ""
    unit: str = ""
    tests: Parameters = {}
    detectors: Parameters = {}
    paused: bool = False
    """Its samples are kept and not judged."""
    promise: Promise | None = None
    """How often it speaks; None: it may be silent for any time."""
    description: Words = ""
    properties: dict[str, Any] = {}
    sensor: Sensor | None = None
    """What it says of a sensor of its own."""
    sensor_id: str = ""
    """Of a sensor that is described by itself; empty: its own."""

    @classmethod
    def of(cls, datastream: Datastream) -> DatastreamDefinition:
        """Return the definition of a registry's entry."""
        known = datastream
        return cls(
            thing=known.thing_id,
            property=known.property_id,
            name=known.name,
            unit=known.unit,
            tests=known.tests,
            detectors=known.detectors,
            promise=known.promise,
            description=known.description,
            properties=known.properties,
            sensor=known.sensor,
            sensor_id=known.sensor_id,
        )

    def datastream(self, identity: str) -> Datastream:
        """Return the registry's entry."""
        return Datastream(
            id=identity,
            thing_id=self.thing,
            property_id=self.property,
            name=self.name or identity,
            unit=self.unit,
            tests=self.tests,
            detectors=self.detectors,
            promise=self.promise,
            description=self.description,
            properties=self.properties,
            sensor=self.sensor,
            sensor_id=self.sensor_id,
        )


class RuleDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of a detector for one datastream, in place of those of the datastream."""

    parameters: dict[str, Any] = {}
    off: bool = False
    """The detector does not watch it."""


class SilenceDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that call nobody for a while. All that is given must match; what is empty matches all."""

    end_us: int
    begin_us: int = 0
    reason: Words = ""
    station: str = ""
    site: str = ""
    datastream: str = ""
    property: str = ""
    rule: str = ""

    def check(self) -> None:
        """Look at the span and at what it covers."""
        if not any((self.station, self.site, self.datastream, self.property, self.rule)):
            raise ValueError(
                "it would silence everything; name a station, site, datastream, property or rule"
            )
        if self.end_us <= self.begin_us:
            raise ValueError("it ends before it begins; give an end that is later")
        if self.begin_us and self.end_us - self.begin_us > LONGEST_SILENCE_US:
            raise ValueError("it lasts longer than a year; give an end that is earlier")


class SightingDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person saw at a site, or confirms of it: evidence beside that of the sensors."""

    site: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    level: Level
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    end_us: TimeUs
    """Until when it counts."""
    begin_us: TimeUs = 0

    def check(self) -> None:
        """Look at the span."""
        if self.end_us <= self.begin_us:
            raise ValueError("it ends before it begins; give an end that is later")


class AccountDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets streams from the caster."""

    password: str = ""
    """In a configuration only; what travels is the hash."""
    password_hash: str = ""
    mountpoints: list[Pattern] = []
    """That may be had; `*` and `?` stand for any text and any character. None: all."""
    enabled: bool = True
    valid_from_us: TimeUs | None = None
    valid_until_us: TimeUs | None = None
    """From then on nothing may be had."""
    areas: list[Ring] = []
    """Where rovers may be, each a ring of corners; a rover must then tell its position. None: anywhere."""
    most_sessions: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """At once, in all casters together; 0: any number."""
    when_full: Literal["newest", "refuse"] = "newest"
    """Who gets the place of a session that is one too many: the newest (the oldest is cut), or nobody."""
    rate_bytes_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Of each session; epochs beyond it are left out. 0: any."""
    day_bytes: Volume = 0
    """In a day of UTC; 0: any."""
    month_bytes: Volume = 0
    """In a month of UTC; 0: any."""
    regions: Annotated[list[RegionPath], msgspec.Meta(max_length=200)] | None = None
    """Below the one where it is registered, in which it holds, too, with all below them; None: all."""
    roles: Annotated[list[Role], msgspec.Meta(max_length=10)] = []
    """At the API and the page of the installation where it is registered; none: it is for rovers alone."""

    def check(self) -> None:
        """Look whether anybody can be told by it, and whether all of it can be met."""
        if not self.password and not self.password_hash:
            raise ValueError("it has no password; give one")
        if len(self.mountpoints) > 1000:
            raise ValueError("it names more than 1000 mountpoints; name none to allow all")
        begin_us, end_us = self.valid_from_us, self.valid_until_us
        if begin_us is not None and end_us is not None and end_us <= begin_us:
            raise ValueError("it ends before it begins; give an end that is later")
        if sum(map(len, self.areas)) > MOST_CORNERS:
            raise ValueError(f"its areas have more than {MOST_CORNERS} corners; draw them more coarsely")
        for number, ring in enumerate(self.areas, 1):
            if (why := area.unfit(ring)) is not None:
                raise ValueError(f"area {number} {why}")


class PrivacyDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told and kept of rovers, who are people. There is one, `rovers`."""

    position_decimals: Annotated[int, msgspec.Meta(ge=0, le=6)] | None = None
    """To which positions are rounded, in degrees (1: 11 km, 2: 1.1 km); None: nobody is told them."""
    addresses: Literal["full", "network", "none"] = "network"
    """How much of addresses is told: all, the network (IPv4 /24, IPv6 /48), nothing."""
    days: Annotated[int, msgspec.Meta(ge=0, le=3660)] = 0
    """That sessions are kept after their end; 0: nothing is kept."""


KINDS: dict[ObjectKind, type[Definition]] = {
    "station": StationDefinition,
    "thing": ThingDefinition,
    "datastream": DatastreamDefinition,
    "rule": RuleDefinition,
    "silence": SilenceDefinition,
    "account": AccountDefinition,
    "privacy": PrivacyDefinition,
    "person": PersonDefinition,
    "roster": RosterDefinition,
    "group": GroupDefinition,
    "plan": PlanDefinition,
    "network": NetworkDefinition,
    "sighting": SightingDefinition,
    "token": TokenDefinition,
    "property": PropertyDefinition,
    "sensor": SensorDefinition,
}
PRIVACY_ID = "rovers"
"""Of the only object of its kind."""


def _usual(kind: type[Definition], names: frozenset[str], *, but: bool = False) -> dict[str, Any]:
    """Return the defaults of some fields, or of all but them, as plain values."""
    return {
        field.name: msgspec.to_builtins(
            field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        )
        for field in msgspec.structs.fields(kind)
        if (field.name in names) is not but
    }


_LATER: dict[type[Definition], dict[str, Any]] = {
    AccountDefinition: _usual(
        AccountDefinition, frozenset({"password", "password_hash", "mountpoints", "enabled"}), but=True
    ),
    DatastreamDefinition: _usual(
        DatastreamDefinition, frozenset({"promise", "description", "properties", "sensor", "sensor_id"})
    ),
    ThingDefinition: _usual(ThingDefinition, frozenset({"fusion", "properties"})),
    StationDefinition: _usual(StationDefinition, frozenset({"sources", "source_paused", "change_over"})),
}
"""What older programs do not know: they can read, and disable, what makes no use of it."""


def definition(kind: ObjectKind, values: Mapping[str, Any]) -> Definition:
    """Return a definition as it was written down by `values_of`, or by a person.

    Raises
    ------
    ValueError
        It cannot be one, or is too large; one sentence says why.
    """
    try:
        made = msgspec.convert(dict(values), KINDS[kind], strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; correct that entry") from error
    if len(msgspec.msgpack.encode(made)) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes; write less")
    if _NUL.search(msgspec.json.encode(made)):
        raise ValueError("a text has the sign U+0000, which no database holds; leave it out")
    made.check()
    return made


def values_of(made: Definition) -> dict[str, Any]:
    """Return a definition as plain values."""
    values: dict[str, Any] = msgspec.to_builtins(made)
    for name, usual in _LATER.get(type(made), {}).items():
        if values[name] == usual:
            del values[name]
    return values


def check_id(kind: ObjectKind, identity: str) -> None:
    """Refuse an id that could not be a mountpoint, a file name, or a part of a path.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    if kind == "station":
        if not _STATION_ID.fullmatch(identity) or not identity.strip("."):
            raise ValueError(
                f"station id {identity[:80]!r} does not serve; use at most 32 letters, digits, _ . and -"
            )
        return
    if kind == "property":
        check_property_id(identity)
        return
    if kind == "privacy" and identity != PRIVACY_ID:
        raise ValueError(f"there is no privacy setting {identity[:80]!r}; there is {PRIVACY_ID!r}")
    if kind == "account" and ":" in identity:
        raise ValueError(
            f"account id {identity[:80]!r} does not serve; leave out the colon, which ends a name"
        )
    parts = identity.rsplit("/", 1) if kind == "rule" else [identity]
    if len(parts) != 1 + (kind == "rule") or not all(_ID.fullmatch(part) for part in parts):
        what = (
            "write datastream/detector" if kind == "rule" else "use at most 100 letters, digits, _ . : and -"
        )
        raise ValueError(f"{kind} id {identity[:80]!r} does not serve; {what}")


def check_name(name: str) -> None:
    """Refuse a station's name that no sourcetable can hold.

    It is no part of `StationDefinition.check`: a station that has such a name already is to stay.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    if len(name) > MOST_NAME or CONTROL.search(name):
        raise ValueError(
            f"name {name[:40]!r} is too long or has control characters; write at most {MOST_NAME} characters "
            "in one line"
        )


def check_push(made: StationDefinition) -> None:
    """Refuse a station that everybody could push.

    It is no part of `StationDefinition.check`: what is kept in the database has no passwords.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    check_passwords(made.every_source())


def shown(kind: ObjectKind, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of a definition as they may be kept and shown: without passwords."""
    kept = {name: value for name, value in values.items() if name not in _SECRETS.get(kind, ())}
    if kind == "station" and isinstance(kept.get("source"), str):
        kept["source"] = without_password(kept["source"])
    if kind == "station" and "sources" in kept:
        kept["sources"] = shown_sources(kept["sources"])
    return kept


def without_secrets(command: Command) -> Command:
    """Return a command as it may be kept and shown."""
    kind = command.target.partition("/")[0]
    if kind not in KINDS:
        return command
    return msgspec.structs.replace(command, arguments=shown(kind, command.arguments))
