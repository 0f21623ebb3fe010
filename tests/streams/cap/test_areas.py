"""Areas from a file, and which of them a place is in."""

import json

import pytest

from streams.cap.areas import MOST_CORNERS, Place, area_around, areas_of_geojson

SQUARE = [[120.0, 30.0], [121.0, 30.0], [121.0, 31.0], [120.0, 31.0], [120.0, 30.0]]
EAST = [[[x + 1, y] for x, y in SQUARE]]


def feature(name, kind, coordinates, **more):
    shape = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"name": name, **more}, "geometry": shape}


def read(*features):
    return areas_of_geojson(json.dumps({"type": "FeatureCollection", "features": features}).encode())


def test_the_first_area_with_the_place_in_it_counts():
    areas = read(
        feature("甲", "Polygon", [SQUARE], name_en="Jia", code_GB2260=330106, code_x="7", people=5),
        feature("乙", "MultiPolygon", [[SQUARE], EAST]),
    )
    first = area_around(areas, Place("", 120.5, 30.5))
    assert (first.name, first.name_en, first.geocodes) == ("甲", "Jia", {"GB2260": "330106", "x": "7"})
    second = area_around(areas, Place("", 121.5, 30.5))
    assert (second.name, second.name_en, len(second.rings)) == ("乙", "乙", 2)
    assert area_around(areas, Place("", 125.0, 30.5)) is None
    assert area_around(areas, Place("nowhere")) is None


def file(name, kind, coordinates):
    return json.dumps({"features": [feature(name, kind, coordinates)]}).encode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[", "no GeoJSON"),
        (b"[" * 100_000, "no GeoJSON"),
        (b'{"features": 3}', "no GeoJSON"),
        (b'{"features": [{"geometry": null}]}', "feature 1 needs a name"),
        (file("", "Polygon", [SQUARE]), "feature 1 needs a name"),
        (file("a", "Point", [1, 2]), r"feature 1 \(a\) needs a name and"),
        (file("a", "Polygon", []), "has no rings"),
        (file("a", "Polygon", [[["x", 1]]]), "has no rings"),
        (file("a", "Polygon", [[[1], [2], [3]]]), "has no rings"),
        (file("a", "Polygon", [SQUARE[:2]]), "fewer than three corners"),
        (file("a", "Polygon", [[[200, 1], [0, 0], [1, 1]]]), "no place"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(text, says):
    with pytest.raises(ValueError, match=says):
        areas_of_geojson(text)


def test_a_ring_that_no_telephone_takes_is_refused():
    ring = [[120 + i * 1e-4, 30 + (i % 7) * 1e-4] for i in range(MOST_CORNERS + 1)]
    with pytest.raises(ValueError, match="simplify it"):
        read(feature("a", "Polygon", [ring]))
