"""Rain that makes slopes fail: mean intensity against duration, I = a D^-b.

Published curves are lower bounds of what has set off landslides somewhere; they are low for most places.
"""

from __future__ import annotations

import msgspec


class IntensityDuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """I in mm/h above which slopes have failed, D in hours."""

    a: float
    b: float
    shortest_h: float
    longest_h: float
    """The durations for which it holds."""
    source: str = "own"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.a <= 0 or not 0 <= self.b < 1:
            raise ValueError("a must be above 0, and b in 0 to 1: rain grows with duration")
        if not 0 < self.shortest_h < self.longest_h:
            raise ValueError("0 < shortest_h < longest_h must hold")

    def rain_mm(self, duration_h: float) -> float:
        """Return the rain of so many hours that lies on the curve."""
        return float(self.a * duration_h ** (1 - self.b))


CURVES = {
    "caine_1980": IntensityDuration(
        a=14.82, b=0.39, shortest_h=0.167, longest_h=500.0,
        source="Caine (1980), Geografiska Annaler 62A, 23-27: shallow slides and debris flows, worldwide",
    ),
    "guzzetti_2008": IntensityDuration(
        a=2.20, b=0.44, shortest_h=0.1, longest_h=1000.0,
        source="Guzzetti et al. (2008), Landslides 5, 3-17: worldwide minimum",
    ),
    "cadses_2007": IntensityDuration(
        a=9.40, b=0.56, shortest_h=0.1, longest_h=4000.0,
        source="Guzzetti et al. (2007), Meteorol. Atmos. Phys. 98, 239-267: central and southern Europe",
    ),
    "aleotti_2004": IntensityDuration(
        a=19.0, b=0.50, shortest_h=4.0, longest_h=150.0,
        source="Aleotti (2004), Engineering Geology 73, 247-265: Piedmont, shallow slides",
    ),
}  # fmt: skip
"""By name. The first three are as other papers give them; spans of CADSES and Aleotti are rounded."""
