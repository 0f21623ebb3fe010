"""Sensors and observed properties as they can be changed while the program runs: kinds are data."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

import msgspec

from sensors.model import ObservedProperty, Sensor
from streams.definition import Definition

WIDEST = 1e12
"""Where nobody says what an instrument can measure, it can measure this on both sides of zero."""
USUAL_PERIOD_S = 60.0
_PROPERTY_ID = re.compile(r"[\w-]{1,60}")
Line = Annotated[str, msgspec.Meta(max_length=200)]
Span = Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)]
Words = Annotated[str, msgspec.Meta(max_length=2000)]


class SensorDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor that several datastreams may have: for people, nothing is worked out from it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    description: Words = ""
    encoding: Annotated[str, msgspec.Meta(max_length=100)] = "text/plain"
    """Of `metadata`: a media type."""
    metadata: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    """A text, or the address of a document."""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, identity: str, sensor: Sensor | None) -> SensorDefinition:
        """Return the definition of what a datastream says of its own sensor."""
        values = {} if sensor is None else msgspec.structs.asdict(sensor)
        return cls(**{**values, "name": values.get("name") or f"Sensor of {identity}"[:200]})


class PropertyDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of quantity: an entry of the catalogue."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    name_zh: Line = ""
    """In Chinese; empty: nobody has said it."""
    description: Words = ""
    definition: Annotated[str, msgspec.Meta(max_length=500)] = ""
    """The address of what is meant by it."""
    domain: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = "other"
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = "1"
    """UCUM code."""
    span: Span = msgspec.field(default_factory=lambda: [-WIDEST, WIDEST])
    """What the instrument can measure at all; outside it a sample fails."""
    user_span: Span | None = None
    """What is credible; outside it a sample is suspect."""
    sampling_period_s: Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)] = USUAL_PERIOD_S
    tests: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Quality tests and their parameters, by the test's name."""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, observed: ObservedProperty) -> PropertyDefinition:
        """Return the definition of an entry of the catalogue."""
        values = msgspec.structs.asdict(observed)
        del values["id"]
        spans = {name: _as(list, values.pop(name)) for name in ("span", "user_span")}
        return cls(**values, **spans)

    def observed(self, identity: str) -> ObservedProperty:
        """Return the entry of the catalogue."""
        values = msgspec.structs.asdict(self)
        spans = {name: _as(tuple, values.pop(name)) for name in ("span", "user_span")}
        return ObservedProperty(id=identity, **values, **spans)

    def check(self) -> None:
        """Look at the spans."""
        for low, high in filter(None, (self.span, self.user_span)):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError("a span is a lower and a higher number; write for instance [0, 100]")


def _as(kind: type[list[float]] | type[tuple[float, ...]], span: Any) -> Any:
    return None if span is None else kind(span)


def check_property_id(identity: str) -> None:
    """Refuse an id that would not serve in the ids of datastreams, which end with a dot and their property.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    if not _PROPERTY_ID.fullmatch(identity):
        raise ValueError(
            f"property id {identity[:80]!r} does not serve; use at most 60 letters, digits, _ and -"
        )
