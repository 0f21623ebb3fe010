"""Calls about alerts, what was said of them, and how they ended: written and asked for."""

from __future__ import annotations

from collections.abc import Mapping

from storage import paging
from storage.rows import CallRow
from storage.sql.database import Connection, Database
from storage.sql.packing import pack, unpack
from streams.call_records import CallAnswer, CallOrder, CallReceipt, CallReceipts, Calls


def put_calls(connection: Connection, queries: Mapping[str, str], batch: Calls) -> None:
    """Keep orders and answers; what is there already stays as it is, an answer until a later one comes."""
    orders = [
        {
            "call_id": one.call_id,
            "alert_id": one.alert_id,
            "at_us": one.at_us,
            "deadline_us": one.deadline_us,
            "call_order": pack(one),
        }
        for one in batch.orders
    ]
    connection.executemany(queries["put_call"], orders)
    about = [{"alert_id": name, "call_id": one.call_id} for one in batch.orders for name in one.alert_ids]
    connection.executemany(queries["put_call_alert"], about)
    answers = [
        {
            "alert_id": one.alert_id,
            "turn": one.turn,
            "step": one.step,
            "person": one.person,
            "purpose": one.purpose,
            "called_us": one.called_us,
            "at_us": one.at_us,
            "answer": pack(one),
        }
        for one in batch.answers
    ]
    connection.executemany(queries["put_call_answer"], answers)
    connection.executemany(queries["withdraw_call"], [{"call_id": one} for one in batch.withdrawn])


def put_receipts(connection: Connection, queries: Mapping[str, str], batch: CallReceipts) -> None:
    """Keep receipts; of each state of a call the first one."""
    rows = [
        {"call_id": one.call_id, "state": one.state, "at_us": one.at_us, "receipt": pack(one)}
        for one in batch.receipts
    ]
    connection.executemany(queries["put_call_receipt"], rows)


class CallQueries(Database):
    """The part of `storage.store.Store` about calls."""

    def due_calls(self, now_us: int, limit: int = 100) -> list[CallOrder]:
        """Return calls of which no channel has said anything and that are still needed, the oldest first."""
        paging.check_limit(limit)
        asked = {"now_us": now_us, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._queries["due_calls"], asked).fetchall()
        return [unpack(row[0], CallOrder) for row in rows]

    def call(self, call_id: str) -> CallOrder | None:
        """Return one call."""
        with self._reading() as connection:
            row = connection.execute(self._queries["call"], {"call_id": call_id}).fetchone()
        return None if row is None else unpack(row[0], CallOrder)

    def alert_calls(self, alert_id: str) -> list[CallRow]:
        """Return all calls about an alert with what was said of each, the oldest first."""
        asked = {"alert_id": alert_id}
        with self._reading() as connection:
            calls = connection.execute(self._queries["calls_of_alert"], asked).fetchall()
            said = connection.execute(self._queries["receipts_of_alert"], asked).fetchall()
        receipts: dict[str, list[CallReceipt]] = {}
        for (packed,) in said:
            one = unpack(packed, CallReceipt)
            receipts.setdefault(one.call_id, []).append(one)
        orders = [(unpack(packed, CallOrder), bool(is_withdrawn)) for packed, is_withdrawn in calls]
        return [
            CallRow(order, receipts.get(order.call_id, []), is_withdrawn) for order, is_withdrawn in orders
        ]

    def alert_answers(self, alert_id: str) -> list[CallAnswer]:
        """Return how calling about an alert ended with each person, the first called first."""
        with self._reading() as connection:
            asked = {"alert_id": alert_id}
            rows = connection.execute(self._queries["answers_of_alert"], asked).fetchall()
        return [unpack(row[0], CallAnswer) for row in rows]

    def answers(self, start_us: int, end_us: int, limit: int = 100_000) -> list[CallAnswer]:
        """Return how it ended with who was called in a time, the newest first."""
        paging.check_limit(limit)
        asked = {"start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._queries["answers"], asked).fetchall()
        return [unpack(row[0], CallAnswer) for row in rows]
