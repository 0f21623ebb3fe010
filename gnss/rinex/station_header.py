"""What a station says of itself in RTCM messages, as the header of an observation file."""

from __future__ import annotations

from dataclasses import fields, replace

from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from gnss.rinex.header import ObservationHeader
from gnss.rtcm.station import StationMetadata


def header_of(metadata: StationMetadata, marker: str) -> ObservationHeader:
    """Return the header of what a station says of itself.

    The messages tell the antenna reference point, the header the marker below it.
    """
    position_m = None if metadata.position is None else metadata.position.ecef_m
    height_m = metadata.antenna_height_m or 0.0
    if position_m is not None and height_m:
        longitude, latitude, up_m = ecef_to_geodetic(*position_m)
        position_m = geodetic_to_ecef(longitude, latitude, up_m - height_m)
    return ObservationHeader(
        marker_name=marker,
        marker_type="GEODETIC",
        receiver_serial=metadata.receiver_serial or "",
        receiver_type=metadata.receiver_descriptor or "",
        receiver_version=metadata.receiver_firmware or "",
        antenna_serial=metadata.antenna_serial or "",
        antenna_type=metadata.antenna_descriptor or "",
        position_m=position_m,
        antenna_delta_hen_m=(height_m, 0.0, 0.0),
    )


def completed(told: StationMetadata, later: StationMetadata) -> StationMetadata:
    """Return what was told up to the end of a file, and what was missing then as it was told later."""
    if None not in {told.reference_station, later.reference_station} and (
        told.reference_station != later.reference_station
    ):
        return told
    names = (f.name for f in fields(StationMetadata))
    missing = {name: getattr(later, name) for name in names if getattr(told, name) is None}
    return replace(told, **missing)
