"""SSR of all systems: 1057 to 1068, 1240 to 1263 orbits, clocks and code biases, 1265 to 1270 phase biases.

The epoch of GLONASS is a time of the day of 17 bits, that of all others a time of the week of 20 bits.

Several drafts for systems other than GPS and GLONASS were on air. Assumed here, and right for the recordings
that were looked at:

- Orbits of BeiDou (1258, 1261) come in two layouts, told apart by their length. BNC, CNES, pyrtcm: time of
  the ephemeris (10 bits) and its issue (8 bits), satellite n is C n. RTKLIB, librtcm, MADOCA: time and a
  CRC (24 bits) of the ephemeris; there satellite n is C n + 1 in all messages of the stream, also in those
  that do not show their layout. The number is given as sent; one layout has `ephemeris_issue`, the other
  `ephemeris_crc`.
- Orbits of SBAS (1252, 1255) have a time (9 bits) and a CRC (24 bits), as all sources agree; no recording has
  them.
- Phase biases have no standard deviation, which RTKLIB's tentative messages had.
"""

from __future__ import annotations

from typing import NamedTuple

from gnss.rtcm.fields import Field, Unsigned
from gnss.rtcm.messages import Table, register
from gnss.rtcm.ssr_fields import (
    CLOCK,
    CODE_BIASES,
    CONSISTENCY,
    HEAD,
    HIGH_RATE_CLOCK,
    ORBIT,
    PHASE_BIASES,
    RANGING_ACCURACY,
    REGIONAL,
    SENDER,
    TIME_OF_WEEK,
    satellites,
)


class _System(NamedTuple):
    name: str
    first: int
    """Number of the orbits."""
    phase_biases: int
    satellite_bits: int
    ephemerides: tuple[tuple[Field, ...], ...]
    """How an orbit names the ephemeris that it corrects, in each layout."""
    time: Field = TIME_OF_WEEK


_CRC = Unsigned("ephemeris_crc", 24)
_SYSTEMS = (
    _System("GPS", 1057, 1265, 6, ((Unsigned("ephemeris_issue", 8),),)),
    _System("GLONASS", 1063, 1266, 5, ((Unsigned("ephemeris_issue", 8),),), Unsigned("time_of_day_s", 17)),
    _System("Galileo", 1240, 1267, 6, ((Unsigned("ephemeris_issue", 10),),)),
    _System("QZSS", 1246, 1268, 4, ((Unsigned("ephemeris_issue", 8),),)),
    _System("SBAS", 1252, 1269, 6, ((Unsigned("ephemeris_time_s", 9, 16), _CRC),)),
    _System(
        "BeiDou",
        1258,
        1270,
        6,
        (
            (Unsigned("ephemeris_time_s", 10, 8), Unsigned("ephemeris_issue", 8)),
            (Unsigned("ephemeris_time_s", 10, 8), _CRC),
        ),
    ),
)


def _register(system: _System) -> None:
    satellite = Unsigned("satellite", system.satellite_bits)

    def table(number: int, what: str, head: tuple[Field, ...], *of_satellite: Field) -> None:
        fields = (system.time, *HEAD, *head, *satellites(satellite, *of_satellite))
        register(Table(number, f"SSR {system.name} {what}", fields, exact=True))

    first = system.first
    for ephemeris in system.ephemerides:
        table(first, "orbits", (REGIONAL, *SENDER), *ephemeris, *ORBIT)
        table(first + 3, "orbits and clocks", (REGIONAL, *SENDER), *ephemeris, *ORBIT, *CLOCK)
    table(first + 1, "clocks", SENDER, *CLOCK)
    table(first + 2, "code biases", SENDER, *CODE_BIASES)
    table(first + 4, "ranging accuracy", SENDER, RANGING_ACCURACY)
    table(first + 5, "high-rate clocks", SENDER, HIGH_RATE_CLOCK)
    table(system.phase_biases, "phase biases", (*SENDER, *CONSISTENCY), *PHASE_BIASES)


for _system in _SYSTEMS:
    _register(_system)
