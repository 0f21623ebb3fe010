"""What the pipeline commits, the registry, commands and deliveries: all that changes the SQLite store."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from gnss.geodesy import ecef_to_geodetic
from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.rows import RawSegment
from storage.sqlite.database import QUERIES, Database
from storage.sqlite.packing import STATES, compressed, figures_row, pack, packed_flags, report_row
from streams.records import (
    AlertTransition,
    AlertTransitions,
    CommandOutcomes,
    Commands,
    Detections,
    FlaggedSamples,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)


class Writing(Database):
    """The writing half of `storage.store.Store`."""

    def commit(
        self,
        batches: Sequence[Record],
        snapshots: Mapping[str, Sequence[bytes]] | None,
        *,
        now_us: int,
        webhook_ids: Sequence[str] = (),
        journal: Sequence[bytes] = (),
        raw_segments: Sequence[RawSegment] = (),
    ) -> None:
        """Keep all this in one transaction (see `Store.commit`)."""
        with self._transaction() as connection:
            for batch in batches:
                if isinstance(batch, StationReports):
                    self._put_reports(connection, batch.reports)
                    self._put_figures(connection, batch.figures)
                elif isinstance(batch, StationPeriods):
                    self._put_periods(connection, batch.periods)
                elif isinstance(batch, FlaggedSamples):
                    self._put_samples(connection, batch)
                elif isinstance(batch, Detections):
                    _put_detections(connection, batch)
                elif isinstance(batch, AlertTransitions):
                    for transition in batch.transitions:
                        _put_transition(connection, transition, webhook_ids, now_us)
                elif isinstance(batch, Commands):
                    commands = [(c.id, c.at_us, pack(c)) for c in batch.commands]
                    connection.executemany(QUERIES["add_command"], commands)
                elif isinstance(batch, CommandOutcomes):
                    answers = [(outcome.ok, outcome.message, outcome.id) for outcome in batch.outcomes]
                    connection.executemany(QUERIES["answer_command"], answers)
            _put_segments(connection, raw_segments)
            if snapshots is None:
                connection.executemany(QUERIES["add_journal"], [(message,) for message in journal])
            else:
                _replace_snapshots(connection, snapshots)

    def put_registry(
        self,
        *,
        stations: Sequence[Station] = (),
        things: Sequence[Thing] = (),
        properties: Sequence[ObservedProperty] = (),
        datastreams: Sequence[Datastream] = (),
    ) -> None:
        """Insert or replace what is defined."""
        with self._transaction() as connection:
            connection.executemany(QUERIES["put_station"], [(s.id, _json(s)) for s in stations])
            connection.executemany(QUERIES["put_thing"], [(t.id, _json(t)) for t in things])
            connection.executemany(QUERIES["put_property"], [(p.id, _json(p)) for p in properties])
            connection.executemany(
                QUERIES["put_datastream"], [(d.id, d.thing_id, _json(d)) for d in datastreams]
            )

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done or given up."""
        state = "given_up" if delivered_at_us is None else "delivered"
        key = _delivery_key(webhook_id, message_id)
        with self._transaction() as connection:
            connection.execute(QUERIES["settle_delivery"], (state, delivered_at_us, error, *key))

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str
    ) -> None:
        """Count a failed attempt and set the time of the next."""
        key = _delivery_key(webhook_id, message_id)
        with self._transaction() as connection:
            connection.execute(QUERIES["postpone_delivery"], (next_attempt_us, error, *key))

    def _put_reports(self, connection: sqlite3.Connection, reports: Sequence[StationReport]) -> None:
        rows = []
        newest: dict[int, StationReport] = {}
        for report in reports:
            key = self._key(connection, "station", report.station_id)
            codes = self._names_key(connection, [r.code for r in report.reasons]) if report.reasons else None
            rows.append(report_row(report, key, codes))
            if key not in newest or report.epoch_us >= newest[key].epoch_us:
                newest[key] = report
            if report.ecef_m is not None and _on_earth(report.ecef_m):
                _put_position(connection, key, report.epoch_us, report.ecef_m)
        connection.executemany(QUERIES["put_station_epoch"], rows)
        connection.executemany(
            QUERIES["put_station_latest"],
            [(key, r.epoch_us, STATES.index(r.state), pack(r)) for key, r in newest.items()],
        )

    def _put_figures(self, connection: sqlite3.Connection, figures: Sequence[StationFigures]) -> None:
        rows = [figures_row(one, self._key(connection, "station", one.station_id)) for one in figures]
        connection.executemany(QUERIES["put_station_figures"], rows)

    def _put_periods(self, connection: sqlite3.Connection, periods: Sequence[StationPeriodRecord]) -> None:
        connection.executemany(
            QUERIES["put_station_period"],
            [
                (
                    self._key(connection, "station", one.station_id),
                    one.begin_us,
                    one.end_us,
                    compressed(one.period),
                )
                for one in periods
            ],
        )

    def _put_samples(self, connection: sqlite3.Connection, samples: FlaggedSamples) -> None:
        if not len(samples):
            return
        keys = np.array([self._key(connection, "datastream", i) for i in samples.datastream_ids])
        key = keys[samples.series]
        tests_key = self._names_key(connection, samples.tests)
        flags = packed_flags(samples.flags)
        order = np.lexsort((samples.revision, samples.time_us, key))
        connection.executemany(
            QUERIES["put_sample"],
            zip(
                key[order].tolist(),
                samples.time_us[order].tolist(),
                samples.value[order].tolist(),
                samples.received_at_us[order].tolist(),
                samples.revision[order].tolist(),
                samples.flag[order].tolist(),
                [tests_key] * len(samples),
                [flags[i] for i in order],
                strict=True,
            ),
        )
        sorted_key = key[order]
        newest = order[np.append(sorted_key[1:] != sorted_key[:-1], True)]
        connection.executemany(
            QUERIES["put_datastream_latest"],
            zip(key[newest].tolist(), samples.time_us[newest].tolist(), strict=True),
        )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _on_earth(ecef_m: tuple[float, float, float]) -> bool:
    """Stations whose position was never set send zeros."""
    return 6.2e6 < math.hypot(*ecef_m) < 6.5e6


def _put_position(
    connection: sqlite3.Connection, station_key: int, at_us: int, ecef_m: tuple[float, float, float]
) -> None:
    longitude, latitude, height_m = ecef_to_geodetic(*ecef_m)
    connection.execute(
        QUERIES["put_streamed_position"],
        {
            "key": station_key,
            "at_us": at_us,
            "longitude": longitude,
            "latitude": latitude,
            "height_m": height_m,
        },
    )


def _put_detections(connection: sqlite3.Connection, batch: Detections) -> None:
    connection.executemany(
        QUERIES["put_detection"],
        [
            (d.detector, d.subject_id, d.onset_us, d.at_us, d.phase, d.historic, d.detected_at_us, pack(d))
            for d in batch.detections
        ],
    )


def _put_transition(
    connection: sqlite3.Connection, transition: AlertTransition, webhook_ids: Sequence[str], now_us: int
) -> None:
    t = transition
    known = connection.execute(QUERIES["has_transition"], (t.alert_id, t.number)).fetchone()
    connection.execute(QUERIES["put_transition"], (t.alert_id, t.number, pack(t)))
    connection.execute(QUERIES["put_alert"], (t.alert_id, t.number, t.state, t.level, t.opened_at_us))
    if known is None and not t.historic:
        deliveries = [(webhook_id, t.alert_id, t.number, now_us) for webhook_id in webhook_ids]
        connection.executemany(QUERIES["add_delivery"], deliveries)


def _replace_snapshots(connection: sqlite3.Connection, snapshots: Mapping[str, Sequence[bytes]]) -> None:
    connection.execute(QUERIES["drop_snapshots"])
    connection.execute(QUERIES["drop_journal"])
    connection.executemany(
        QUERIES["put_snapshot"],
        [(name, number, chunk) for name, chunks in snapshots.items() for number, chunk in enumerate(chunks)],
    )


def _put_segments(connection: sqlite3.Connection, segments: Sequence[RawSegment]) -> None:
    for s in segments:
        connection.execute(QUERIES["grow_object"], {"path": s.path, "length": s.offset + s.length})
        connection.execute(
            QUERIES["put_segment"],
            {
                "station_id": s.station_id,
                "slot_us": s.slot_us,
                "position": s.position,
                "path": s.path,
                "offset": s.offset,
                "length": s.length,
                "size": s.size,
                "chunks": s.chunks,
                "start_us": s.start_us,
                "end_us": s.end_us,
                "sha256": s.sha256,
            },
        )


def _delivery_key(webhook_id: str, message_id: str) -> tuple[str, str, int]:
    alert_id, _, number = message_id.rpartition(".")
    if not alert_id or not number.isdecimal():
        raise ValueError(f"{message_id!r} is not the id of a webhook message, which ends with .NUMBER")
    return webhook_id, alert_id, int(number)
