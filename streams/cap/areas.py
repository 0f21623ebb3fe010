"""Where an alert holds: a place, and the administrative areas around it as rings on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gnss.area import is_inside, unfit

MOST_AREAS = 5_000
MOST_CORNERS = 500
"""Of one ring: a message goes to telephones and sirens too."""
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class NamedArea:
    """A county, a city, a stretch of coast."""

    name: str
    name_en: str
    rings: list[list[tuple[float, float]]]
    """Outer rings of [longitude, latitude] in degrees, closed or not."""
    geocodes: dict[str, str] = field(default_factory=dict)
    """Name of a list of codes, and the code in it."""

    _boxes: list[tuple[float, float, float, float]] = field(init=False, repr=False, compare=False)
    """Around each ring: most of a country's areas are told apart by them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_boxes", [_box(ring) for ring in self.rings])

    def has(self, longitude: float, latitude: float) -> bool:
        """Return whether a place lies in it."""
        return any(
            west <= longitude <= east and south <= latitude <= north and is_inside(longitude, latitude, ring)
            for ring, (west, south, east, north) in zip(self.rings, self._boxes, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """What an alert is about, as far as it is known."""

    name: str = ""
    longitude: float | None = None
    latitude: float | None = None
    """Degrees. CGCS2000 and WGS 84 are one and the same here: they differ by centimetres."""
    domain: str = ""
    """Of the observed property."""


class _Geometry(msgspec.Struct, frozen=True):
    type: str
    coordinates: Any = None


class _Feature(msgspec.Struct, frozen=True):
    geometry: _Geometry | None
    properties: dict[str, Any] | None = None


class _Collection(msgspec.Struct, frozen=True):
    features: list[_Feature]


def areas_of_geojson(text: bytes) -> list[NamedArea]:
    """Return the areas of a GeoJSON FeatureCollection (RFC 7946), in its order.

    A feature is a Polygon or MultiPolygon; of its properties `name` and `name_en` are its names, and those
    that begin with `code_` are codes: `code_GB2260 = "330106"`. Holes are left out, as the protocol has none.

    Raises
    ------
    ValueError
        It is no such file; one sentence says what to correct.
    """
    try:
        found = msgspec.json.decode(text, type=_Collection).features
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is no GeoJSON FeatureCollection ({error})") from error
    if len(found) > MOST_AREAS:
        raise ValueError(f"it has more than {MOST_AREAS} features; leave some out")
    return [_area(number, feature) for number, feature in enumerate(found, 1)]


def area_around(areas: Sequence[NamedArea], place: Place) -> NamedArea | None:
    """Return the first area in which a place lies."""
    if place.longitude is None or place.latitude is None:
        return None
    longitude, latitude = place.longitude, place.latitude
    return next((area for area in areas if area.has(longitude, latitude)), None)


def _box(ring: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    longitudes, latitudes = zip(*ring, strict=True)
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _area(number: int, feature: _Feature) -> NamedArea:
    said = feature.properties or {}
    name = str(said.get("name", ""))[:NAME_LENGTH]
    where = f"feature {number} ({name})" if name else f"feature {number}"
    shape = feature.geometry
    if not name or shape is None or shape.type not in {"Polygon", "MultiPolygon"}:
        raise ValueError(f"{where} needs a name and a Polygon or MultiPolygon; correct it")
    polygons = shape.coordinates if shape.type == "MultiPolygon" else [shape.coordinates]
    try:
        outer = msgspec.convert([polygon[0] for polygon in polygons], list[list[list[float]]])
        rings = [[(corner[0], corner[1]) for corner in ring] for ring in outer]
    except (msgspec.ValidationError, TypeError, LookupError) as error:
        raise ValueError(f"{where} has no rings of [longitude, latitude]; correct it") from error
    for ring in rings:
        if (why := unfit(ring)) is not None:
            raise ValueError(f"{where} {why}")
        if len(ring) > MOST_CORNERS:
            raise ValueError(f"{where} has a ring of more than {MOST_CORNERS} corners; simplify it")
    codes = {
        key.removeprefix("code_"): str(value)[:NAME_LENGTH]
        for key, value in said.items()
        if key.startswith("code_") and isinstance(value, str | int)
    }
    return NamedArea(name, str(said.get("name_en", "") or name)[:NAME_LENGTH], rings, codes)
