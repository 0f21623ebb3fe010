"""Units of measurement: what messages call them, and how one becomes another.

The names are those of UCUM and of SenML (RFC 8428 table 12 and RFC 8798), which mostly agree, and a few that
many devices write. `C` is left out: it means coulomb to both, and degrees Celsius to devices.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sensors.payloads import UnusableError, printable


class Unit(NamedTuple):
    """A unit as `value * scale + offset` of the first one of its dimension."""

    dimension: str
    scale: float
    offset: float = 0.0


def _table() -> dict[str, Unit]:
    scales: dict[str, dict[str, float]] = {
        "length": {"m": 1, "km": 1e3, "dm": 0.1, "cm": 0.01, "mm": 1e-3, "um": 1e-6, "[ft_i]": 0.3048},
        "area": {"m2": 1, "km2": 1e6, "cm2": 1e-4, "har": 1e4},
        "volume": {"m3": 1, "l": 1e-3, "L": 1e-3, "ml": 1e-6, "mL": 1e-6},
        "mass": {"kg": 1, "g": 1e-3, "mg": 1e-6, "ug": 1e-9, "t": 1e3},
        "time": {"s": 1, "ms": 1e-3, "us": 1e-6, "min": 60, "h": 3600, "d": 86_400},
        "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6},
        "speed": {"m/s": 1, "mm/s": 1e-3, "cm/s": 0.01, "km/h": 1 / 3.6, "[kn_i]": 1852 / 3600},
        # The depth of rain in a time; RFC 8798 has it in m/h and mm/h.
        "slow speed": {"m/h": 1, "mm/h": 1e-3, "mm/d": 1e-3 / 24, "mm/min": 0.06},
        "acceleration": {"m/s2": 1, "cm/s2": 0.01, "Gal": 0.01, "[g]": 9.80665, "m[g]": 9.80665e-3},
        "flow": {
            "m3/s": 1,
            "l/s": 1e-3,
            "L/s": 1e-3,
            "m3/h": 1 / 3600,
            "l/min": 1e-3 / 60,
            "L/min": 1e-3 / 60,
        },
        "pressure": {"Pa": 1, "hPa": 100, "kPa": 1e3, "MPa": 1e6, "mbar": 100, "bar": 1e5, "dbar": 1e4},
        "angle": {"rad": 1, "deg": math.pi / 180, "mrad": 1e-3},
        "voltage": {"V": 1, "mV": 1e-3, "uV": 1e-6},
        "current": {"A": 1, "mA": 1e-3},
        "power": {"W": 1, "kW": 1e3, "mW": 1e-3},
        "energy": {"J": 1, "Wh": 3600, "kWh": 3.6e6},
        "irradiance": {"W/m2": 1, "mW/cm2": 10},
        "ratio": {"/": 1, "1": 1, "%": 0.01, "/100": 0.01, "/1000": 1e-3, "[ppth]": 1e-3, "ppm": 1e-6},
        "relative humidity": {"%RH": 1},
        "concentration": {
            "kg/m3": 1,
            "g/l": 1,
            "g/L": 1,
            "mg/l": 1e-3,
            "mg/L": 1e-3,
            "ug/l": 1e-6,
            "ug/L": 1e-6,
        },
        "conductivity": {"S/m": 1, "mS/cm": 0.1, "uS/cm": 1e-4, "mS/m": 1e-3},
        "turbidity": {"NTU": 1, "{NTU}": 1},
        "acidity": {"pH": 1, "[pH]": 1},
        "sound": {"dB": 1},
    }
    table = {
        name: Unit(dimension, scale) for dimension, names in scales.items() for name, scale in names.items()
    }
    air = {name: Unit("concentration", scale) for name, scale in (("ug/m3", 1e-9), ("mg/m3", 1e-6))}
    kelvin = {"K": Unit("temperature", 1), "[degF]": Unit("temperature", 5 / 9, 273.15 - 32 * 5 / 9)}
    celsius = dict.fromkeys(("Cel", "°C", "℃", "degC"), Unit("temperature", 1, 273.15))
    others = {
        "°": table["deg"],
        "m²": table["m2"],
        "m³": table["m3"],
        "m³/s": table["m3/s"],
        "m3.s-1": table["m3/s"],
    }
    return {**table, **air, **kelvin, **celsius, **others, "m.s-1": table["m/s"]}


_UNITS = _table()


def converted(value: float, unit: str, expected: str, name: str) -> float:
    """Return a value in the unit that is expected.

    Parameters
    ----------
    value
        In `unit`.
    unit, expected
        As they are written; of units that are not known only the same is good.
    name
        What to call the value in errors.

    Raises
    ------
    UnusableError
        One unit cannot become the other.
    """
    if unit == expected:
        return value
    old, new = _UNITS.get(unit), _UNITS.get(expected)
    if old is None or new is None or old.dimension != new.dimension:
        raise UnusableError(f"{name} is in {printable(unit)}, which cannot become {printable(expected)}")
    if old == new:
        return value
    return (value * old.scale + (old.offset - new.offset)) / new.scale
