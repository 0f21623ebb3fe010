"""The newest report of each station: brought into its table beside the commits, once for several of them.

In the commit itself it would cost as much as the reports. Between two calls of `bring_latest` the newest
ones are in memory; what a kill leaves out is found among the reports at the first call of the next process.
"""

from __future__ import annotations

import contextlib
import threading

from storage.postgres.database import PostgresDatabase, Session, send
from storage.postgres.station_columns import SortedReports, newest_of
from storage.store import StorageError

_MOST_WAITING = 250_000
"""Reports, some 100 MB; a commit brings them itself when nobody else does, which holds it up for tens of ms.
While a backlog is stored there are a hundred thousand in the second between two calls."""


class PostgresLatest(PostgresDatabase):
    """The part of the store that knows the newest reports."""

    def __init__(self, url: str, *, migrate: bool = False) -> None:
        super().__init__(url, migrate=migrate)
        self._waiting_lock = threading.Lock()
        self._waiting: list[SortedReports] = []
        self._caught_up = False

    def tidy(self) -> None:
        """Do what commits leave to be done beside them: bring the newest reports."""
        self.bring_latest()

    def bring_latest(self) -> None:
        """Bring the newest reports of the commits since the last call into their table.

        Raises
        ------
        StorageError
            The database is away; they are kept for the next call.
        """
        if not self._waiting:
            return
        with self._beside() as connection:
            with self._waiting_lock:
                some, self._waiting = self._waiting, []
            if not some:
                return
            try:
                with connection.transaction():
                    self._bring(Session(connection), newest_of(some))
            except BaseException:
                with self._waiting_lock:
                    self._waiting[:0] = some
                raise
            self._caught_up = True

    def close(self) -> None:
        """Bring what waits, and close all connections."""
        try:
            if not self._closed:
                with contextlib.suppress(StorageError):  # the next process finds them
                    self.bring_latest()
        finally:
            super().close()

    def _newest_wait(self, rows: SortedReports) -> None:
        """Take the newest of a commit."""
        with self._waiting_lock:
            self._waiting.append(rows)
            waiting = sum(one.newest for one in self._waiting)
        if waiting > _MOST_WAITING:
            self.bring_latest()

    def _bring(self, session: Session, rows: SortedReports) -> None:
        if not self._caught_up:
            session.execute(self._queries["catch_up_latest"])
        send(session, self._queries["stage_newest_reports"], rows.staged_newest())
        if session.execute(self._queries["renew_latest_reports"]).rowcount < rows.newest:
            session.execute(self._queries["take_latest_reports"])
        if (reasons := rows.reasons())["reasons"]:
            session.execute(self._queries["put_latest_reasons"], reasons)
