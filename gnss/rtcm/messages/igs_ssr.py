"""4076: corrections in the format of the IGS (IGS SSR v1.00, 2020), subtypes 21 to 127 and 201.

All systems have the same fields: a satellite of 6 bits (C n, J n, S 119 + n ...), an ephemeris issue of 8
bits, and a time of the GPS week, for GLONASS too.
"""

from __future__ import annotations

from gnss.rtcm.fields import Field, Reserved, Unsigned
from gnss.rtcm.messages import Table, register
from gnss.rtcm.ssr_fields import (
    CLOCK,
    CODE_BIASES,
    CONSISTENCY,
    HEAD,
    HIGH_RATE_CLOCK,
    IONOSPHERE,
    ORBIT,
    PHASE_BIASES,
    RANGING_ACCURACY,
    REGIONAL,
    SENDER,
    TIME_OF_WEEK,
    satellites,
)

_NUMBER = 4076
_IONOSPHERE = 201
_SATELLITE = Unsigned("satellite", 6)
_ISSUE = Unsigned("ephemeris_issue", 8)


def _register(subtype: int, name: str, *fields: Field) -> None:
    head: tuple[Field, ...] = (Unsigned("version", 3), Reserved(8, subtype), TIME_OF_WEEK, *HEAD, *SENDER)
    register(Table(_NUMBER, name, (*head, *fields), subtype, exact=True))


def _of_system(name: str, first: int) -> None:
    for offset, what, head, of_satellite in (
        (0, "orbits", (REGIONAL,), (_ISSUE, *ORBIT)),
        (1, "clocks", (), CLOCK),
        (2, "orbits and clocks", (REGIONAL,), (_ISSUE, *ORBIT, *CLOCK)),
        (3, "high-rate clocks", (), (HIGH_RATE_CLOCK,)),
        (4, "code biases", (), CODE_BIASES),
        (5, "phase biases", CONSISTENCY, PHASE_BIASES),
        (6, "ranging accuracy", (), (RANGING_ACCURACY,)),
    ):
        _register(first + offset, f"IGS SSR {name} {what}", *head, *satellites(_SATELLITE, *of_satellite))


for _first, _system in (
    (21, "GPS"),
    (41, "GLONASS"),
    (61, "Galileo"),
    (81, "QZSS"),
    (101, "BeiDou"),
    (121, "SBAS"),
):
    _of_system(_system, _first)
_register(_IONOSPHERE, "IGS SSR ionosphere", *IONOSPHERE)
