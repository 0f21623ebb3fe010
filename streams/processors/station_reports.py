"""Judgements as columns to reports as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.judgements import STATES, Judgements
from gnss.quality.score import Finding
from gnss.quality.station_facts import StationFacts
from gnss.quality.verdict import with_findings
from sensors.model import Station
from streams.records import Reason, StationReport

_FIELDS = (
    "station", "time_us", "received_at_us", "state", "score", "epochs", "epochs_expected", "observations",
    "observations_expected", "satellites", "latency_s", "jitter_s", "cn0_dbhz", "slips", "multipath_m",
    "frames", "bad_frames",
)  # fmt: skip


class Reported(Protocol):
    """A station whose reports are made."""

    station: Station
    facts: StationFacts
    last_us: int | None
    """Time of its last report."""
    has_epochs: bool


def reports(
    judgements: Judgements,
    by_row: Mapping[int, Reported],
    findings: Callable[[Any, int], tuple[Finding, ...]],
) -> list[StationReport]:
    """Return a report for each judgement, in order.

    Parameters
    ----------
    by_row
        What is known of the station of each row; told of its reports here.
    findings
        Why a judgement (a row of `JUDGEMENT`) on a station's row is what it is.
    """
    columns = [_known(judgements[name], name) for name in _FIELDS]
    made = []
    for k, (
        s, time_us, received_us, state, score, epochs, epochs_expected, observations, expected, satellites,
        latency_s, jitter_s, cn0_dbhz, slips, multipath_m, frames, bad_frames, told,
    ) in enumerate(zip(*columns, with_findings(judgements), strict=True)):  # fmt: skip
        one = by_row[s]
        one.last_us = time_us
        place = None
        if epochs:
            one.has_epochs = True
            place = one.facts.place_of(time_us)
        made.append(
            StationReport(
                station_id=one.station.id,
                epoch_us=time_us,
                received_at_us=received_us,
                state=STATES[state],  # type: ignore[arg-type]
                score=score,
                reasons=[_reason(f) for f in findings(judgements[k], s)] if told else _NONE,
                epochs=epochs,
                epochs_expected=epochs_expected,
                observations=observations,
                observations_expected=expected,
                satellites=satellites,
                latency_s=latency_s,
                jitter_s=jitter_s,
                cn0_dbhz=cn0_dbhz,
                slips=slips,
                multipath_m=multipath_m,
                frames=frames,
                bad_frames=bad_frames,
                ecef_m=place,
            )
        )
    return made


_NONE: list[Reason] = []
_UNKNOWN = {"received_at_us": NO_TIME_US, "score": -1, "observations_expected": -1}
"""What a judgement has instead of no value, besides NaN."""


def _known(column: NDArray[Any], name: str) -> list[Any]:
    """Return a column's values, None where they are not known."""
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        unknown = np.isnan(column)
    elif name in _UNKNOWN:
        unknown = column < 0 if name != "received_at_us" else column == NO_TIME_US
    else:
        return values
    for k in np.flatnonzero(unknown).tolist():
        values[k] = None
    return values


@lru_cache(maxsize=1024)
def _reason(finding: Finding) -> Reason:
    return Reason(
        code=finding.code,
        text=finding.text,
        value=finding.value,
        threshold=finding.threshold,
        check=finding.check,
    )


def error_report(station_id: str, at_us: int, error: Exception) -> StationReport:
    """Return the report on a station whose bytes broke the program."""
    text = f"The bytes of this station could not be judged ({type(error).__name__}: {error})."[:300]
    check = "Report it with a recording of the stream; judging goes on with the next bytes."
    return StationReport(
        station_id=station_id,
        epoch_us=at_us,
        received_at_us=None,
        state="unknown",
        score=None,
        reasons=[Reason(code="error", text=text, check=check)],
        epochs=0,
        epochs_expected=1,
        observations=0,
        observations_expected=None,
        satellites=0,
        latency_s=None,
        jitter_s=None,
        cn0_dbhz=None,
        slips=0,
        multipath_m=None,
        frames=0,
        bad_frames=0,
    )
