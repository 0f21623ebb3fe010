"""What the embedded runtime remembers: the store and the raw archive, committed together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from storage.raw_archive import RawArchive
from storage.store import Store
from streams.embedded import Round
from streams.records import RawBatch


@dataclass(slots=True)
class StoreKeeper:
    """Implements `streams.embedded.Keeper`."""

    store: Store
    archive: RawArchive
    webhook_ids: Sequence[str] = ()
    _archived: Round | None = field(default=None, init=False)

    def keep(self, work: Round) -> None:
        """Commit a round; a round that is tried again is archived once."""
        if self._archived is not work:
            for batch in work.inputs:
                if isinstance(batch, RawBatch):
                    for chunk in batch.chunks:
                        self.archive.add(chunk)
            self._archived = work
        with self.archive.writing(work.now_us, final=work.final) as segments:
            self.store.commit(
                work.outputs,
                work.snapshots,
                now_us=work.now_us,
                webhook_ids=self.webhook_ids,
                journal=work.journal,
                raw_segments=segments,
            )

    def recall(self) -> tuple[dict[str, list[bytes]], Iterable[bytes]]:
        """Return the last snapshots and the journal since then."""
        return self.store.load_snapshots(), self.store.load_journal()
