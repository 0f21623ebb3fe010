"""How events of slow series end; for kernels whose states have a `slow` and a `ladder`."""

from __future__ import annotations

from typing import Any

from kernels.compiled import njit
from sensors.crossing import fill
from sensors.ladder import END, close
from sensors.slow_series import report_fault


@njit(cache=True, nogil=True)
def end_event(
    s: Any, at_us: int, is_silent: bool, threshold: float, crossing: Any, slot: int, row: int
) -> None:
    """Say that an event is over."""
    ladder = s.ladder
    fill(crossing, slot, row, END, ladder.level, ladder.onset_us, at_us, ladder.largest, threshold)
    crossing.extra[0] = is_silent
    close(ladder)


@njit(cache=True, nogil=True)
def end_fault(s: Any, at_us: int, crossing: Any, slot: int) -> None:
    """Say that a fault is over, since nothing is received any more."""
    s.slow.fault = s.slow.news = 0
    report_fault(s.slow, crossing, slot, -1, at_us)


@njit(cache=True, nogil=True)
def is_silent(limit: Any, s: Any, now_us: int) -> bool:
    """Return whether there is something to end, of which nothing was received for too long."""
    return bool(
        (s.ladder.onset_us != 0 or s.slow.fault != 0) and now_us - s.slow.received_us > limit.silence_us
    )


@njit(cache=True, nogil=True)
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """See `sensors.detectors.bank.Kind.tick`: ends what nobody reports on any more."""
    for k in range(begin, len(live)):
        s = state[k]
        if not live[k] or not is_silent(limits[k], s, now_us):
            continue
        found, last_us = 0, s.slow.blocks.last_us
        if s.ladder.onset_us:
            end_event(s, last_us, True, 0.0, crossings[0], k, -1)
            found = 1
        if s.slow.fault:
            end_fault(s, last_us, crossings[found], k)
            found += 1
        return k + 1, found
    return len(live), 0
