"""The areas by which alerts are told, from the file that a configuration names."""

from __future__ import annotations

from pathlib import Path

from deploy.refusal import Refusal
from streams.cap.areas import NamedArea, areas_of_geojson
from streams.cap.config import CapConfig


def cap_areas(config: CapConfig) -> list[NamedArea]:
    """Return the areas; none where no file is named.

    Raises
    ------
    Refusal
        The file cannot be read, or is not what it should be.
    """
    if not config.areas:
        return []
    try:
        return areas_of_geojson(Path(config.areas).read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(
            f"cap: the areas {config.areas} cannot be read ({reason}); name a readable GeoJSON file"
        ) from error
    except ValueError as error:
        raise Refusal(f"cap: the areas {config.areas}: {error}") from error
