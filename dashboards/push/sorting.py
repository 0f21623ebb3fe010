"""Which channels a message concerns, and what it tells them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from dashboards import present
from dashboards.answers import StationVerdict
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import NETWORK
from dashboards.push.events import Lists, PushedObservation
from dashboards.push.marks import Marks
from streams.records import AlertTransitions, FlaggedSamples, Record, StationReport, StationReports
from streams.regions import region_of


class Sorter:
    """Sorts messages into channels, those alone that somebody wants."""

    def __init__(self, channels: Iterable[str], catalogue: Catalogue) -> None:
        self._wanted = frozenset(channels)
        self._catalogue = catalogue
        kinds = {one.partition(":")[0] for one in self._wanted}
        self._stations = {one.partition(":")[2] for one in self._wanted if one.startswith("station:")}
        self._wants_changes = bool(kinds & {NETWORK, "region"})
        self._wants_samples = bool(kinds & {"thing", "property"})

    def sort(self, batch: Record, marks: Marks, into: Lists) -> None:
        """Add what a message tells its channels, in its order."""
        if isinstance(batch, StationReports):
            self._sort_reports(batch, marks, into)
        elif isinstance(batch, FlaggedSamples):
            if self._wants_samples:
                self._sort_samples(batch, into)
        elif isinstance(batch, AlertTransitions):
            self._sort_alerts(batch, marks, into)

    def _sort_reports(self, batch: StationReports, marks: Marks, into: Lists) -> None:
        if self._wants_changes:
            for row in marks.changed:
                report = batch.reports[row]
                for channel in self._of_region(report.station_id):
                    _add(into, channel, "stations", _verdict(report))
        if not self._stations:
            return
        for report in batch.reports:
            if report.station_id in self._stations:
                _add(into, f"station:{report.station_id}", "stations", _verdict(report))
        for figures in batch.figures:
            if figures.station_id in self._stations:
                _add(into, f"station:{figures.station_id}", "figures", present.figures(figures))

    def _sort_samples(self, batch: FlaggedSamples, into: Lists) -> None:
        targets = [tuple(self._of_series(name)) for name in batch.datastream_ids]
        is_wanted = np.array([bool(some) for some in targets], bool)
        if not is_wanted.any():
            return
        rows = np.flatnonzero(is_wanted[batch.series])
        columns = (batch.series, batch.time_us, batch.value, batch.flag, batch.revision)
        for series, time_us, value, flag, revision in zip(
            *(column[rows].tolist() for column in columns), strict=True
        ):
            sample = PushedObservation(
                datastream_id=batch.datastream_ids[series],
                phenomenon_time=present.time_of(time_us),
                value=None if math.isnan(value) else value,
                flag=flag,
                revision=revision,
            )
            for channel in targets[series]:
                _add(into, channel, "observations", sample)

    def _sort_alerts(self, batch: AlertTransitions, marks: Marks, into: Lists) -> None:
        for step, mark in zip(batch.transitions, marks.alerts, strict=True):
            channels = {*self._of_region(step.alert_id), *self._of_subject(step.subject_id)}
            channels |= {f"level:{level}" for level in (step.level, mark.level)} & self._wanted
            if channels:
                shown = present.alert(step, mark.acknowledged, (step,))
                for channel in channels:
                    _add(into, channel, "alerts", shown)

    def _of_region(self, identity: str) -> Iterator[str]:
        """Yield the whole network, the region of an id, and those above it."""
        if NETWORK in self._wanted:
            yield NETWORK
        region = region_of(identity)
        if not region and "region:" in self._wanted:
            yield "region:"
        while region:
            if (channel := f"region:{region}") in self._wanted:
                yield channel
            region = region_of(region)

    def _of_series(self, datastream_id: str) -> Iterator[str]:
        thing_id, property_id = self._catalogue.find(datastream_id)
        for channel in (f"thing:{thing_id}", f"property:{property_id}"):
            if channel in self._wanted:
                yield channel

    def _of_subject(self, subject_id: str) -> Iterator[str]:
        """Yield what an alert's subject belongs to: a datastream, a site or a station."""
        if self._catalogue.is_datastream(subject_id):
            yield from self._of_series(subject_id)
        for channel in (f"thing:{subject_id}", f"station:{subject_id}"):
            if channel in self._wanted:
                yield channel


def _verdict(report: StationReport) -> StationVerdict:
    return present.verdict(report, report.epoch_us if report.epochs else None)


def _add(into: Lists, channel: str, name: str, item: object) -> None:
    into.setdefault(channel, {}).setdefault(name, []).append(item)
