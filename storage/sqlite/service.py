"""Lists in the answers about the service, as SQLite has them: JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from storage.sql.service import ServiceQueries
from storage.sqlite.windows import SqliteWindowQueries


class SqliteServiceQueries(SqliteWindowQueries, ServiceQueries):
    """The part of the store that reports of the service ask."""

    def _said(self, value: Any) -> list[Any]:
        return msgspec.json.decode(value, type=list[Any])
