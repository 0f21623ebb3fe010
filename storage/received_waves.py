"""The waveforms that belong to stored samples, for who reads them in the order of their receipt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from storage.rows import Page, ReceivedSamples, Waveform
from streams.sample_extras import Waves

_PAGE = 1000


class WaveStore(Protocol):
    """What is asked of a store (`storage.store.Store`)."""

    def waveforms(
        self, datastream_id: str, start_us: int, end_us: int, *, limit: int = 100, after: str | None = None
    ) -> Page[Waveform]:
        """Return waveforms that begin in the range, oldest first."""
        ...


def with_waves(store: WaveStore, datastream_ids: Sequence[str], start_us: int, end_us: int) -> frozenset[int]:
    """Return the places of those that have waveforms in a time."""
    return frozenset(
        place
        for place, name in enumerate(datastream_ids)
        if store.waveforms(name, start_us, end_us, limit=1).items
    )


def waves_of(
    store: WaveStore, datastream_ids: Sequence[str], samples: ReceivedSamples, having: frozenset[int]
) -> Waves | None:
    """Return the waveforms of samples; None: they have none.

    Parameters
    ----------
    having
        The places of datastreams that are looked at.
    """
    found: dict[int, Waveform] = {}
    for place in sorted(having.intersection(np.unique(samples.series).tolist())):
        own = np.flatnonzero(samples.series == place)
        times_us = samples.time_us[own].tolist()
        row_at = dict(zip(times_us, own.tolist(), strict=True))
        for wave in _every(store, datastream_ids[place], min(times_us), max(times_us) + 1):
            if wave.time_us in row_at:
                found[row_at[wave.time_us]] = wave
    if not found:
        return None
    rows = sorted(found)
    values = [np.array(found[row].values, np.float64) for row in rows]  # None becomes NaN
    return Waves(
        rows=np.array(rows, np.int64),
        step_us=np.array([found[row].step_us for row in rows], np.float64),
        ends=np.cumsum([len(one) for one in values], dtype=np.int64),
        value=np.concatenate(values),
    )


def _every(store: WaveStore, name: str, start_us: int, end_us: int) -> Iterator[Waveform]:
    after: str | None = None
    while True:
        page = store.waveforms(name, start_us, end_us, limit=_PAGE, after=after)
        yield from page.items
        if (after := page.next) is None:
            return
