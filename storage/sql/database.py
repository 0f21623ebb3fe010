"""What the parts of a store need of its database. Queries are named; parameters have names, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

Parameters = Mapping[str, Any]


class Rows(Protocol):
    """Rows of an answer, each a tuple."""

    @property
    def rowcount(self) -> int:
        """How many rows a statement has changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None at the end."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection inside a transaction."""

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Rows:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> object:
        """Run one statement for each set of parameters."""
        ...


class Database(ABC):
    """Base of the parts of a store."""

    _queries: Mapping[str, str]

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Connection]:
        """Write in one transaction, all or nothing."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]:
        """Read from one consistent state."""
