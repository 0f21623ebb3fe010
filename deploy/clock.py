"""The edge's clocks."""

from __future__ import annotations

import time


def wall_clock_us() -> int:
    """Microseconds of UTC since 1970."""
    return time.time_ns() // 1000


def steady_clock_us() -> int:
    """Microseconds since some moment, for pauses: nobody sets it."""
    return time.monotonic_ns() // 1000
