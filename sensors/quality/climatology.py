"""QARTOD test 5, climatology: whether the value is one that this season, and this depth, has.

Each bin has a span of time (`tspan`, in units of `period`: of months, say, or of dates), of values (`vspan`)
and maybe of depth (`zspan`, m). Of several bins that hold a sample the last one counts; where none does, it
is not evaluated. Depth is a number (`depth_m`), or another series of the site (`depth`), as
`sensors.quality.partner` finds it; without one, bins with a `zspan` hold nothing. All spans include their
ends.

manual: outside of `vspan` suspect, no failure. A `tspan` may go over the end of a year: [12, 2].
ioos_qc: outside of `fspan` a failure. A `tspan` begins before it ends. (Version 3.0 puts a sample without
depth into all bins with a `zspan`, whatever the season, when others have one; here it is in none.)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import (
    FAIL,
    MISSING,
    NOT_EVALUATED,
    NOTHING,
    PASS,
    SUSPECT,
    Facts,
    Parameters,
    Test,
    partner,
    record,
    register,
)
from sensors.quality.calendar import PERIODS, part_of

MOST_BINS = 400
_COLUMNS = 9


class Bin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What values one season has, in a range of depths."""

    tspan: tuple[float | str, float | str]
    """Numbers of `period`, or dates as ISO 8601 writes them; UTC where they name no zone."""
    vspan: tuple[float, float]
    fspan: tuple[float, float] | None = None
    zspan: tuple[float, float] | None = None
    period: str = "date"
    """date, year, quarter, month, week, dayofyear, dayofweek (Monday is 0) or hour, of UTC."""

    def times(self) -> tuple[float, float]:
        """Return both ends of `tspan` as numbers.

        Raises
        ------
        ValueError
            One is neither a number nor a date, as the period needs.
        """
        return self._number(self.tspan[0]), self._number(self.tspan[1])

    def _number(self, end: float | str) -> float:
        if isinstance(end, str) == (self.period != "date"):
            raise ValueError("a tspan of dates needs dates, one of another period numbers")
        if not isinstance(end, str):
            return end
        date = datetime.fromisoformat(end)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


class Climatology(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bins, and where the depth comes from."""

    bins: list[Bin]
    depth: str | None = None
    depth_m: float | None = None
    tolerance_s: float | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        if not 1 <= len(self.bins) <= MOST_BINS:
            raise ValueError(f"climatology needs 1 to {MOST_BINS} bins")
        partner.check_tolerance(self.tolerance_s)
        if self.depth is not None and self.depth_m is not None:
            raise ValueError("climatology has either depth or depth_m")
        for number, one in enumerate(self.bins, 1):
            try:
                _check(one, ioos_qc=ioos_qc)
            except ValueError as error:
                raise ValueError(f"bin {number} of climatology: {error}") from error

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the depth."""
        record["depth"] = -1
        record["depth_m"] = np.nan if self.depth_m is None else self.depth_m
        record["tolerance_us"] = partner.tolerance_us(self.tolerance_s, facts)

    def table(self) -> NDArray[np.float64]:
        """Return a row a bin: period, and the ends of the spans of time, depth, values and failure."""
        no_depth, no_fail = (np.nan, np.nan), (-np.inf, np.inf)
        rows = [
            (PERIODS.index(b.period), *b.times(), *(b.zspan or no_depth), *b.vspan, *(b.fspan or no_fail))
            for b in self.bins
        ]
        return np.array(rows, np.float64).reshape(-1, _COLUMNS)

    def partners(self) -> Mapping[str, str]:
        """Return who tells the depth."""
        return {} if self.depth is None else {"depth": self.depth}


def _check(one: Bin, *, ioos_qc: bool) -> None:
    if one.period not in PERIODS:
        raise ValueError(f"there is no period {one.period!r}, only {', '.join(PERIODS)}")
    begin, end = one.times()
    if begin > end and (ioos_qc or one.period in {"date", "year"}):
        raise ValueError("tspan ends before it begins")
    for name in ("vspan", "fspan", "zspan"):
        low, high = getattr(one, name) or (0, 0)
        if not low <= high:
            raise ValueError(f"{name} is [low, high]")
    if one.fspan is not None and not ioos_qc:
        raise ValueError("the manual knows no failure of this test; leave fspan out, or choose ioos_qc")


@njit(cache=True, nogil=True)
def _at(p: Any, every: Any, tables: Any, time_us: int, value: float) -> int:
    if not np.isfinite(value):
        return MISSING
    depth, flag = p.depth_m, NOT_EVALUATED
    if p.depth >= 0:
        depth = partner.joined(every, p.depth, time_us, p.tolerance_us)
    for row in range(p.table_rows):
        at = p.table_at + row * _COLUMNS
        now, begin, end = part_of(time_us, int(tables[at])), tables[at + 1], tables[at + 2]
        holds = begin <= now <= end if begin <= end else now >= begin or now <= end
        shallow, deep = tables[at + 3], tables[at + 4]
        if not holds or not (np.isnan(shallow) or shallow <= depth <= deep):
            continue
        if value < tables[at + 7] or value > tables[at + 8]:
            flag = FAIL
        elif value < tables[at + 5] or value > tables[at + 6]:
            flag = SUSPECT
        else:
            flag = PASS
    return flag


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Judge by the depth that is known by now."""
    return _at(p, every, tables, x.time_us, x.value)


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Try once more where the depth may not have been known."""
    if p.depth >= 0 and flag == NOT_EVALUATED:
        return _at(p, every, tables, line.time_us, line.value)
    return flag


register(
    Test(
        name="climatology",
        order=5,
        configured=Climatology,
        parameters=record(
            ("depth", "i8"),
            ("depth_m", "f8"),
            ("tolerance_us", "i8"),
            ("table_at", "i8"),
            ("table_rows", "i8"),
        ),
        state=NOTHING,
        judge=judge,
        revise=revise,
        any_order=True,
    )
)
