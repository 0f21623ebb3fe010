"""SQL lives in files: numbered migrations, and queries under the names that code calls them by."""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_\w+\.sql$")


def load_queries(dialect: str) -> dict[str, str]:
    """Return the queries of storage/queries/<dialect>/*.sql by name.

    A query begins with a line `-- name: its_name` and ends before the next one.
    """
    queries: dict[str, str] = {}
    for file in (resources.files("storage") / "queries" / dialect).iterdir():
        if file.name.endswith(".sql"):
            parts = _NAME.split(file.read_text("utf-8"))[1:]
            for name, sql in zip(parts[::2], parts[1::2], strict=True):
                if name in queries:
                    raise ValueError(f"the query {name} stands twice, the second time in {file.name}")
                queries[name] = sql.strip().rstrip(";")
    return queries


def load_migrations(dialect: str) -> dict[int, str]:
    """Return the scripts of storage/migrations/<dialect>/NNNN_*.sql by number, in order."""
    found: dict[int, str] = {}
    for file in (resources.files("storage") / "migrations" / dialect).iterdir():
        if match := _MIGRATION.match(file.name):
            found[int(match[1])] = file.read_text("utf-8")
    if sorted(found) != list(range(1, len(found) + 1)):
        raise ValueError(f"the {dialect} migrations are not numbered 1 to {len(found)}: {sorted(found)}")
    return dict(sorted(found.items()))
