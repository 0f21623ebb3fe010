"""Replay: captures of a station go in as if the station were live, in their own time or as fast as can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from connectors.gatherer import StationIntake
from gnss.capture import reference_time, split_for_replay
from streams.stream_state import StreamState

MAX_FILE_BYTES = 256_000_000
_PIECES_AT_A_TIME = 64

Piece = tuple[int | None, bytes]
"""Time of the epoch (None before the first one) and the bytes that belong to it."""


class ReplayError(Exception):
    """A capture cannot be replayed: one sentence that says what to do."""


class ReplayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is replayed, and how fast."""

    paths: tuple[Path, ...]
    """Captures of one station, oldest first."""
    station_id: str
    speed: float | None = 1.0
    """Times real time; None is as fast as possible."""
    date_us: int | None = None
    """Roughly when the first capture was made: RTCM tells no week."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("there is nothing to replay; name a capture")
        if self.speed is not None and not self.speed > 0:
            raise ValueError(f"speed {self.speed} is not possible; write a number above 0")

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return ", ".join(path.name for path in self.paths)


async def run(
    config: ReplayConfig,
    intake: StationIntake,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Replay until the end; the last chunk carries `end_of_stream`.

    Parameters
    ----------
    config
        What, and how fast.
    intake
        Takes the bytes, without receiving times: a recording has none.
    state
        The one that `intake` counts in; it says what goes on.
    clock_us
        Wall clock, UTC, for `state`.
    progress
        Called with the bytes done and the bytes in all.

    Raises
    ------
    ReplayError
        A capture cannot be read or is too large. Nothing has been replayed then.
    """
    try:
        total = sum([_size(path) for path in config.paths])
        state.enter("streaming", clock_us())
        await _Player(config, intake, total, progress).play()
        intake.finish()
        state.enter("finished", clock_us())
    except ReplayError as error:
        state.enter("stopped", clock_us(), str(error))
        raise
    finally:
        if state.phase == "streaming":
            state.enter("stopped", clock_us())


class _Player:
    def __init__(
        self,
        config: ReplayConfig,
        intake: StationIntake,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._config = config
        self._intake = intake
        self._total = total
        self._done = 0
        self._progress = progress
        self._last_epoch_us: int | None = None
        self._due_s = 0.0

    async def play(self) -> None:
        self._due_s = asyncio.get_running_loop().time()
        file_us = 0
        held: tuple[bytes, int] | None = None  # the last piece of all must be known as such
        for path in self._config.paths:
            buffer, modified_us = await asyncio.to_thread(_read, path)
            date_us = self._config.date_us
            if date_us is not None and self._last_epoch_us is not None:
                date_us = self._last_epoch_us  # the date is that of the first capture
            file_us, _ = await asyncio.to_thread(
                reference_time, buffer, date_us=date_us, modified_us=modified_us
            )
            pieces = split_for_replay(buffer, file_us)
            while some := await asyncio.to_thread(_next_pieces, pieces):
                for epoch_us, data in some:
                    if held is not None:
                        await self._send(*held)
                    await self._pace(epoch_us)
                    held = data, file_us if epoch_us is None else epoch_us
        data, reference_us = held or (b"", file_us)
        await self._send(data, reference_us, end_of_stream=True)

    async def _send(self, data: bytes, reference_us: int, *, end_of_stream: bool = False) -> None:
        await self._intake.replay(data, reference_us, end_of_stream=end_of_stream)
        self._done += len(data)
        if self._progress is not None:
            self._progress(self._done, self._total)

    async def _pace(self, epoch_us: int | None) -> None:
        """Wait until the epoch is due; time that goes back in the capture takes none."""
        speed = self._config.speed
        if epoch_us is None:
            return
        if speed is not None and self._last_epoch_us is not None:
            self._due_s += max(0, epoch_us - self._last_epoch_us) / 1e6 / speed
            await _sleep_until(self._due_s)
        self._last_epoch_us = epoch_us


async def _sleep_until(due_s: float) -> None:
    await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))


def _next_pieces(pieces: Iterator[Piece]) -> list[Piece]:
    return list(islice(pieces, _PIECES_AT_A_TIME))


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
        readable = path.is_file()
    except OSError as error:
        raise ReplayError(f"cannot read {path}: {error.strerror}; name a readable capture") from error
    if not readable:
        raise ReplayError(f"cannot read {path}: it is not a file; name a capture")
    if size > MAX_FILE_BYTES:
        raise ReplayError(
            f"{path} has {size // 1_000_000} MB, more than the {MAX_FILE_BYTES // 1_000_000} MB that are "
            "read at once; split it into several files and name them in order"
        )
    return size


def _read(path: Path) -> tuple[bytes, int]:
    try:
        return path.read_bytes(), path.stat().st_mtime_ns // 1000
    except OSError as error:
        raise ReplayError(f"cannot read {path}: {error.strerror}; name a readable capture") from error
