"""QARTOD test 11, neighbour or forecast: whether the value agrees with what another series says.

The partner is another series of the site in the same unit: a second instrument, or a prediction (of the tide,
for instance) that is sent as a series of its own. Its sample is found by `sensors.quality.partner`; the
difference from it, less a known `offset`, is suspect or fails. The manual's examples are 3 and 5 cm.

ioos_qc does not have this test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


class Neighbor(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other series, and how far both may be apart in their unit."""

    partner: str
    suspect: float
    fail: float | None = None
    offset: float = 0.0
    """This series less the partner, where both are right: datums may differ."""
    tolerance_s: float | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not 0 < self.suspect <= (self.suspect if self.fail is None else self.fail):
            raise ValueError("neighbor needs 0 < suspect <= fail")
        partner.check_tolerance(self.tolerance_s)

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the limits."""
        record["fail"] = np.inf if self.fail is None else self.fail
        record["tolerance_us"] = partner.tolerance_us(self.tolerance_s, facts)

    def partners(self) -> Mapping[str, str]:
        """Return the neighbour."""
        return {"partner": self.partner}


@njit(cache=True, nogil=True)
def _at(p: Any, every: Any, time_us: int, value: float) -> int:
    if not np.isfinite(value):
        return MISSING
    apart = abs(value - p.offset - partner.joined(every, p.partner, time_us, p.tolerance_us))
    if np.isnan(apart):
        return NOT_EVALUATED
    if apart > p.fail:
        return FAIL
    return SUSPECT if apart > p.suspect else PASS


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Compare with what the neighbour has told by now."""
    return _at(p, every, x.time_us, x.value)


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Try once more where the neighbour had told nothing."""
    return _at(p, every, line.time_us, line.value) if flag == NOT_EVALUATED else flag


register(
    Test(
        name="neighbor",
        order=11,
        configured=Neighbor,
        parameters=record(
            ("partner", "i8"), ("suspect", "f8"), ("fail", "f8"), ("offset", "f8"), ("tolerance_us", "i8")
        ),
        state=NOTHING,
        judge=judge,
        revise=revise,
    )
)
