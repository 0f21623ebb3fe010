"""Parts of a map as parameters of queries."""

from __future__ import annotations

from storage.rows import Box


def sides(box: Box) -> dict[str, object]:
    """Return the box in two halves, which are the same where it does not go over 180 degrees."""
    over = box.west > box.east
    return {
        "south": box.south,
        "north": box.north,
        "west": box.west,
        "east": 180.0 if over else box.east,
        "west_2": -180.0 if over else box.west,
        "east_2": box.east,
    }
