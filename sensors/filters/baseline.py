"""What is normal: mean and standard deviation, given, or learnt from the first samples and then held."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.filters import FilterParameters


class BaselineParameters(FilterParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that filters share which compare with a baseline."""

    mean: float = np.nan
    sigma: float = np.nan
    """NaN: both are learnt."""
    learn: int = 100
    """Samples from which they are learnt."""

    def check(self) -> None:
        """Look at the parameters."""
        super().check()
        if np.isnan(self.mean) != np.isnan(self.sigma):
            raise ValueError("a baseline needs both mean and sigma, or neither")
        if self.sigma <= 0 or self.learn < 2:
            raise ValueError("a baseline needs a sigma above 0, or at least 2 samples to learn from")


BASELINE_PARAMETERS: Final = [("mean", "f8"), ("sigma", "f8"), ("learn", "i8")]
BASELINE_STATE: Final = [("known", "i8"), ("mean", "f8"), ("sigma", "f8"), ("squares", "f8")]


@njit(cache=True, nogil=True)
def learns(p: Any, s: Any, value: float) -> bool:
    """Return whether the sample only teaches (Welford 1962), since the baseline is not known before it."""
    if not np.isnan(p.mean):
        s.mean, s.sigma = p.mean, p.sigma
        return False
    if s.known >= p.learn:
        return False
    s.known += 1
    delta = value - s.mean
    s.mean += delta / s.known
    s.squares += delta * (value - s.mean)
    s.sigma = np.sqrt(s.squares / max(1, s.known - 1))
    return True
