"""What makes RTCM 3 of a station's stream, as the station is defined."""

from __future__ import annotations

from typing import cast

from gnss.geodesy import geodetic_to_ecef
from gnss.to_rtcm.converter import Converter
from gnss.to_rtcm.formats import Format
from streams.definitions import StationDefinition


def converter_for(station: StationDefinition, format_: str | None = None) -> Converter | None:
    """Return the converter of a station's stream; None where it is said to be RTCM 3.

    All bytes that are read go through `Converter.feed` before anything else sees them, and `Converter.finish`
    is called where a connection ends.

    Parameters
    ----------
    station
        Whose it is.
    format_
        Of one of its sources; None: the station's own.
    """
    format_ = format_ or station.format
    if format_ == "rtcm":
        return None
    position_m = None
    if station.send_position and station.longitude is not None and station.latitude is not None:
        x, y, z = geodetic_to_ecef(station.longitude, station.latitude, station.height_m or 0.0)
        position_m = float(x), float(y), float(z)
    spoken = cast("Format", format_)
    return Converter(spoken, reference_station=station.reference_station, position_m=position_m)
