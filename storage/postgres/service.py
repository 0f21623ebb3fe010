"""Lists in the answers about the service, as PostgreSQL has them."""

from __future__ import annotations

from typing import Any

from storage.postgres.windows import PostgresWindowQueries
from storage.sql.service import ServiceQueries


class PostgresServiceQueries(PostgresWindowQueries, ServiceQueries):
    """The part of the store that reports of the service ask."""

    def _said(self, value: Any) -> list[Any]:
        return list(value)
