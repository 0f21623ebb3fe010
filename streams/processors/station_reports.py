"""Judgements as columns to reports as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.judgements import STATES, Judgements
from gnss.quality.score import Finding
from gnss.quality.verdict import with_findings
from sensors.model import Station
from streams.processors.station_facts import StationFacts
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
    columns = [judgements[name].tolist() for name in _FIELDS]
    told = with_findings(judgements)
    made = []
    for k, (
        s, time_us, received_us, state, score, epochs, epochs_expected, observations, expected, satellites,
        latency_s, jitter_s, cn0_dbhz, slips, multipath_m, frames, bad_frames,
    ) in enumerate(zip(*columns, strict=True)):  # fmt: skip
        one = by_row[s]
        one.last_us = time_us
        one.has_epochs = one.has_epochs or epochs > 0
        made.append(
            StationReport(
                station_id=one.station.id,
                epoch_us=time_us,
                received_at_us=None if received_us == NO_TIME_US else received_us,
                state=STATES[state],  # type: ignore[arg-type]
                score=score if score >= 0 else None,
                reasons=[_reason(f) for f in findings(judgements[k], s)] if told[k] else [],
                epochs=epochs,
                epochs_expected=epochs_expected,
                observations=observations,
                observations_expected=expected if expected >= 0 else None,
                satellites=satellites,
                # a value that is not known is not equal to itself
                latency_s=latency_s if latency_s == latency_s else None,  # noqa: PLR0124
                jitter_s=jitter_s if jitter_s == jitter_s else None,  # noqa: PLR0124
                cn0_dbhz=cn0_dbhz if cn0_dbhz == cn0_dbhz else None,  # noqa: PLR0124
                slips=slips,
                multipath_m=multipath_m if multipath_m == multipath_m else None,  # noqa: PLR0124
                frames=frames,
                bad_frames=bad_frames,
                ecef_m=one.facts.place_of(time_us) if epochs else None,
            )
        )
    return made


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
