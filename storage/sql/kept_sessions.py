"""What is kept of rovers' sessions: written, asked for, made coarser, forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from storage import paging
from storage.rows import Page
from storage.sql.database import Connection
from storage.sql.rolling import Rolling
from streams.definitions import PrivacyDefinition
from streams.records import KeptSession, KeptSessions, SessionLeg

DAY_US = 86_400_000_000
MOST_AT_ONCE = 5000
"""Sessions that are dropped in a transaction: a commit that waits for it comes soon."""
_NEWEST = 2**63 - 1
_FIELDS = tuple(name for name in KeptSession.__struct_fields__ if name != "legs")


def put_kept_sessions(connection: Connection, queries: Mapping[str, str], batch: KeptSessions) -> None:
    """Keep sessions as they are now; an older state changes nothing, and legs come once."""
    rows = [{name: getattr(one, name) for name in _FIELDS} for one in batch.sessions]
    connection.executemany(queries["put_kept_session"], rows)
    legs = [
        {"caster": one.caster, "number": one.number, **msgspec.structs.asdict(leg)}
        for one in batch.sessions
        for leg in one.legs
    ]
    connection.executemany(queries["put_session_leg"], legs)


class KeptSessionTables(Rolling):
    """The part of `storage.store.Store` about sessions that are kept."""

    def kept_sessions(
        self,
        *,
        start_us: int = 0,
        end_us: int = _NEWEST,
        account: str | None = None,
        mountpoint: str | None = None,
        base: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[KeptSession]:
        """Return sessions that lasted in a time, the newest first."""
        paging.check_limit(limit)
        types = (int, str, int)
        start = (_NEWEST, "", 0) if after is None else paging.decode_cursor("kept sessions", after, types)
        asked = {
            "before_us": start[0],
            "before_caster": start[1],
            "before_number": start[2],
            "start_us": start_us,
            "end_us": end_us,
            "account": account,
            "mountpoint": mountpoint,
            "base": base,
            "limit": limit + 1,
        }
        with self._reading() as connection:
            rows = connection.execute(self._queries["kept_sessions"], asked).fetchall()
            more = len(rows) > limit
            found = [dict(zip(_FIELDS, row, strict=True)) for row in rows[:limit]]
            legs = self._legs(connection, found)
        items = [
            KeptSession(**{**one, "is_over": bool(one["is_over"])}, legs=legs.get(_key(one), []))
            for one in found
        ]
        last = (items[-1].begun_us, items[-1].caster, items[-1].number) if more else None
        return Page(items, None if last is None else paging.encode_cursor("kept sessions", last))

    def forget_sessions(self, privacy: PrivacyDefinition, now_us: int) -> int:
        """Drop what is older than its days, make coarser what is finer; return how many were dropped.

        Unlike other rows these go by the clock alone: nobody is to be remembered for longer since nothing
        new comes.
        """
        cut_us = now_us - privacy.days * DAY_US if privacy.days else _NEWEST
        asked: dict[str, Any] = {"before_us": cut_us, "limit": MOST_AT_ONCE}
        dropped, more = 0, True
        while more:
            with self._keeping() as connection:
                rows = connection.execute(self._queries["expired_sessions"], asked).fetchall()
                keys = [{"caster": caster, "number": number} for caster, number in rows]
                connection.executemany(self._queries["drop_session_legs"], keys)
                connection.executemany(self._queries["drop_kept_session"], keys)
            dropped += len(keys)
            more = len(keys) == MOST_AT_ONCE
        decimals = {"decimals": -1 if privacy.position_decimals is None else privacy.position_decimals}
        with self._keeping() as connection:
            connection.execute(self._queries["coarsen_session_legs"], decimals)
            connection.execute(self._queries["coarsen_kept_sessions"], decimals)
        return dropped

    def _legs(
        self, connection: Connection, sessions: Sequence[Mapping[str, Any]]
    ) -> dict[tuple[str, int], list[SessionLeg]]:
        keys = msgspec.json.encode([_key(one) for one in sessions]).decode()
        found: dict[tuple[str, int], list[SessionLeg]] = {}
        for caster, number, *values in connection.execute(self._queries["legs_of_sessions"], {"keys": keys}):
            names = ("since_us", "base", "reason", "longitude", "latitude")
            leg = SessionLeg(**dict(zip(names, values, strict=True)))
            found.setdefault((caster, number), []).append(leg)
        return found


def _key(session: Mapping[str, Any]) -> tuple[str, int]:
    return session["caster"], session["number"]
