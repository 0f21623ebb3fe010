"""Density inversion: whether density falls with depth where it has to rise.

Of the QARTOD manual for temperature and salinity and Argo's quality control: from one
sample to the next the change of potential density, counted downwards, sign(dz) * d(sigma), must not be below
a small negative limit; Argo's is -0.03 kg/m3. Both samples are marked. The series is a density, its depth
(or pressure) another series of the site, as `sensors.quality.partner` finds it; name the depth before the
density in a message, else the upper sample of a pair keeps its flag.

manual: without density or depth of both samples not evaluated.
ioos_qc: then missing, and a first sample passes unless the second says otherwise.
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
    PASS,
    SUSPECT,
    Facts,
    Parameters,
    Test,
    partner,
    record,
    register,
)


class DensityInversion(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The series that tells the depth, and limits in kg/m3, below 0."""

    depth: str
    suspect: float = -0.005
    fail: float = -0.03
    tolerance_s: float | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not self.fail <= self.suspect <= 0:
            raise ValueError("density_inversion needs fail <= suspect <= 0")
        partner.check_tolerance(self.tolerance_s)

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the tolerance."""
        record["tolerance_us"] = partner.tolerance_us(self.tolerance_s, facts)

    def partners(self) -> Mapping[str, str]:
        """Return who tells the depth."""
        return {"depth": self.depth}


@njit(cache=True, nogil=True)
def _step(p: Any, density: float, depth: float, density_after: float, depth_after: float) -> int:
    """Judge one step; `MISSING` where one of both samples is not whole."""
    change = np.sign(depth_after - depth) * (density_after - density)
    if not np.isfinite(change):
        return MISSING
    if change < p.fail:
        return FAIL
    return SUSPECT if change < p.suspect else PASS


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Judge the step to the sample, and remember its depth."""
    depth = partner.joined(every, p.depth, x.time_us, p.tolerance_us)
    before, s.depth = s.depth, depth
    unknown = MISSING if x.ioos_qc or not x.is_there else NOT_EVALUATED
    if not np.isfinite(x.value + depth):
        return unknown
    if x.fresh:
        return NOT_EVALUATED
    flag = _step(p, line.value, before, x.value, depth)
    return unknown if flag == MISSING else flag


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Judge the step from the sample before, whose depth may be known by now."""
    if flag != MISSING and np.isnan(s.depth):
        s.depth = partner.joined(every, p.depth, line.time_us, p.tolerance_us)
    depth = partner.joined(every, p.depth, x.time_us, p.tolerance_us)
    after = _step(p, line.value, s.depth, x.value, depth)
    if flag == NOT_EVALUATED and x.ioos_qc and line.n == 1:
        flag = PASS
    if after == MISSING or (flag == MISSING and x.ioos_qc):
        return flag
    return after if flag == NOT_EVALUATED else max(flag, after)


register(
    Test(
        name="density_inversion",
        order=12,
        configured=DensityInversion,
        parameters=record(("depth", "i8"), ("suspect", "f8"), ("fail", "f8"), ("tolerance_us", "i8")),
        state=record(("depth", "f8")),
        judge=judge,
        revise=revise,
    )
)
