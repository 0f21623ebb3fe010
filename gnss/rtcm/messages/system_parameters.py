"""1013: what a station sends, and how often.

An interval of 0 and 255 leap seconds are taken as not told.
"""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Unsigned, Values
from gnss.rtcm.groups import Count, Repeat
from gnss.rtcm.messages import Table, register


def _line(values: Values) -> str:
    sent = (
        f"{x['message']}" + (f" ({x['interval_s']:g} s)" if x["interval_s"] is not None else "")
        for x in values["messages"]
    )
    return ", ".join((f"station {values['reference_station']}", *sent))


register(
    Table(
        1013,
        "system parameters",
        (
            Unsigned("reference_station", 12),
            Unsigned("modified_julian_day", 16),
            Unsigned("time_of_day_s", 17),
            Count("messages", 5),
            Unsigned("leap_seconds_s", 8, missing=255),
            Repeat(
                "messages",
                (
                    Unsigned("message", 12),
                    Unsigned("synchronous", 1),
                    Unsigned("interval_s", 16, Fraction(1, 10), missing=0),
                ),
            ),
        ),
        line=_line,
    )
)
