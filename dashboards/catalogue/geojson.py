"""Data sets as a GeoJSON FeatureCollection (RFC 7946): a rectangle each, for maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboards.catalogue.datasets import DataSet
from dashboards.catalogue.records import Surroundings
from dashboards.present import time_of
from gnss.reports.words import Language
from storage.rows import Box


def feature_collection(sets: Iterable[DataSet], around: Surroundings, language: Language) -> dict[str, Any]:
    """Return all data sets."""
    return {"type": "FeatureCollection", "features": [feature(one, around, language) for one in sets]}


def feature(one: DataSet, around: Surroundings, language: Language) -> dict[str, Any]:
    """Return a data set; one without a place has no geometry."""
    place = 0 if language == "en" else 1
    begin = end = None
    if one.extent is not None:
        begin, end = time_of(one.extent.begin_us), time_of(one.extent.end_us)
    return {
        "type": "Feature",
        "id": one.id,
        **({} if one.box is None else {"bbox": list(one.box)}),
        "geometry": None if one.box is None else rectangle(one.box),
        "properties": {
            "title": one.title[place],
            "abstract": one.abstract[place],
            "kind": one.kind,
            "begin": begin,
            "end": end,
            "unit": one.unit,
            "period_s": one.period_s,
            "members": len(one.members),
            "licence": around.config.licence,
            "contact": around.config.contact.organisation,
            "record": f"{around.base_url}/api/v1/catalogue/{one.id}",
        },
    }


def rectangle(box: Box) -> dict[str, Any]:
    """Return a part of the map as a polygon, counterclockwise; a point or a line where it is no more."""
    west, south, east, north = box
    if west == east and south == north:
        return {"type": "Point", "coordinates": [west, south]}
    if west == east or south == north:
        return {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
