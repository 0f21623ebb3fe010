"""A store that may be opened later: whoever serves alerts from memory need not wait for the database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import structlog

from deploy.refusal import Refusal
from storage.postgres import PostgresStore
from storage.postgres.errors import DatabaseAwayError
from storage.store import StorageError, Store

log = structlog.get_logger()


class LateStore:
    """Passes everything on to the store (`storage.store.Store`), once that is there.

    Parameters
    ----------
    make
        Opens it.

    Raises
    ------
    StorageError
        By whatever is asked of it before.
    """

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._store: Store | None = None

    def look(self) -> None:
        """Open it if it is not open, and ask it something cheap. One thread does this."""
        if self._store is None:
            self._store = self._make()
        self._store.commands(1)

    def close(self) -> None:
        """Close it, if it is open."""
        if self._store is not None:
            cast("Any", self._store).close()

    def __getattr__(self, name: str) -> Any:
        if self._store is None:
            raise DatabaseAwayError("the database has not answered yet")
        return getattr(self._store, name)


@contextlib.contextmanager
def late_postgres(url: str) -> Iterator[LateStore]:
    """Open a PostgreSQL database, now or when it is there.

    Raises
    ------
    Refusal
        It is there and cannot be used.
    """
    late = LateStore(lambda: PostgresStore(url))
    try:
        late.look()
    except DatabaseAwayError as error:
        log.warning("beginning without the database", why=str(error))
    except StorageError as error:
        raise Refusal(str(error)) from error
    with contextlib.closing(late):
        yield late
