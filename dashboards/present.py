"""From records of the store and of the topics to what is sent to people and programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

from dashboards.answers import (
    AlertAnswer,
    DatastreamAnswer,
    LiveObservation,
    ObservationAnswer,
    ObservationWindowAnswer,
    QualityAnswer,
    SourceChangeAnswer,
    StationAnswer,
    StationFigures,
    StationLatest,
    StationVerdict,
    StreamAnswer,
    ThingAnswer,
    TransitionAnswer,
    WaveformAnswer,
)
from sensors.model import Thing
from storage.store import (
    Aggregate,
    AlertHistory,
    DatastreamRow,
    Observation,
    ObservationWindow,
    QualityWindow,
    StationRow,
    Waveform,
)
from streams import records
from streams.records import AlertTransition, Reason, SourceChange, StationReport
from streams.regions import region_of
from streams.stream_state import StreamState

STALE_AFTER_US = 60_000_000
"""A live verdict that is older says nothing about now."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_OFFSET = (None, None, None)


@lru_cache(8192)
def time_of(time_us: int) -> datetime:
    """Return an aware time, exact to the microsecond. Stations are judged at the same few times."""
    return _EPOCH + timedelta(microseconds=time_us)


def verdict(report: StationReport, last_epoch_us: int | None) -> StationVerdict:
    """Return a report as a live update carries it."""
    return StationVerdict(
        id=report.station_id,
        state=report.state,
        score=report.score,
        reasons=report.reasons,
        last_epoch=None if last_epoch_us is None else time_of(last_epoch_us),
        latest=StationLatest(
            judged_at=time_of(report.epoch_us),
            received_at=None if report.received_at_us is None else time_of(report.received_at_us),
            epochs=report.epochs,
            epochs_expected=report.epochs_expected,
            observations=report.observations,
            observations_expected=report.observations_expected,
            satellites=report.satellites,
            latency_s=_rounded(report.latency_s, 4),
            jitter_s=_rounded(report.jitter_s, 4),
            cn0_dbhz=_rounded(report.cn0_dbhz, 2),
            slips=report.slips,
            multipath_m=_rounded(report.multipath_m, 4),
            frames=report.frames,
            bad_frames=report.bad_frames,
        ),
    )


def is_stale(report: StationReport, now_us: int) -> bool:
    """Return whether a live verdict is too old to say anything about now."""
    return report.received_at_us is not None and now_us - report.received_at_us > STALE_AFTER_US


def stale(report: StationReport, last_epoch_us: int | None) -> StationVerdict:
    """Return what is left of a verdict that nothing has renewed: unknown."""
    reason = Reason(
        code="not_judged",
        text=f"No verdict since {time_of(report.epoch_us):%Y-%m-%d %H:%M:%S} UTC.",
        check="Is the station's stream configured and connected?",
    )
    shown = verdict(report, last_epoch_us)
    return msgspec.structs.replace(shown, state="unknown", score=None, reasons=(reason,))


def station(row: StationRow, now_us: int, last_epochs_us: Mapping[str, int]) -> StationAnswer:
    """Return a station; a live verdict that nothing has renewed becomes unknown.

    Parameters
    ----------
    row
        The station as stored.
    now_us
        The reader's time.
    last_epochs_us
        Last epochs of this run, for stations whose newest report is about a missing one.
    """
    report = row.report
    if report is None:
        shown = StationVerdict(
            id=row.id, state="unknown", score=None, reasons=(), last_epoch=None, latest=None
        )
    else:
        epoch_us = report.epoch_us if report.epochs else last_epochs_us.get(row.id)
        shown = (stale if is_stale(report, now_us) else verdict)(report, epoch_us)
    return StationAnswer(
        **msgspec.structs.asdict(shown),
        name=row.name,
        region=region_of(row.id),
        longitude=row.longitude,
        latitude=row.latitude,
        height_m=row.height_m,
        position_source=row.position_source,
        interval_s=row.interval_s,
        paused=row.paused,
        figures=None if row.figures is None else figures(row.figures),
    )


def figures(made: records.StationFigures) -> StationFigures:
    """Return a station's figures of a minute."""
    east_m, north_m, up_m = made.offset_m or _NO_OFFSET
    east_sd_m, north_sd_m, up_sd_m = made.offset_sd_m or _NO_OFFSET
    return StationFigures(
        station_id=made.station_id,
        at=time_of(made.time_us),
        horizon_expected=made.horizon_expected,
        horizon_have=made.horizon_have,
        mask_expected=made.mask_expected,
        mask_have=made.mask_have,
        expected_share=_rounded(made.expected_share, 4),
        usable_share=_rounded(made.usable_share, 4),
        usable_systems=made.usable_systems,
        slips_a_thousand=_rounded(made.slips_a_thousand, 3),
        cn0_loss_db=_rounded(made.cn0_loss_db, 2),
        roti_tecu_min=_rounded(made.roti_tecu_min, 4),
        clock_step_ms=made.clock_step_ms,
        clock_step_at=None if made.clock_step_at_us is None else time_of(made.clock_step_at_us),
        east_m=_rounded(east_m, 3),
        north_m=_rounded(north_m, 3),
        up_m=_rounded(up_m, 3),
        east_sd_m=_rounded(east_sd_m, 3),
        north_sd_m=_rounded(north_sd_m, 3),
        up_sd_m=_rounded(up_sd_m, 3),
    )


def quality(window: QualityWindow) -> QualityAnswer:
    """Return a window of a station's quality."""
    return QualityAnswer(
        start=time_of(window.start_us),
        state=window.state,
        seconds_by_state=window.seconds_by_state,
        reasons=window.reasons,
        score_min=window.score_min,
        score_mean=window.score_mean,
        reports=window.reports,
        epochs=window.epochs,
        epochs_expected=window.epochs_expected,
        completeness=window.completeness,
        observations=window.observations,
        observations_expected=window.observations_expected,
        latency_mean_s=window.latency_mean_s,
        latency_median_s=window.latency_median_s,
        latency_p95_s=window.latency_p95_s,
        latency_max_s=window.latency_max_s,
        jitter_s=window.jitter_s,
        cn0_dbhz=window.cn0_dbhz,
        slips=window.slips,
        multipath_m=window.multipath_m,
        frames=window.frames,
        bad_frames=window.bad_frames,
    )


def observation(sample: Observation) -> ObservationAnswer:
    """Return a sample."""
    place: dict[str, Any] = {}
    if sample.place is not None:
        place = {"longitude": sample.place.longitude, "latitude": sample.place.latitude}
        if sample.place.height_m is not None:
            place["height_m"] = sample.place.height_m
    return ObservationAnswer(
        phenomenon_time=time_of(sample.time_us),
        value=sample.value,
        flag=sample.flag,
        flags=sample.test_flags,
        revision=sample.revision,
        received_at=time_of(sample.received_at_us),
        **place,
    )


def waveform(one: Waveform) -> WaveformAnswer:
    """Return a waveform."""
    return WaveformAnswer(begin=time_of(one.time_us), step_s=one.step_us / 1e6, values=one.values)


def live_observation(datastream_id: str, time_us: int, value: float, flag: int) -> LiveObservation:
    """Return a sample as a live update carries it; a NaN is no value."""
    return LiveObservation(
        datastream_id=datastream_id,
        phenomenon_time=time_of(time_us),
        value=None if math.isnan(value) else value,
        flag=flag,
    )


def observation_window(window: ObservationWindow, aggregates: Sequence[Aggregate]) -> ObservationWindowAnswer:
    """Return a window of samples."""
    fields: dict[str, Any] = {name: window.values[name] for name in aggregates if name != "count"}
    if "count" in aggregates:
        fields["count"] = sum(window.flags.values())
    return ObservationWindowAnswer(start=time_of(window.start_us), flags=window.flags, **fields)


def thing(known: Thing, region: str) -> ThingAnswer:
    """Return a site."""
    return ThingAnswer(**msgspec.structs.asdict(known), region=region)


def datastream(row: DatastreamRow, region: str) -> DatastreamAnswer:
    """Return a datastream."""
    return DatastreamAnswer(
        id=row.id,
        region=region,
        thing_id=row.thing_id,
        property_id=row.property_id,
        name=row.name,
        unit=row.unit,
        detectors=sorted(row.detectors),
        latest=None if row.latest is None else observation(row.latest),
    )


def alert(
    now: AlertTransition,
    acknowledged: AlertTransition | None = None,
    transitions: Sequence[AlertTransition] | None = None,
) -> AlertAnswer:
    """Return an alert as it is after its last transition.

    Parameters
    ----------
    now
        The last transition.
    acknowledged
        The one in which a person took note of it.
    transitions
        All of them, when they are to be shown.
    """
    if now.change == "acknowledged":
        acknowledged = now
    return AlertAnswer(
        id=now.alert_id,
        region=region_of(now.alert_id),
        level=now.level,
        state=now.state,
        title=now.title,
        rule=now.rule,
        subject_id=now.subject_id,
        onset_at=time_of(now.onset_us),
        opened_at=time_of(now.opened_at_us),
        updated_at=time_of(now.at_us),
        acknowledged_by=acknowledged.by if acknowledged else None,
        acknowledged_at=time_of(acknowledged.at_us) if acknowledged else None,
        ended_at=None if now.ended_at_us is None else time_of(now.ended_at_us),
        closed_at=time_of(now.at_us) if now.state == "closed" else None,
        historic=now.historic,
        proposed=now.proposed,
        silenced=bool(now.silenced),
        number=now.number,
        evidence=now.evidence,
        transitions=UNSET if transitions is None else [_transition(step) for step in transitions],
    )


def alert_history(history: AlertHistory, *, with_transitions: bool) -> AlertAnswer:
    """Return an alert that the store has given with its past."""
    acknowledged = next((t for t in history.transitions if t.change == "acknowledged"), None)
    return alert(history.alert, acknowledged, history.transitions if with_transitions else None)


def stream(state: StreamState) -> StreamAnswer:
    """Return the state of an incoming stream."""
    return StreamAnswer(
        id=state.id,
        kind=state.kind,
        source=state.source,
        phase=state.phase,
        since=time_of(state.since_us) if state.since_us else None,
        bytes_received=state.bytes_received,
        messages_received=state.messages_received,
        bad_messages=state.bad_messages,
        overload_drops=state.overload_drops,
        refused_connections=state.refused_connections,
        faults=state.faults,
        reconnects=state.reconnects,
        last_received=None if state.last_received_us is None else time_of(state.last_received_us),
        last_error=state.last_error,
        station=state.station,
        name=state.name,
        place=state.place,
        gatherer=state.gatherer,
        chosen=state.is_chosen,
        chosen_since=time_of(state.chosen_since_us) if state.chosen_since_us else None,
        why=state.why,
        latency_s=_rounded(state.latency_s, 3),
        bytes_per_s=round(state.bytes_per_s, 1),
        messages_per_s=round(state.messages_per_s, 2),
    )


def source_change(change: SourceChange) -> SourceChangeAnswer:
    """Return when another source took over."""
    return SourceChangeAnswer(
        at=time_of(change.at_us), before=change.before, after=change.after, why=change.why, text=change.text
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _transition(step: AlertTransition) -> TransitionAnswer:
    return TransitionAnswer(
        number=step.number,
        change=step.change,
        state=step.state,
        level=step.level,
        at=time_of(step.at_us),
        by=step.by,
        comment=step.comment,
    )
