"""Names of the formats that a station may send."""

from __future__ import annotations

from typing import Literal

Format = Literal["auto", "rtcm", "ubx", "binex"]
"""As it is configured."""
Spoken = Literal["rtcm", "ubx", "binex"]
"""As it is."""
FORMATS: tuple[Format, ...] = ("auto", "rtcm", "ubx", "binex")
