"""Makes rehearsals for the page, one at a time and each in a process of its own, and keeps what came of them.

A folder has three files of each: what it is (`ID.about`), the rules that were given (`ID.toml`) and what came
of it (`ID.json`). Of too many the oldest go.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import re
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from dashboards.rehearsals import RefusedError, RehearsalAnswer, RehearsalBody, RehearsalState
from deploy.rehearsal_process import Order
from deploy.settings import ServerSettings, Settings

log = structlog.get_logger()

MOST_KEPT = 50
LONGEST_S = 6 * 3600.0
ENDED_S = 5.0
"""So long an ended process may take to be gone."""
_ID = re.compile(r"[0-9a-f]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROGRESS = re.compile(rb"[01]\.\d{3}")


class _Result(msgspec.Struct):
    counts: dict[str, int]


class RehearsalFolder:
    """Implements `dashboards.rehearsals.RehearsalDesk`. Lives in the event loop's thread.

    Parameters
    ----------
    settings
        Whose rules are those of today.
    data
        What the one-process program has stored; None: the settings name a database.
    folder
        Where results are kept; it is made when there is something to keep.
    clock_us
        Microseconds of UTC since 1970.
    """

    def __init__(
        self, settings: Settings, data: Path | None, folder: Path, clock_us: Callable[[], int]
    ) -> None:
        self._settings, self._data, self._folder, self._clock_us = _needed(settings), data, folder, clock_us
        self._entries: dict[str, RehearsalAnswer] = {}
        self._task: asyncio.Task[None] | None = None
        self._running = ""
        self._load()

    def listed(self) -> list[RehearsalAnswer]:
        """Return all, the newest first."""
        return list(reversed(self._entries.values()))

    def result(self, rehearsal_id: str) -> bytes | None:
        """Return what came of one; None: nothing is kept. From any thread."""
        entry = self._entries.get(rehearsal_id)
        if entry is None or entry.state != "done":
            return None
        try:
            return self._path(rehearsal_id, "json").read_bytes()
        except OSError:
            return None

    async def begin(self, wanted: RehearsalBody, name: str, by: str) -> RehearsalAnswer:
        """Begin one, unless another one is made."""
        if self._task is not None and not self._task.done():
            raise RefusedError("Another rehearsal is being made: wait until it is done, or cancel it.")
        entry = RehearsalAnswer(
            id=uuid.uuid4().hex, name=name, by=by, state="running", progress=0.0, message="",
            at=_EPOCH + timedelta(microseconds=self._clock_us()), start=wanted.start, end=wanted.end,
            sites=list(wanted.sites), other_rules=bool(wanted.rules.strip()), as_measured=wanted.as_measured,
            counts={},
        )  # fmt: skip
        rules = self._path(entry.id, "toml") if entry.other_rules else None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if rules is not None:
                rules.write_text(wanted.rules, encoding="utf-8")
            self._put(entry)
        except OSError as error:
            raise RefusedError(f"Nothing can be kept here ({error}): look at the disk.") from error
        self._make_room()
        order = Order(
            self._settings, self._data, _us(wanted.start), _us(wanted.end), rules, list(wanted.sites),
            wanted.as_measured,
        )  # fmt: skip
        self._running = entry.id
        self._task = asyncio.create_task(self._make(entry.id, order), name="rehearsal")
        return entry

    async def cancel(self, rehearsal_id: str) -> bool:
        """End one that is made."""
        if self._running != rehearsal_id or self._task is None:
            return False
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._running:  # it had not even begun
            self._settle(self._running, "cancelled")
            self._running = ""
        return True

    async def forget(self, rehearsal_id: str) -> bool:
        """End one if it is made, and keep nothing of it."""
        if rehearsal_id not in self._entries:
            return False
        await self.cancel(rehearsal_id)
        self._remove(rehearsal_id)
        return True

    async def close(self) -> None:
        """End what is made."""
        if self._running:
            await self.cancel(self._running)

    # --- one --------------------------------------------------------------------------------------------

    async def _make(self, name: str, order: Order) -> None:
        part = self._path(name, "part")
        try:
            async with asyncio.timeout(LONGEST_S):
                why = await self._run(name, order, part)
            if why:
                self._settle(name, "failed", message=why)
            else:
                counts = msgspec.json.decode(part.read_bytes(), type=_Result).counts
                part.rename(self._path(name, "json"))
                self._settle(name, "done", progress=1.0, counts=counts)
        except TimeoutError:
            self._settle(name, "failed", message=f"It took longer than {LONGEST_S / 3600:g} h.")
        except asyncio.CancelledError:
            self._settle(name, "cancelled")
            raise
        except Exception as error:
            log.exception("a rehearsal cannot be made")
            self._settle(name, "failed", message=f"An error of this program: {error!r}"[:300])
        finally:
            self._running = ""
            part.unlink(missing_ok=True)

    async def _run(self, name: str, order: Order, part: Path) -> str:
        """Run the process; return why nothing came of it, or an empty text."""
        with part.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "deploy.rehearsal_process",
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C ends it by us
            )
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(pickle.dumps(order))
                await process.stdin.drain()
                process.stdin.close()
            last = ""
            async for line in _lines(process.stderr):
                if _PROGRESS.fullmatch(line):
                    self._advance(name, float(line))
                elif line:
                    last = line.decode("utf-8", "replace")
            status = await process.wait()
        finally:
            await _ended(process)
        if status == 0:
            return ""
        if last.startswith("! "):
            return last[2:302]
        return f"It ended with status {status}{f': {last[:200]}' if last else ''}."

    def _advance(self, name: str, progress: float) -> None:
        self._entries[name] = msgspec.structs.replace(self._entries[name], progress=min(progress, 1.0))

    def _settle(
        self,
        name: str,
        state: RehearsalState,
        *,
        message: str = "",
        progress: float | None = None,
        counts: dict[str, int] | None = None,
    ) -> None:
        entry = self._entries[name]
        progress = entry.progress if progress is None else progress
        self._put(
            msgspec.structs.replace(
                entry, state=state, message=message, progress=progress, counts=counts or {}
            )
        )

    # --- the folder -------------------------------------------------------------------------------------

    def _load(self) -> None:
        found = []
        for path in self._folder.glob("*.about"):
            try:
                entry = msgspec.json.decode(path.read_bytes(), type=RehearsalAnswer)
            except (OSError, msgspec.DecodeError) as error:
                log.warning("a kept rehearsal cannot be read", path=str(path), error=str(error))
                continue
            if _ID.fullmatch(entry.id) and path.stem == entry.id:
                found.append(entry)
        for entry in sorted(found, key=lambda one: one.at):
            self._entries[entry.id] = entry
            if entry.state == "running":
                self._path(entry.id, "part").unlink(missing_ok=True)
                self._settle(entry.id, "failed", message="The program was stopped meanwhile.")
        self._make_room()

    def _put(self, entry: RehearsalAnswer) -> None:
        self._entries[entry.id] = entry
        new = self._path(entry.id, "new")
        new.write_bytes(msgspec.json.encode(entry))
        new.rename(self._path(entry.id, "about"))

    def _make_room(self) -> None:
        while len(self._entries) > MOST_KEPT:
            self._remove(next(iter(self._entries)))

    def _remove(self, name: str) -> None:
        del self._entries[name]
        for suffix in ("json", "toml", "about"):
            self._path(name, suffix).unlink(missing_ok=True)

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}.{suffix}"


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines; what is longer than any of ours comes in parts."""
    while not stream.at_eof():
        try:
            yield (await stream.readuntil()).strip()
        except asyncio.IncompleteReadError as error:
            yield error.partial.strip()
        except asyncio.LimitOverrunError as error:
            yield (await stream.read(error.consumed)).strip()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Let a process be gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDED_S):
                await process.wait()


def _needed(settings: Settings) -> Settings:
    """Return what rehearsals read of settings: no passwords but the database's."""
    return Settings(
        server=ServerSettings(data=settings.server.data),
        database=settings.database,
        thing=settings.thing,
        network=settings.network,
    )


def _us(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
