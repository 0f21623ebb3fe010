"""The edge's clock."""

from __future__ import annotations

import time


def wall_clock_us() -> int:
    """Microseconds of UTC since 1970."""
    return time.time_ns() // 1000
