"""What is written row by row in every store: registry, alerts, deliveries, commands, state of the runtime.

Reports and samples come by the thousands; how a store takes those is its own (`_put_columns`).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gnss.geodesy import ecef_to_geodetic
from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.rows import RawSegment
from storage.sql.calls import put_calls, put_receipts
from storage.sql.database import Connection
from storage.sql.descriptions import DescriptionWriting, row_of
from storage.sql.kept_sessions import put_kept_sessions
from storage.sql.packing import pack, unpack
from storage.sql.sample_extras import put_extras
from streams.call_records import CallReceipts, Calls
from streams.catalogue import PropertyDefinition
from streams.definition import Definition
from streams.definitions import (
    DAY_US,
    DatastreamDefinition,
    StationDefinition,
    ThingDefinition,
    definition,
    shown,
    without_secrets,
)
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Change,
    Changes,
    CommandOutcomes,
    Commands,
    Deliveries,
    Descriptions,
    Detections,
    FlaggedSamples,
    KeptSessions,
    Record,
    SourceChanges,
    StationReport,
    WebhookOrder,
)

SOURCE_CHANGES_KEPT_US = 366 * DAY_US
"""Before the newest one of a station."""
_REGISTERED = ("station", "thing", "datastream", "property", "sensor")
_DESCRIBED = ("station", "thing", "datastream")
"""Kinds that regions below tell of, too."""


class Writing(DescriptionWriting):
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
        consumed: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Keep all this in one transaction (see `Store.commit`)."""
        with self._transaction() as connection:
            self._put_columns(connection, batches, now_us)
            for batch in batches:
                if isinstance(batch, FlaggedSamples):
                    self._put_extras(connection, batch)
                elif isinstance(batch, Detections):
                    self._put_detections(connection, batch)
                elif isinstance(batch, AlertTransitions):
                    for transition in batch.transitions:
                        self._put_transition(connection, transition, webhook_ids, now_us)
                elif isinstance(batch, Deliveries):
                    self._put_deliveries(connection, batch)
                    self._put_orders(connection, batch.orders, webhook_ids, now_us)
                elif isinstance(batch, Commands):
                    commands = [
                        {"id": c.id, "at_us": c.at_us, "command": pack(without_secrets(c))}
                        for c in batch.commands
                    ]
                    connection.executemany(self._queries["add_command"], commands)
                elif isinstance(batch, CommandOutcomes):
                    answers = [{"id": o.id, "ok": o.ok, "message": o.message} for o in batch.outcomes]
                    connection.executemany(self._queries["answer_command"], answers)
                elif isinstance(batch, Changes):
                    self._put_changes(connection, batch.changes)
                elif isinstance(batch, SourceChanges):
                    self._put_source_changes(connection, batch)
                elif isinstance(batch, Descriptions):
                    self._put_descriptions(connection, batch)
                elif isinstance(batch, Calls):
                    put_calls(connection, self._queries, batch)
                elif isinstance(batch, CallReceipts):
                    put_receipts(connection, self._queries, batch)
                elif isinstance(batch, KeptSessions):
                    put_kept_sessions(connection, self._queries, batch)
            self._put_segments(connection, raw_segments)
            if consumed:
                self._put_consumed(connection, consumed)
            if snapshots is not None:
                self._replace_snapshots(connection, snapshots)
            elif journal:
                self._add_journal(connection, journal)

    def _put_extras(self, connection: Connection, samples: FlaggedSamples) -> None:
        """Write where samples were taken, and waveforms; they are few beside the samples."""

        def keys_of(ids: Sequence[str]) -> list[int]:
            return self._datastream_keys(connection, ids)

        for query, rows in put_extras(samples, keys_of):
            connection.executemany(self._queries[query], rows)

    @abstractmethod
    def _datastream_keys(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        """Return the numbers of datastreams; new ones get one."""

    @abstractmethod
    def _put_columns(self, connection: Connection, batches: Sequence[Record], now_us: int) -> None:
        """Write the reports, figures, periods and flagged samples among these batches, and mark rollups."""

    def put_registry(
        self,
        *,
        stations: Sequence[Station] = (),
        things: Sequence[Thing] = (),
        properties: Sequence[ObservedProperty] = (),
        datastreams: Sequence[Datastream] = (),
    ) -> None:
        """Insert or replace what is defined."""
        configured = (("station", stations), ("thing", things), ("datastream", datastreams))
        with self._transaction() as connection:
            for kind, entries in (*configured, ("property", properties)):
                connection.executemany(self._queries[f"put_{kind}"], [row_of(one) for one in entries])
            self._show_all_described(connection, configured)
            for (packed,) in connection.execute(self._queries["objects"], {}).fetchall():
                change = unpack(packed, Change)
                if change.verb != "revert":  # the configuration has been written
                    self._put_object(connection, change)

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done or given up."""
        state = "given_up" if delivered_at_us is None else "delivered"
        change = {"state": state, "delivered_at_us": delivered_at_us, "error": error}
        key = _delivery_key(webhook_id, message_id)
        with self._transaction() as connection:
            connection.execute(self._queries["settle_delivery"], {**key, **change})

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str, refused: bool = False
    ) -> None:
        """Count a failed attempt and set the time of the next."""
        change = {"next_attempt_us": next_attempt_us, "error": error, "refusals": int(refused)}
        key = _delivery_key(webhook_id, message_id)
        with self._transaction() as connection:
            connection.execute(self._queries["postpone_delivery"], {**key, **change})

    def disable_webhook(self, webhook_id: str, at_us: int, reason: str) -> None:
        """Offer no deliveries of a webhook until it is resumed."""
        step = {"webhook_id": webhook_id, "state": "disabled", "at_us": at_us, "reason": reason}
        with self._transaction() as connection:
            connection.execute(self._queries["put_webhook"], step)

    def _put_changes(self, connection: Connection, changes: Sequence[Change]) -> None:
        for change in changes:
            kept = msgspec.structs.replace(
                change,
                before=None if change.before is None else shown(change.kind, change.before),
                after=None if change.after is None else shown(change.kind, change.after),
            )
            key = {"kind": change.kind, "id": change.id, "version": change.version, "change": pack(kept)}
            connection.execute(self._queries["put_change"], {**key, "at_us": change.at_us})
            connection.execute(self._queries["put_object"], {**key, "is_gone": change.after is None})
            self._put_object(connection, change)

    def _put_source_changes(self, connection: Connection, batch: SourceChanges) -> None:
        rows = [
            {"station_id": c.station_id, "at_us": c.at_us, "why": c.why, "change": pack(c)}
            for c in batch.changes
        ]
        connection.executemany(self._queries["put_source_change"], rows)
        old = [
            {"station_id": c.station_id, "before_us": c.at_us - SOURCE_CHANGES_KEPT_US} for c in batch.changes
        ]
        connection.executemany(self._queries["drop_source_changes"], old)

    def _put_object(self, connection: Connection, change: Change) -> None:
        """Let the registry's tables have what a change made of an object."""
        if change.kind not in _REGISTERED:
            return
        if change.after is None:
            connection.execute(self._queries[f"drop_{change.kind}"], {"id": change.id})
            if change.kind in _DESCRIBED:
                self._show_described(connection, change.kind, change.id)
            return
        row = _row_of(change.id, definition(change.kind, change.after))
        connection.execute(self._queries[f"put_{change.kind}"], row)

    def _put_detections(self, connection: Connection, batch: Detections) -> None:
        rows = [
            {
                "detector": d.detector,
                "subject_id": d.subject_id,
                "onset_us": d.onset_us,
                "at_us": d.at_us,
                "phase": d.phase,
                "historic": d.historic,
                "detected_at_us": d.detected_at_us,
                "detection": pack(d),
            }
            for d in batch.detections
        ]
        connection.executemany(self._queries["put_detection"], rows)

    def _put_transition(
        self, connection: Connection, transition: AlertTransition, webhook_ids: Sequence[str], now_us: int
    ) -> None:
        t = transition
        key = {"alert_id": t.alert_id, "number": t.number}
        known = connection.execute(self._queries["has_transition"], key).fetchone()
        connection.execute(self._queries["put_transition"], {**key, "transition": pack(t)})
        face = {"state": t.state, "level": t.level, "opened_at_us": t.opened_at_us}
        connection.execute(self._queries["put_alert"], {**key, **face})
        if known is None and not t.historic and not t.silenced:
            deliveries = [
                {**key, "webhook_id": one, "next_attempt_us": now_us, "at_us": t.at_us} for one in webhook_ids
            ]
            connection.executemany(self._queries["add_delivery"], deliveries)

    def _put_deliveries(self, connection: Connection, batch: Deliveries) -> None:
        steps = [
            {
                "webhook_id": s.webhook_id,
                "alert_id": s.alert_id,
                "number": s.number,
                "state": s.state,
                "attempts": s.attempts,
                "next_attempt_us": s.next_attempt_us,
                "delivered_at_us": s.next_attempt_us if s.state == "delivered" else None,
                "error": s.error,
                "again": s.again,
            }
            for s in batch.steps
        ]
        connection.executemany(self._queries["put_delivery"], steps)
        webhooks = [msgspec.structs.asdict(one) for one in batch.webhooks]
        connection.executemany(self._queries["put_webhook"], webhooks)

    def _put_orders(
        self, connection: Connection, orders: Sequence[WebhookOrder], webhook_ids: Sequence[str], now_us: int
    ) -> None:
        """Do what people want of webhooks that are told from this store; others' sender does it."""
        for one in orders:
            if one.webhook_id not in webhook_ids:
                continue
            key = {"webhook_id": one.webhook_id}
            if one.what == "resume":
                step = {"state": "active", "at_us": max(one.at_us, now_us), "reason": ""}
                connection.execute(self._queries["put_webhook"], {**key, **step})
            else:
                what = {name: getattr(one, name) for name in ("alert_id", "number", "start_us", "end_us")}
                connection.execute(self._queries["replay_deliveries"], {**key, **what, "now_us": now_us})

    def _put_segments(self, connection: Connection, segments: Sequence[RawSegment]) -> None:
        grown = [{"path": s.path, "length": s.offset + s.length} for s in segments]
        rows = [{name: getattr(s, name) for name in RawSegment.__dataclass_fields__} for s in segments]
        connection.executemany(self._queries["grow_object"], grown)
        connection.executemany(self._queries["put_segment"], rows)

    def _put_consumed(self, connection: Connection, consumed: Mapping[str, Mapping[int, int]]) -> None:
        rows = [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for topic, offsets in sorted(consumed.items())
            for partition, offset in sorted(offsets.items())
        ]
        connection.executemany(self._queries["put_consumed"], rows)

    def _replace_snapshots(self, connection: Connection, snapshots: Mapping[str, Sequence[bytes]]) -> None:
        connection.execute(self._queries["drop_snapshots"])
        connection.execute(self._queries["drop_journal"])
        rows = [
            {"processor": name, "number": number, "chunk": chunk}
            for name, chunks in snapshots.items()
            for number, chunk in enumerate(chunks)
        ]
        connection.executemany(self._queries["put_snapshot"], rows)

    def _add_journal(self, connection: Connection, journal: Sequence[bytes]) -> None:
        connection.executemany(self._queries["add_journal"], [{"message": message} for message in journal])


def _row_of(identity: str, made: Definition) -> dict[str, Any]:
    """Return what the registry's table gets of a definition."""
    if isinstance(made, StationDefinition):
        return row_of(made.station(identity))
    if isinstance(made, ThingDefinition):
        return row_of(made.thing(identity))
    if isinstance(made, DatastreamDefinition):
        return row_of(made.datastream(identity))
    if isinstance(made, PropertyDefinition):
        return row_of(made.observed(identity))
    return {"id": identity, "definition": msgspec.json.encode(made).decode()}


def streamed_position(report: StationReport) -> tuple[float, float, float] | None:
    """Return longitude, latitude (degrees) and height (m) that a report tells; None: none on the Earth.

    Stations whose position was never set send zeros.
    """
    if report.ecef_m is None or not 6.2e6 < math.hypot(*report.ecef_m) < 6.5e6:
        return None
    longitude, latitude, height_m = ecef_to_geodetic(*report.ecef_m)
    return float(longitude), float(latitude), float(height_m)


def _delivery_key(webhook_id: str, message_id: str) -> dict[str, Any]:
    alert_id, _, number = message_id.rpartition(".")
    if not alert_id or not number.isdecimal():
        raise ValueError(f"{message_id!r} is not the id of a webhook message, which ends with .NUMBER")
    return {"webhook_id": webhook_id, "alert_id": alert_id, "number": int(number)}
