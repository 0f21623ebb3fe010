"""What a catalogue asks of a store: since when and until when there is something, and what was revised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

StationTable = Literal["reports", "figures", "periods"]
"""Verdicts by second, figures by minute, hours."""


@dataclass(frozen=True, slots=True)
class Extent:
    """From when to when there is something, microseconds of UTC."""

    begin_us: int
    """Where rows have expired: the begin of the first sum of them."""
    end_us: int
    """Time of the newest row."""


@dataclass(frozen=True, slots=True)
class RevisedSpan:
    """Samples of a datastream over a stretch of time that were not left as they were judged first."""

    series: int
    """Place in the list that was asked for."""
    begin_us: int
    """Time of the first of them."""
    end_us: int
    """And of the last."""
    settled: int
    """Samples whose flags the next sample of the series settled."""
    by_network: int
    """Samples whose flags their neighbours in a network decided."""
    late: int
    """Samples that came after newer ones."""
    received_us: int
    """When the last of them was received."""


class ExtentQuestions(Protocol):
    """The part of a store that the catalogue asks."""

    def series_extents(self, keys: Sequence[int]) -> Mapping[int, Extent]:
        """Return the extents of series by number (`SeriesRow.key`); one without samples is absent."""
        ...

    def station_extents(self, table: StationTable) -> Mapping[str, Extent]:
        """Return the extents of stations by id; one of which nothing is stored is absent."""
        ...

    def alert_extent(self) -> Extent | None:
        """Return when the first and the newest alert were opened; None: there is none."""
        ...

    def revised_spans(
        self, keys: Sequence[int], start_us: int, end_us: int, length_us: int, *, limit: int
    ) -> list[RevisedSpan]:
        """Return what was revised of some series, by stretches of this length, oldest first."""
        ...
