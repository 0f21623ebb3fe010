"""The embedded runtime's memory: a store and a raw archive, committed together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from storage.raw_archive import RawArchive
from storage.rows import RawSegment
from storage.store import StorageError, Store
from streams.records import RawBatch
from streams.rounds import Round

log = structlog.get_logger()


class StoreKeeper:
    """Implements `streams.rounds.Keeper`.

    A full or broken disk under the raw archive does not hold up alerts: it is said in `archive_error`, the
    raw data wait in memory (bounded) and are written when it can be. A store that cannot commit does hold
    up everything, since nothing may be acknowledged then.
    """

    def __init__(self, store: Store, archive: RawArchive | None, webhook_ids: Sequence[str] = ()) -> None:
        self.archive_error = ""
        self._store = store
        self._archive = archive
        self._webhook_ids = tuple(webhook_ids)
        self._added: Round | None = None
        self._segments: list[RawSegment] = []

    def keep(self, work: Round) -> None:
        """Commit the round; the same round may come again after an error."""
        if self._archive is not None:
            if work is not self._added:
                for batch in work.inputs:
                    if isinstance(batch, RawBatch):
                        for chunk in batch.chunks:
                            self._archive.add(chunk)
                self._added = work
            self._collect(self._archive, work.now_us)
        self._store.commit(
            [*work.inputs, *work.outputs],
            work.snapshots,
            now_us=work.now_us,
            webhook_ids=self._webhook_ids,
            journal=work.journal,
            raw_segments=self._segments,
        )
        self._segments.clear()
        self._added = None

    def recall(self) -> tuple[dict[str, list[bytes]], list[bytes]]:
        """Return the last snapshots and the journal since then, oldest first."""
        return self._store.load_snapshots(), self._store.load_journal()

    def stored(
        self, datastream_id: str, time_us: NDArray[np.int64], value: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return which of these samples are in the store with this value (NaN: without one)."""
        times = time_us.tolist()
        known = self._store.values_at(datastream_id, times)
        wanted = [None if math.isnan(v) else v for v in value.tolist()]
        return np.array([t in known and known[t] == v for t, v in zip(times, wanted, strict=True)], np.bool_)

    def close(self) -> None:
        """Write and commit the raw data that are still in memory. Call it when the runtime has stopped."""
        if self._archive is None:
            return
        self._collect(self._archive, None)
        self._store.commit((), None, now_us=0, raw_segments=self._segments)
        self._segments.clear()
        self._archive.close()

    def _collect(self, archive: RawArchive, now_us: int | None) -> None:
        try:
            self._segments.extend(archive.flush() if now_us is None else archive.due(now_us))
        except (OSError, StorageError) as error:
            if not self.archive_error:
                log.error("cannot archive raw data, trying again", error=str(error))
            self.archive_error = str(error)
        else:
            self.archive_error = ""
