"""All indicators of one epoch, over the memory of one station's signals."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.observations import Observations
from gnss.quality import bands, multipath, signal_strength, slips
from gnss.quality.completeness import EXPECTED_S, SET_DBHZ, expected_observations
from gnss.quality.tracking import Tracking, commit
from gnss.quality.window import SLOTS, Sums

MAX_GAP_S = 10.0
"""An arc ends when its signal is away for longer; ten intervals where they are longer than a second."""
LOCK_TOLERANCE_MS = 10.0
PHASE_JUMP_M = 0.05
"""RTKLIB's default for the geometry-free test."""
PHASE_RATE_M_S = 0.043
"""400 cm/min of ionospheric delay on L1, as L1 - L2 sees it."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """Figures of one epoch."""

    observations: int = 0
    satellites: int = 0
    expected: int | None = None
    slips: int = 0
    cn0_dbhz: float | None = None
    drop_db: NDArray[np.float64] | None = None
    """By `gnss.quality.bands.BANDS`, shape (5,)."""
    slipped_share: float | None = None
    """Of the satellites, over the window."""


class IndicatorsSnapshot(msgspec.Struct):
    """State of `Indicators`."""

    tracking: tuple[bytes, bytes, int]
    down_since_us: bytes


class Indicators:
    """Takes epochs; times are the station's, in us.

    Parameters
    ----------
    interval_us
        Between epochs.
    step_us
        Length of a slot of the window.
    """

    def __init__(self, interval_us: int, step_us: int) -> None:
        self._max_gap_us = round(max(MAX_GAP_S * 1e6, 10 * interval_us))
        self._expected_us = round(max(EXPECTED_S * 1e6, 3 * interval_us))
        self._window_us = SLOTS * step_us
        self._tracking = Tracking()
        self._down_since_us = np.full(len(bands.BANDS), -1, np.int64)

    @property
    def signals_without_room(self) -> int:
        """Observations that were left out because more signals came than are remembered."""
        return self._tracking.no_room

    def expected(self, t_us: int) -> int:
        """Return how many observations an epoch at this time should hold."""
        return int(expected_observations(self._tracking.rows, t_us, self._expected_us, SET_DBHZ))

    def measure(self, t_us: int, o: Observations, *, first: bool) -> tuple[EpochFigures, Sums]:
        """Take an epoch; return its figures and what it adds to the window.

        Parameters
        ----------
        first
            Nothing came before: what was to be expected cannot be known.
        """
        tracking, drop_db = self._tracking, np.full(len(bands.BANDS), np.nan)
        rows, head = tracking.rows, tracking.head
        cell_row, following, observed, satellites = tracking.find(o, t_us)
        expected = None if first else self.expected(t_us)
        slip = np.empty(len(o), np.uint8)
        slipped = slips.detect(
            rows, cell_row, head, following, o.system, o.phase_m, o.lock_ms, o.lock_indicator, o.half_cycle,
            o.channel, t_us, self._max_gap_us, LOCK_TOLERANCE_MS, PHASE_JUMP_M, PHASE_RATE_M_S, slip,
        )  # fmt: skip
        slipped_satellites = slips.slipped_satellites(
            rows, tracking.satellites, cell_row, head, following, slip, t_us, self._window_us
        )
        squares, mp_count = multipath.update(
            rows, tracking.satellites, cell_row, head, following, o.system, o.signal, o.channel, o.range_m,
            o.phase_m, o.half_cycle, slip, bands.FREQUENCY_HZ, bands.CHANNEL_STEP_HZ, t_us, self._max_gap_us,
        )  # fmt: skip
        cn0_sum, cn0_count = signal_strength.update(
            rows, cell_row, head, following, o.system, o.signal, o.cn0_dbhz, bands.BAND, t_us,
            self._down_since_us, drop_db,
        )  # fmt: skip
        commit(rows, cell_row, o.phase_m, o.lock_ms, o.half_cycle, t_us)
        sums = Sums(
            epochs=1.0,
            observations=observed,
            observations_expected=expected or 0,
            observations_compared=observed if expected is not None else 0,
            slips=slipped,
            multipath_squares=squares,
            multipath_count=mp_count,
            cn0_sum=cn0_sum,
            cn0_count=cn0_count,
        )
        figures = EpochFigures(
            observations=observed,
            satellites=satellites,
            expected=expected,
            slips=slipped,
            cn0_dbhz=cn0_sum / cn0_count if cn0_count else None,
            drop_db=drop_db,
            slipped_share=slipped_satellites / max(satellites, 1),
        )
        return figures, sums

    def snapshot(self) -> IndicatorsSnapshot:
        """Return the state."""
        return IndicatorsSnapshot(self._tracking.snapshot(), self._down_since_us.tobytes())

    def restore(self, state: IndicatorsSnapshot) -> None:
        """Take back what `snapshot` gave."""
        self._tracking.restore(state.tracking)
        self._down_since_us = np.frombuffer(state.down_since_us, np.int64).copy()
