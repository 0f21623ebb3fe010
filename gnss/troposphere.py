"""Delay of the troposphere in a standard atmosphere, by height.

Sources: J. Saastamoinen, Atmospheric correction for the troposphere and stratosphere in radio ranging of
satellites, Geophysical Monograph 15 (1972), for the zenith; U.S. Standard Atmosphere 1976 for pressure and
temperature by height; the mapping of H. D. Black and A. Eisner, J. Geophys. Res. 89 (1984), as in RTCA DO-229
(A.4.2.4), good to a per cent above 4 degrees, where 1/sin(elevation) is 3 % too much at 10 degrees.

Weather moves the wet part by some 0.2 m at zenith: this serves code positions, not phases.
"""

from __future__ import annotations

import math

from kernels.compiled import njit

RELATIVE_HUMIDITY = 0.5
LOWEST_M, HIGHEST_M = -1000.0, 11_000.0
"""Heights beyond are taken as these: the model ends at the tropopause."""


@njit(cache=True, nogil=True)
def zenith_delay_m(height_m: float, sin_latitude: float) -> float:
    """Return the delay at zenith in m, hydrostatic and wet; 2.4 m at sea level.

    Parameters
    ----------
    height_m
        Above the ellipsoid, which stands for sea level.
    sin_latitude
        -1 to 1.
    """
    height = min(max(height_m, LOWEST_M), HIGHEST_M)
    pressure_hpa = 1013.25 * math.pow(1.0 - 2.2557e-5 * height, 5.2568)
    kelvin = 288.15 - 6.5e-3 * height
    vapour_hpa = 6.108 * RELATIVE_HUMIDITY * math.exp((17.15 * kelvin - 4684.0) / (kelvin - 38.45))
    cos_2_latitude = 1.0 - 2.0 * sin_latitude * sin_latitude
    hydrostatic = 0.0022768 * pressure_hpa / (1.0 - 0.00266 * cos_2_latitude - 0.28e-6 * height)
    return hydrostatic + 0.002277 * (1255.0 / kelvin + 0.05) * vapour_hpa


@njit(cache=True, nogil=True)
def mapping(sin_elevation: float) -> float:
    """Return how many times the zenith delay a ray of this elevation has; below the horizon that of 0."""
    sine = max(sin_elevation, 0.0)
    return 1.001 / math.sqrt(0.002001 + sine * sine)
