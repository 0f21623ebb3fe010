"""1021 to 1027, 1300 to 1302: reference frames, and how to get from one to another.

Angles are in seconds of arc, scales in ppm. Extensions of an area, axes of an ellipsoid and the epoch of
coordinates that are sent as 0 are taken as not told.

Links of a 1302 have counters here, as in rtcm-rs and pyrtcm. A stream of EUREF has four characters a link and
no counters; it is too short for this table.
"""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Field, Signed, Unsigned
from gnss.rtcm.groups import Repeat, repeated
from gnss.rtcm.messages import Table, register
from gnss.rtcm.texts import Text

_MM = Fraction(1, 1000)
_ARCSEC = Fraction(1, 50_000)
_PPM = Fraction(1, 100_000)
_DEGREE = Fraction(11, 1_000_000_000)
_FIRST_DAY = 44_244
"""Modified Julian day of the first day of GPS time."""


def _signed(width: int, step: Fraction, *names: str) -> tuple[Field, ...]:
    return tuple(Signed(name, width, step) for name in names)


_SYSTEM = Unsigned("system", 8)
_NAMES: tuple[Field, ...] = (
    Text("source_name", 5),
    Text("target_name", 5),
    _SYSTEM,
    Unsigned("messages_used", 10),
)
_HELMERT: tuple[Field, ...] = (
    *_NAMES,
    Unsigned("plate", 5),
    Unsigned("computation", 4),
    Unsigned("height_indicator", 2),
    Signed("origin_latitude_arcsec", 19, 2),
    Signed("origin_longitude_arcsec", 20, 2),
    Unsigned("extension_north_arcsec", 14, 2, missing=0),
    Unsigned("extension_east_arcsec", 14, 2, missing=0),
    *_signed(23, _MM, "shift_x_m", "shift_y_m", "shift_z_m"),
    *_signed(32, _ARCSEC, "rotation_x_arcsec", "rotation_y_arcsec", "rotation_z_arcsec"),
    Signed("scale_ppm", 25, _PPM),
)
_ELLIPSOIDS: tuple[Field, ...] = (
    Unsigned("source_semi_major_m", 24, _MM, 6_370_000, missing=0),
    Unsigned("source_semi_minor_m", 25, _MM, 6_350_000, missing=0),
    Unsigned("target_semi_major_m", 24, _MM, 6_370_000, missing=0),
    Unsigned("target_semi_minor_m", 25, _MM, 6_350_000, missing=0),
    Unsigned("horizontal_quality", 3),
    Unsigned("vertical_quality", 3),
)
_SHIFTS: tuple[Field, ...] = (_SYSTEM, Unsigned("horizontal_shift", 1), Unsigned("vertical_shift", 1))
_GRID_END: tuple[Field, ...] = (
    Unsigned("horizontal_interpolation", 2),
    Unsigned("vertical_interpolation", 2),
    Unsigned("horizontal_quality", 3),
    Unsigned("vertical_quality", 3),
    Unsigned("modified_julian_day", 16),
)
_POINTS = 16
_PROJECTION: tuple[Field, ...] = (_SYSTEM, Unsigned("projection", 6))

register(
    Table(1021, "Helmert or Molodenski transformation", (*_HELMERT, *_ELLIPSOIDS)),
    Table(
        1022,
        "Molodenski-Badekas transformation",
        (*_HELMERT, *_signed(35, _MM, "centre_x_m", "centre_y_m", "centre_z_m"), *_ELLIPSOIDS),
    ),
    Table(
        1023,
        "residuals on an ellipsoidal grid",
        (
            *_SHIFTS,
            Signed("origin_latitude_arcsec", 21, Fraction(1, 2)),
            Signed("origin_longitude_arcsec", 22, Fraction(1, 2)),
            Unsigned("extension_north_arcsec", 12, Fraction(1, 2), missing=0),
            Unsigned("extension_east_arcsec", 12, Fraction(1, 2), missing=0),
            *_signed(8, _MM, "mean_latitude_arcsec", "mean_longitude_arcsec"),
            Signed("mean_height_m", 15, Fraction(1, 100)),
            Repeat(
                "points",
                (
                    *_signed(9, Fraction(3, 100_000), "latitude_arcsec", "longitude_arcsec"),
                    Signed("height_m", 9, _MM),
                ),
                _POINTS,
            ),
            *_GRID_END,
        ),
    ),
    Table(
        1024,
        "residuals on a plane grid",
        (
            *_SHIFTS,
            Signed("origin_northing_m", 25, 10),
            Unsigned("origin_easting_m", 26, 10),
            Unsigned("extension_north_m", 12, 10, missing=0),
            Unsigned("extension_east_m", 12, 10, missing=0),
            *_signed(10, Fraction(1, 100), "mean_northing_m", "mean_easting_m"),
            Signed("mean_height_m", 15, Fraction(1, 100)),
            Repeat("points", _signed(9, _MM, "northing_m", "easting_m", "height_m"), _POINTS),
            *_GRID_END,
        ),
    ),
    Table(
        1025,
        "projection",
        (
            *_PROJECTION,
            Signed("origin_latitude_deg", 34, _DEGREE),
            Signed("origin_longitude_deg", 35, _DEGREE),
            Unsigned("scale_ppm", 30, _PPM, 993_000),
            Unsigned("false_easting_m", 36, _MM),
            Signed("false_northing_m", 35, _MM),
        ),
    ),
    Table(
        1026,
        "Lambert conic projection",
        (
            *_PROJECTION,
            Signed("false_origin_latitude_deg", 34, _DEGREE),
            Signed("false_origin_longitude_deg", 35, _DEGREE),
            *_signed(34, _DEGREE, "first_parallel_deg", "second_parallel_deg"),
            Unsigned("false_origin_easting_m", 36, _MM),
            Signed("false_origin_northing_m", 35, _MM),
        ),
    ),
    Table(
        1027,
        "oblique Mercator projection",
        (
            *_PROJECTION,
            Unsigned("rectified", 1),
            Signed("centre_latitude_deg", 34, _DEGREE),
            Signed("centre_longitude_deg", 35, _DEGREE),
            Unsigned("azimuth_deg", 35, _DEGREE),
            Signed("skew_difference_deg", 26, _DEGREE),
            Unsigned("scale_ppm", 30, _PPM, 993_000),
            Unsigned("centre_easting_m", 36, _MM),
            Signed("centre_northing_m", 35, _MM),
        ),
    ),
    Table(
        1300,
        "reference frame of the service",
        (
            Text("frame_name", 5),
            Unsigned("coordinate_epoch_year", 16, Fraction(1, 100), 1900, missing=0),
        ),
    ),
    Table(
        1301,
        "transformation with 15 parameters",
        (
            *_NAMES,
            Unsigned("reference_epoch_mjd", 16, 1, _FIRST_DAY),
            *_signed(23, _MM, "shift_x_m", "shift_y_m", "shift_z_m"),
            *_signed(32, _ARCSEC, "rotation_x_arcsec", "rotation_y_arcsec", "rotation_z_arcsec"),
            Signed("scale_ppm", 25, _PPM),
            *_signed(
                17, Fraction(1, 50_000), "shift_x_m_per_year", "shift_y_m_per_year", "shift_z_m_per_year"
            ),
            *_signed(
                17,
                Fraction(1, 2_500_000),
                "rotation_x_arcsec_per_year",
                "rotation_y_arcsec_per_year",
                "rotation_z_arcsec_per_year",
            ),
            Signed("scale_ppm_per_year", 14, Fraction(1, 5_000_000)),
        ),
    ),
    Table(
        1302,
        "reference frame of the stream",
        (
            Text("frame_name", 5),
            Unsigned("anchored_globally", 1),
            Unsigned("plate", 5),
            *repeated("links", 3, Text("database", 5)),
        ),
    ),
)
