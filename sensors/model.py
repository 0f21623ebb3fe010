"""Things and what is observed at them, in the words of OGC SensorThings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec


class ObservedProperty(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of quantity, one entry of the catalogue."""

    id: str
    name: str
    name_zh: str = ""
    """In Chinese; empty: nobody has said it."""
    domain: str
    """ocean, coast, water, slope, ground, weather or shaking."""
    unit: str
    """UCUM code, for instance `m`, `mm`, `Cel`, `deg`."""
    definition: str = ""
    description: str = ""
    span: tuple[float, float]
    """What the instrument can measure at all; outside it a sample fails."""
    user_span: tuple[float, float] | None = None
    """What is credible at ordinary sites; outside it a sample is suspect."""
    sampling_period_s: float
    tests: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Quality tests and their parameters, by the test's name."""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    """What else is to be known of it."""


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A site: a tide gauge, a slope, a borehole."""

    id: str
    name: str
    longitude: float
    latitude: float
    """Degrees, CGCS2000 (EPSG:4490)."""
    height_m: float | None = None
    height_datum: str = "EPSG:5737"
    """1985 national height datum, or `ellipsoidal`."""
    description: str = ""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    """What else is to be known of it."""


class Sensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What measures a series: for people, nothing is worked out from it."""

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    encoding: Annotated[str, msgspec.Meta(max_length=100)] = "text/plain"
    """Of `metadata`: a media type."""
    metadata: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    """A text, or the address of a document."""
    properties: dict[str, Any] = {}
    """What else is to be known of it."""


class Promise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a series speaks, and what it means when it does not. It is never a hazard."""

    grace_s: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] = 600.0
    """After the period it may stay away for so long."""
    period_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 0.0
    """0: that of its property."""
    level: Literal["blue", "yellow", "orange", "red"] = "blue"
    """Of the alert `no_data`."""
    gateway: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[\w.-]*\Z")] = ""
    """What all come through that name it: when all are silent, it is one alert, about the gateway."""


class Datastream(msgspec.Struct, frozen=True, kw_only=True):
    """One observed property of one thing."""

    id: str
    thing_id: str
    property_id: str
    name: str
    unit: str
    tests: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Deviations from the property's tests; a test set to `{"off": true}` is left out."""
    detectors: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Detectors that watch this series and their parameters, by the detector's name."""
    promise: Promise | None = None
    """How often it speaks; None: it may be silent for any time."""
    description: str = ""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    """What else is to be known of it."""
    sensor: Sensor | None = None
    """None: nobody described it."""
    sensor_id: str = ""
    """Of a sensor that is described by itself; empty: it has its own."""


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """A GNSS reference station as the registry knows it."""

    id: str
    name: str
    longitude: float | None = None
    latitude: float | None = None
    height_m: float | None = None
    """Ellipsoidal."""
    interval_s: float = 1.0
    """Seconds between epochs that the station promises."""
    antenna: str | None = None
    """Antenna and radome, named as in the IGS's list."""
    receiver: str | None = None
    messages: str = ""
    """Those that it promises, as the format details of a sourcetable: "1005(10),1077(1)"."""
    paused: bool = False
    """Neither gathered nor judged nor missed, until it is resumed."""
