"""1029: a text for people."""

from __future__ import annotations

from gnss.rtcm.fields import Unsigned, Values
from gnss.rtcm.messages import Table, register
from gnss.rtcm.texts import Utf8


def _line(values: Values) -> str:
    return f"station {values['reference_station']}: {values['text']}"


register(
    Table(
        1029,
        "text",
        (
            Unsigned("reference_station", 12),
            Unsigned("modified_julian_day", 16),
            Unsigned("time_of_day_s", 17),
            Utf8("text"),
        ),
        line=_line,
    )
)
