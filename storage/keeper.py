"""The embedded runtime's memory: a store and a raw archive, committed together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.archiving import Archiving
from storage.raw_archive import RawArchive
from storage.rows import RawSegment
from storage.store import Store
from streams.records import RawBatch
from streams.rounds import Round


class StoreKeeper:
    """Implements `streams.rounds.Keeper`.

    A full or broken disk under the raw archive does not hold up alerts: it is said in `archive_error`, the
    raw data wait in memory (bounded) and are written when it can be. A store that cannot commit does hold
    up everything, since nothing may be acknowledged then.

    Parameters
    ----------
    beside
        Whether raw data are written beside the rounds, as a live program needs it; their rows are committed
        with a later round.
    """

    def __init__(
        self,
        store: Store,
        archive: RawArchive | None,
        webhook_ids: Sequence[str] = (),
        *,
        beside: bool = False,
    ) -> None:
        self._store = store
        self._archive = archive
        self._archiving = Archiving(archive, beside=beside) if archive is not None else None
        self._webhook_ids = tuple(webhook_ids)
        self._added: Round | None = None

    @property
    def archive_error(self) -> str:
        """Why raw data cannot be archived right now; empty when all is well."""
        return self._archiving.error if self._archiving is not None else ""

    def keep(self, work: Round) -> None:
        """Commit the round; the same round may come again after an error."""
        segments: list[RawSegment] = []
        if self._archiving is not None:
            chunks = [one for batch in work.inputs if isinstance(batch, RawBatch) for one in batch.chunks]
            self._archiving.add([] if work is self._added else chunks, work.now_us)
            self._added = work
            segments = self._archiving.written()
        self._store.commit(
            [*work.inputs, *work.outputs],
            work.snapshots,
            now_us=work.now_us,
            webhook_ids=self._webhook_ids,
            journal=work.journal,
            raw_segments=segments,
        )
        if self._archiving is not None:
            self._archiving.committed(segments)
        self._added = None

    def recall(self) -> tuple[dict[str, list[bytes]], list[bytes]]:
        """Return the last snapshots and the journal since then, oldest first."""
        return self._store.load_snapshots(), self._store.load_journal()

    def stored(
        self,
        datastream_ids: Sequence[str],
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return which of these samples are in the store with this value (NaN: without one)."""
        names, times = [datastream_ids[i] for i in series.tolist()], time_us.tolist()
        asked: dict[str, list[int]] = {}
        for name, t in zip(names, times, strict=True):
            asked.setdefault(name, []).append(t)
        known = self._store.values_at(asked)
        wanted = [None if math.isnan(v) else v for v in value.tolist()]
        return np.array(
            [
                name in known and t in known[name] and known[name][t] == v
                for name, t, v in zip(names, times, wanted, strict=True)
            ],
            np.bool_,
        )

    def close(self) -> None:
        """Write and commit the raw data that are still in memory. Call it when the runtime has stopped."""
        if self._archive is None or self._archiving is None:
            return
        self._archiving.close()
        self._store.commit((), None, now_us=0, raw_segments=self._archiving.written())
        self._archive.close()
