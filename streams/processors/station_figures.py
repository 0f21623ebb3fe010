"""Judgements as columns to the figures of stations: a record a minute for each station."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.judgements import I_EXPECTED, I_TEMPLATE, I_USABLE, NOT_KNOWN, Judgements
from gnss.systems import System
from streams.records import StationFigures

MINUTE_US = 60_000_000
_NO_MINUTE = -(2**62)
_LETTERS = [
    "".join(system.letter for system in System if bits >> system & 1) for bits in range(1 << len(System))
]

Saved = tuple[int, int, float]
"""Of one station: the minute of its last record; time and ms of the last step of its clock."""
NEW: Saved = (_NO_MINUTE, NO_TIME_US, 0.0)


class FigureMaker:
    """Makes the figures of stations, each a row as in the table that judges them.

    What comes out for a station depends on its judgements alone, not on how they were cut into calls.
    """

    def __init__(self) -> None:
        self._minute = np.full(16, _NO_MINUTE)
        self._steps: dict[int, tuple[int, float]] = {}

    def begin(self, s: int, saved: Saved = NEW) -> None:
        """Give a row to a station that is new, or take back what `saved` gave."""
        while s >= len(self._minute):
            self._minute = np.concatenate((self._minute, np.full(len(self._minute), _NO_MINUTE)))
        minute, step_us, step_ms = saved
        self._minute[s] = minute
        self._steps.pop(s, None)
        if step_us != NO_TIME_US:
            self._steps[s] = step_us, step_ms

    def saved(self, s: int) -> Saved:
        """Return what is remembered of a station."""
        return int(self._minute[s]), *self._steps.get(s, NEW[1:])

    def make(self, judgements: Judgements, station_id: Callable[[int], str]) -> list[StationFigures]:
        """Return the figures of the epochs that are the first ones of their minute, in order.

        An epoch that comes late, from the minute before, is not the first one of a minute.
        """
        minute = judgements["time_us"] // MINUTE_US
        since = minute - self._minute[judgements["station"]]
        due = (judgements["epochs"] > 0) & _is_another(since)
        made = []
        for k in np.flatnonzero(due | (judgements["clock_step_ms"] != 0.0)).tolist():
            judgement, now = judgements[k], int(minute[k])
            s = int(judgement["station"])
            if judgement["clock_step_ms"] != 0.0:
                self._steps[s] = int(judgement["time_us"]), float(judgement["clock_step_ms"])
            if judgement["epochs"] and _is_another(now - int(self._minute[s])):
                self._minute[s] = now
                made.append(_figures(judgement, station_id(s), self._steps.get(s)))
        return made


def _is_another(since: Any) -> Any:
    return (since > 0) | (since < -1)


def _figures(judgement: Any, station_id: str, step: tuple[int, float] | None) -> StationFigures:
    values = judgement["values"].tolist()
    horizon, mask = int(judgement["sky_expected"]), int(judgement["mask_expected"])
    observations = float(judgement["window_observations"])
    return StationFigures(
        station_id=station_id,
        time_us=int(judgement["time_us"]),
        horizon_expected=horizon if horizon != NOT_KNOWN else None,
        horizon_have=int(judgement["sky_have"]) if horizon != NOT_KNOWN else None,
        mask_expected=mask if mask != NOT_KNOWN else None,
        mask_have=int(judgement["mask_have"]) if mask != NOT_KNOWN else None,
        expected_share=_known(values[I_EXPECTED]),
        usable_share=_known(values[I_USABLE]),
        usable_systems=_LETTERS[judgement["usable_systems"]],
        slips_a_thousand=1000.0 * float(judgement["window_slips"]) / observations if observations else None,
        cn0_loss_db=_known(values[I_TEMPLATE]),
        roti_tecu_min=_known(float(judgement["roti_tecu_min"])),
        clock_step_ms=step[1] if step else None,
        clock_step_at_us=step[0] if step else None,
        offset_m=_vector(judgement["offset_m"]),
        offset_sd_m=_vector(judgement["offset_sd_m"]),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _vector(values: NDArray[np.float64]) -> tuple[float, float, float] | None:
    east, north, up = values.tolist()
    return None if math.isnan(east) else (east, north, up)
