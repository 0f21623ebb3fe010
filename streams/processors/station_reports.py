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
    "time_us", "received_at_us", "state", "score", "epochs", "epochs_expected", "observations",
    "observations_expected", "satellites", "latency_s", "jitter_s", "cn0_dbhz", "slips", "multipath_m",
    "frames", "bad_frames",
)  # fmt: skip


class Reported(Protocol):
    """A station whose reports are made."""

    station: Station
    facts: StationFacts


def reports(
    judgements: Judgements,
    ids: Mapping[int, str],
    by_row: Mapping[int, Reported],
    findings: Callable[[Judgements], list[tuple[Finding, ...]]],
    with_places: set[int],
) -> list[StationReport]:
    """Return a report for each judgement, in order.

    Parameters
    ----------
    ids
        Of the station of each row.
    by_row
        What is known of the station of each row.
    findings
        Why each of some judgements is what it is.
    with_places
        Rows of stations that told a place which is not reported yet; those that are reported are taken out.
    """
    rows = judgements["station"].tolist()
    columns = {name: _known(judgements[name], name) for name in _FIELDS}
    columns["state"] = [STATES[state] for state in columns["state"]]
    reasons = [_NONE] * len(rows)
    told = with_findings(judgements)
    if told:
        for k, found in zip(told, findings(judgements[told]), strict=True):
            reasons[k] = [_reason(f) for f in found]
    places = _places(rows, columns, by_row, with_places) if with_places else [None] * len(rows)
    # one call for all of them: the most of a report's cost is in making it
    before, behind = _FIELDS[:4], _FIELDS[4:]
    return list(
        map(
            StationReport, map(ids.__getitem__, rows), *(columns[name] for name in before), reasons,
            *(columns[name] for name in behind), places,
        )
    )  # fmt: skip


def _places(
    rows: list[int], columns: Mapping[str, list[Any]], by_row: Mapping[int, Reported], with_places: set[int]
) -> list[tuple[float, float, float] | None]:
    """Return what is to be reported of places with each epoch."""
    places: list[tuple[float, float, float] | None] = [None] * len(rows)
    for k, (s, time_us, epochs) in enumerate(zip(rows, columns["time_us"], columns["epochs"], strict=True)):
        if s in with_places and epochs:
            facts = by_row[s].facts
            places[k] = facts.place_of(time_us)
            if not facts.has_place:
                with_places.discard(s)
    return places


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
