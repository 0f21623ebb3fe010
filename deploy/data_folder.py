"""The folder that a process keeps its data in: one process at a time, and refusals in words."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from deploy.refusal import Refusal
from storage.sqlite import SqliteStore
from storage.store import StorageError


def database(folder: Path) -> Path:
    """Return the file of the rows."""
    return folder / "groundswell.sqlite"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and hold it against other processes.

    Raises
    ------
    Refusal
        It cannot be written, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise Refusal(
            f"cannot write to the data folder {folder} ({(error.strerror or str(error)).lower()}); "
            "choose another with --data DIR"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal(
                f"the data folder {folder} is in use by another groundswell; "
                "stop that one or choose another folder with --data DIR"
            ) from error
        yield


@contextlib.contextmanager
def refusing_damage(folder: Path) -> Iterator[None]:
    """Turn what the store cannot do at the start into a refusal."""
    try:
        yield
    except StorageError as error:
        raise Refusal(str(error)) from error
    except sqlite3.Error as error:
        raise Refusal(
            f"the database {database(folder)} cannot be used ({error}); "
            "put a copy of it back, or choose another folder with --data DIR"
        ) from error


def open_store(folder: Path, *, behind: bool = False) -> SqliteStore:
    """Open the rows; `behind`: somebody tidies it once a second (see `SqliteStore`).

    Raises
    ------
    Refusal
        The file is damaged, not a database, of a newer program, or cannot be written.
    """
    with refusing_damage(folder):
        return SqliteStore(database(folder), behind=behind)
