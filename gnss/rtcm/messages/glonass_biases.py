"""1230: by how much the code of GLONASS lies behind its phase, for each signal that the station tells.

A bias of -32768 steps is taken as not told, as RTKLIB does.
"""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Reserved, Signed, Unsigned, Values
from gnss.rtcm.groups import Flagged, Flags
from gnss.rtcm.messages import Table, register

_SIGNALS = {"l1_ca_bias_m": "1C", "l1_p_bias_m": "1P", "l2_ca_bias_m": "2C", "l2_p_bias_m": "2P"}


def _line(values: Values) -> str:
    told = (f"{code} {values[name]:g} m" for name, code in _SIGNALS.items() if values[name] is not None)
    aligned = "aligned" if values["aligned"] else "not aligned"
    return ", ".join((f"station {values['reference_station']}", aligned, *told))


register(
    Table(
        1230,
        "GLONASS code-phase biases",
        (
            Unsigned("reference_station", 12),
            Unsigned("aligned", 1),
            Reserved(3),
            Flags(tuple(_SIGNALS)),
            *(Flagged(Signed(name, 16, Fraction(1, 50), missing=0x8000)) for name in _SIGNALS),
        ),
        line=_line,
    )
)
