"""Chunks into the raw archive, beside those who wait for verdicts and alerts."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from storage.raw_archive import RawArchive
from storage.rows import RawSegment
from streams.records import RawChunk

log = structlog.get_logger()

BEAT_S = 1.0
HURRY_BYTES = 32_000_000
"""That no turn waits for longer ..."""
WAITING_BYTES = 64_000_000
"""... and that may wait for the disk; who brings more waits, unless the disk is broken."""


class Archiving:
    """Writes what it is given to an archive, and keeps what was written until its rows are committed.

    A full or broken disk is said in `error` and holds up nobody: what finds no room in the archive's own
    memory is dropped there, and counted. A slow one slows those who bring more than `WAITING_BYTES`.

    Parameters
    ----------
    beside
        In a thread of its own; else whoever adds waits until it is written.
    """

    def __init__(self, archive: RawArchive, *, beside: bool) -> None:
        self.error = ""
        self._archive = archive
        self._changed = threading.Condition()
        self._chunks: list[RawChunk] = []
        self._bytes = 0
        self._now_us = 0
        self._segments: list[RawSegment] = []
        self._ends = False
        self._thread: threading.Thread | None = None
        if beside:
            self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
            self._thread.start()

    def add(self, chunks: Sequence[RawChunk], now_us: int) -> None:
        """Take chunks; at `now_us` the slots before it are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < WAITING_BYTES or self.error)
            self._chunks += chunks
            self._bytes += sum([len(chunk.payload) for chunk in chunks])
            self._now_us = max(self._now_us, now_us)
            self._changed.notify_all()
        if self._thread is None:
            self._turn()

    def written(self) -> list[RawSegment]:
        """Return the segments whose rows are to be committed."""
        with self._changed:
            return list(self._segments)

    def committed(self, segments: Sequence[RawSegment]) -> None:
        """Forget the first segments that `written` gave."""
        with self._changed:
            del self._segments[: len(segments)]

    def close(self) -> None:
        """Write all that is there; their rows are still to be committed."""
        if self._thread is not None:
            with self._changed:
                self._ends = True
                self._changed.notify_all()
            self._thread.join()
        self._turn(is_last=True)

    def _run(self) -> None:
        """Take turns, once a second: each looks through all stations."""
        while not self._ends:
            begin_s = time.monotonic()
            self._turn()
            rest_s = max(0.0, BEAT_S - (time.monotonic() - begin_s))
            with self._changed:
                self._changed.wait_for(lambda: self._bytes > HURRY_BYTES or self._ends, rest_s)

    def _turn(self, *, is_last: bool = False) -> None:
        with self._changed:
            chunks, self._chunks = self._chunks, []
            taken_bytes = self._bytes
            now_us = self._now_us
            is_committed = not self._segments
            if is_committed:
                self._archive.committed()
        segments: list[RawSegment] = []
        try:
            self._archive.add(*chunks)
            segments = self._archive.flush() if is_last else self._archive.due(now_us)
            if is_committed and not segments:
                self._archive.expire(now_us)
        except Exception as error:  # noqa: BLE001 - verdicts and alerts go on whatever the disk does
            if not self.error:
                log.error("cannot archive raw data, trying again", error=str(error))
            self.error = str(error) or type(error).__name__
            segments = self._archive.written()
        else:
            self.error = ""
        with self._changed:
            self._bytes -= taken_bytes
            self._segments += segments
            self._changed.notify_all()
