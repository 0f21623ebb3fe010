"""Questions about alerts and detections, deliveries, commands, snapshots, and figures for metrics."""

from __future__ import annotations

from storage import paging
from storage.rows import (
    AlertHistory,
    CommandRow,
    Counts,
    Delivery,
    DeliveryRow,
    DeliveryStateName,
    Page,
    WebhookRow,
)
from storage.sql.database import Database
from storage.sql.packing import STATES, unpack
from streams.records import AlertStateName, AlertTransition, Command, Detection

_NEWEST = 2**63 - 1


class AlertQueries(Database):
    """The alert part of `storage.store.Store`, and what the runtime reads back."""

    def alerts(
        self, *, state: AlertStateName | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AlertTransition]:
        """Return alerts as they are now, the newest opening first."""
        paging.check_limit(limit)
        start = (_NEWEST, "") if after is None else paging.decode_cursor("alerts", after, (int, str))
        asked = {"opened_at_us": start[0], "alert_id": start[1], "state": state, "limit": limit + 1}
        with self._reading() as connection:
            rows = connection.execute(self._queries["alerts"], asked).fetchall()
        items = [unpack(row[0], AlertTransition) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("alerts", rows[limit - 1][1:]) if more else None)

    def alert(self, alert_id: str) -> AlertHistory | None:
        """Return one alert with its transitions."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["transitions"], {"alert_id": alert_id}).fetchall()
        transitions = [unpack(transition, AlertTransition) for (transition,) in rows]
        return AlertHistory(alert=transitions[-1], transitions=transitions) if transitions else None

    def open_alerts(self) -> list[AlertTransition]:
        """Return all alerts that are not closed, the newest opening first."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["open_alerts"]).fetchall()
        return [unpack(transition, AlertTransition) for (transition,) in rows]

    def detections(self, *, after: str | None = None, limit: int = 100) -> Page[Detection]:
        """Return detections, the newest first."""
        paging.check_limit(limit)
        start = (_NEWEST, 0) if after is None else paging.decode_cursor("detections", after, (int, int))
        asked = {"detected_at_us": start[0], "number": start[1], "limit": limit + 1}
        with self._reading() as connection:
            rows = connection.execute(self._queries["detections"], asked).fetchall()
        items = [unpack(row[0], Detection) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("detections", rows[limit - 1][1:]) if more else None)

    def due_deliveries(
        self, now_us: int, limit: int = 100, *, webhook_id: str | None = None
    ) -> list[Delivery]:
        """Return deliveries whose time has come: for each alert and webhook only the oldest open one."""
        paging.check_limit(limit)
        with self._reading() as connection:
            asked = {"now_us": now_us, "limit": limit, "webhook_id": webhook_id}
            rows = connection.execute(self._queries["due_deliveries"], asked).fetchall()
        return [
            Delivery(
                webhook_id=webhook_id,
                message_id=f"{alert_id}.{number}",
                transition=unpack(transition, AlertTransition),
                attempts=attempts,
                next_attempt_us=next_attempt_us,
                refusals=refusals,
            )
            for webhook_id, alert_id, number, transition, attempts, next_attempt_us, refusals in rows
        ]

    def webhooks(self) -> list[WebhookRow]:
        """Return the webhooks that there is something to say of."""
        with self._reading() as connection:
            return [WebhookRow(*row) for row in connection.execute(self._queries["webhooks"]).fetchall()]

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: DeliveryStateName | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[DeliveryRow]:
        """Return how the telling of a webhook went, the newest first."""
        paging.check_limit(limit)
        first = (_NEWEST, "", 0)
        start = first if after is None else paging.decode_cursor("deliveries", after, (int, str, int))
        asked = {"webhook_id": webhook_id, "state": state, "limit": limit + 1}
        asked |= {"at_us": start[0], "alert_id": start[1], "number": start[2]}
        with self._reading() as connection:
            rows = connection.execute(self._queries["deliveries"], asked).fetchall()
        items = [DeliveryRow(*row) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(items)
        last = items[-1]
        return Page(items, paging.encode_cursor("deliveries", (last.at_us, last.alert_id, last.number)))

    def commands(self, limit: int = 100) -> list[CommandRow]:
        """Return the newest commands first."""
        paging.check_limit(limit)
        with self._reading() as connection:
            rows = connection.execute(self._queries["commands"], {"limit": limit}).fetchall()
        return [_command_row(*row) for row in rows]

    def commands_between(self, start_us: int, end_us: int, limit: int = 10_000) -> list[CommandRow]:
        """Return the commands of a time, the oldest first."""
        paging.check_limit(limit)
        asked = {"start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._queries["commands_between"], asked).fetchall()
        return [_command_row(*row) for row in rows]

    def load_snapshots(self) -> dict[str, list[bytes]]:
        """Return the chunks of the last committed snapshot by processor name."""
        snapshots: dict[str, list[bytes]] = {}
        with self._reading() as connection:
            for processor, chunk in connection.execute(self._queries["snapshots"]):
                snapshots.setdefault(processor, []).append(chunk)
        return snapshots

    def load_journal(self) -> list[bytes]:
        """Return the messages since the last snapshot, oldest first."""
        with self._reading() as connection:
            return [message for (message,) in connection.execute(self._queries["journal"])]

    def consumed(self) -> dict[str, dict[int, int]]:
        """Return the next offset by topic and partition."""
        offsets: dict[str, dict[int, int]] = {}
        with self._reading() as connection:
            for topic, partition, offset in connection.execute(self._queries["consumed"]):
                offsets.setdefault(topic, {})[partition] = offset
        return offsets

    def counts(self) -> Counts:
        """Return figures for metrics."""
        with self._reading() as connection:
            states = connection.execute(self._queries["count_stations"]).fetchall()
            levels = connection.execute(self._queries["count_alerts"]).fetchall()
            rest = connection.execute(self._queries["count_rest"]).fetchone()
        return Counts(
            stations_by_state={STATES[state]: count for state, count in states},
            things=rest[0],
            datastreams=rest[1],
            alerts_open=dict(levels),
            deliveries_pending=rest[2],
            deliveries_given_up=rest[3],
            journal_messages=rest[4],
            database_bytes=rest[5],
        )


def _command_row(command: bytes, ok: int | None, message: str) -> CommandRow:
    return CommandRow(command=unpack(command, Command), ok=None if ok is None else bool(ok), message=message)
