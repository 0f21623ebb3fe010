"""How much each account has had, kept in a file so that a restart gives nothing away."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import structlog

from connectors.caster.volumes import Volume, Volumes

log = structlog.get_logger()

KEEP_S = 60.0
FILE = "volumes"
MOST_CASTERS = 256


class _Kept(msgspec.Struct, frozen=True):
    caster: str
    volumes: dict[str, Volume]


@contextlib.asynccontextmanager
async def keeping(volumes: Volumes, file: Path) -> AsyncIterator[None]:
    """Take back what was kept under the same name, and keep it each minute and at the end of the block."""
    kept = _read(file)
    if kept is not None and kept.caster == volumes.caster:
        for account, volume in kept.volumes.items():
            volumes.take(kept.caster, account, volume)
    task = asyncio.create_task(_keep(volumes, file), name="volumes")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        _write(volumes, file)


@contextlib.contextmanager
def own_file(folder: Path) -> Iterator[Path]:
    """Yield a file that no other process has: several casters may keep theirs in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        for number in range(MOST_CASTERS):
            file = folder / (f"{FILE}-{number}" if number else FILE)
            lock = stack.enter_context(file.with_suffix(".lock").open("wb"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        yield file


def name_of(file: Path) -> str:
    """Return the name of the caster whose volumes are kept there, or one that no other caster has."""
    kept = _read(file)
    return uuid.uuid4().hex[:12] if kept is None else kept.caster


async def _keep(volumes: Volumes, file: Path) -> None:
    while True:
        await asyncio.sleep(KEEP_S)
        _write(volumes, file)


def _read(file: Path) -> _Kept | None:
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.error("the volumes of accounts cannot be read: they begin anew", file=str(file), error=str(error))
        return None


def _write(volumes: Volumes, file: Path) -> None:
    """Replace the file, whole or not at all."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(new, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(msgspec.msgpack.encode(_Kept(volumes.caster, dict(volumes.own()))))
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except OSError as error:  # rovers are served all the same
        log.error("the volumes of accounts cannot be kept", file=str(file), error=str(error))
