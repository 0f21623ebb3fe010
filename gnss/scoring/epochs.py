"""Epochs of one station, in columns, to its report."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US, EpochColumns
from gnss.quality.measure import REGISTERED, TOLD
from gnss.quality.message_set import MessageTable
from gnss.quality.period import StationPeriod
from gnss.quality.period_builder import About, PeriodBuilder
from gnss.quality.registry import Registered
from gnss.quality.score import Finding, Thresholds
from gnss.quality.sky_marks import MARK_US
from gnss.quality.station_facts import MINUTE_US, StationFacts
from gnss.quality.table import BY_MESSAGES, QualityTable
from gnss.rtcm.station import StationMetadata
from gnss.scoring.problems import left_out
from gnss.sky import Sky

Progress = Callable[[float], None]
"""Told the share that is done, 0 to 1."""
PIECE = 512
"""Epochs that are judged between two tellings of the progress."""
MOST_MINUTES = 50_000
"""Of one file: a month."""
LEAST_INTERVAL_S = 0.01
_COLUMNS = tuple(f.name for f in fields(EpochColumns) if f.name != "observations")
_SHORTER = 0.75


class SkyOf(Protocol):
    """Gives the sky, see `gnss.sky.Skies`."""

    def __call__(self, time_us: int) -> Sky | None:
        """Return the sky at a time (UTC, us); None: no ephemeris serves."""
        ...


class NothingToScoreError(ValueError):
    """The file holds nothing that could be judged; the message says why and what to do."""


class EpochScorer:
    """Judges the epochs of one station and sums them up.

    Parameters
    ----------
    interval_s
        Between epochs.
    sky
        Where satellites are at a time (UTC, us); None: not known.
    place_m
        Where the station says that it is (ECEF, m); None: not known. One that is not near the ground is left
        out.
    registered
        What the registry says of it, if anybody gave that. A registered place goes before a told one.
    """

    def __init__(
        self,
        interval_s: float,
        sky: SkyOf | None,
        place_m: tuple[float, float, float] | None,
        thresholds: Thresholds | None = None,
        registered: Registered | None = None,
    ) -> None:
        self.table = QualityTable(thresholds)
        self.row = self.table.add(interval_s)
        self.facts = StationFacts(registered or Registered())
        if place_m is not None:
            self.table.place(self.row, np.array(place_m, np.float64), TOLD)
        if self.facts.registered.ecef_m is not None:
            self.table.place(self.row, np.array(self.facts.registered.ecef_m), REGISTERED)
        self._sky = sky
        self._messages = MessageTable()
        self._messages.begin(self.row, {})
        self._builder = PeriodBuilder(
            self.table, lambda _, time_us: self._findings(time_us), most_minutes=MOST_MINUTES
        )
        self._slot = -1
        self._last_us = NO_TIME_US

    @property
    def is_placed(self) -> bool:
        """Whether it is known where the station is."""
        return bool(self.table.memory.station["placed"][self.row])

    def tell(self, metadata: StationMetadata) -> None:
        """Say what is known of the station from the begin."""
        self.facts.tell(metadata, NO_TIME_US)
        self._judge_facts()

    def hear(self, payload: bytes, epoch_us: int) -> None:
        """Take what the station says of itself (1005 to 1008, 1033), behind the epochs that came before."""
        place_m = self.facts.hear(payload, epoch_us)
        if place_m is not None:
            self.table.tell_place(self.row, np.array(place_m), epoch_us)
        self._judge_facts()

    def count(self, numbers: NDArray[np.int16], epochs_us: NDArray[np.int64]) -> None:
        """Take the numbers of the messages that came, and the epochs with which they came."""
        rows = np.full(len(numbers), self.row, np.int32)
        for change in self._messages.take(rows, numbers, epochs_us):
            self.table.tell_points(self.row, change.points, change.from_us, BY_MESSAGES)

    def _findings(self, time_us: int) -> tuple[Finding, ...]:
        return self.facts.findings(time_us) + self._messages.findings(self.row, time_us)

    def _judge_facts(self) -> None:
        from_us = self.facts.changed_from_us()
        if from_us is not None:
            self.table.tell_points(self.row, self.facts.points, from_us)

    def take(self, epochs: EpochColumns) -> None:
        """Judge the next epochs; their `station` is not read."""
        for begin, end, is_marked in self._pieces(epochs.time_us):
            some = part(epochs, begin, end)
            some.station[:] = self.row
            self._builder.add(self.table.observe(some, self._sky))
            self._last_us = int(some.time_us[-1])
            if is_marked and self._sky is not None:
                last_us = int(some.time_us[-1])
                self._builder.sky_marks(self._sky(last_us), last_us)

    def _pieces(self, time_us: NDArray[np.int64]) -> list[tuple[int, int, bool]]:
        """Cut epochs behind the first one of each five minutes, at which satellites are marked."""
        if not len(time_us):
            return []
        slots = time_us // MARK_US
        marked = np.flatnonzero(np.diff(slots, prepend=self._slot))
        self._slot = int(slots[-1])
        cuts = np.unique(np.concatenate(([0], marked + 1, [len(slots)])))
        is_marked = np.isin(cuts[1:] - 1, marked)
        pairs = itertools.pairwise(cuts.tolist())
        return [(*pair, bool(one)) for pair, one in zip(pairs, is_marked, strict=True)]

    def finish(
        self, about: About, *, frames: int | None = None, bad_frames: int | None = None
    ) -> StationPeriod:
        """Return the report.

        Parameters
        ----------
        frames, bad_frames
            Of the whole file, where more is known of them than epochs tell.

        Raises
        ------
        NothingToScoreError
            No epoch was judged.
        """
        (period,) = self._builder.take({self.row: about})
        if not period.epochs:
            raise NothingToScoreError("no epoch with observations that could be judged")
        judged = {reason.code for reason in period.reasons}
        # what a station tells of itself would count from the next minute on
        late = self.facts.findings(self._last_us + MINUTE_US) + self._messages.findings(
            self.row, self._last_us
        )
        too_late = [one.text for one in late if one.code not in judged]
        return replace(
            period,
            frames=period.frames if frames is None else frames,
            bad_frames=period.bad_frames if bad_frames is None else bad_frames,
            problems=period.problems + left_out(self.table.counts(self.row)) + too_late,
        )


def score_epochs(
    batches: Iterable[EpochColumns],
    *,
    about: About,
    interval_s: float,
    sky: SkyOf | None = None,
    place_m: tuple[float, float, float] | None = None,
    thresholds: Thresholds | None = None,
    registered: Registered | None = None,
) -> StationPeriod:
    """Return the report of one station's epochs.

    Parameters
    ----------
    batches
        Oldest first; the result does not depend on how they are cut.
    interval_s, sky, place_m, registered
        As for `EpochScorer`.

    Raises
    ------
    NothingToScoreError
        No epoch could be judged.
    """
    scorer = EpochScorer(interval_s, sky, place_m, thresholds, registered)
    for epochs in batches:
        scorer.take(epochs)
    return scorer.finish(about)


def part(epochs: EpochColumns, begin: int, end: int) -> EpochColumns:
    """Return some of the epochs, with all observations; `station` is a copy."""
    columns = {name: getattr(epochs, name)[begin:end] for name in _COLUMNS}
    columns["station"] = columns["station"].copy()
    return EpochColumns(observations=epochs.observations, **columns)


def interval_of(time_us: NDArray[np.int64], told_s: float | None = None) -> float:
    """Return the time between epochs in s: what was told, unless epochs come more often; else their median.

    Parameters
    ----------
    time_us
        Of epochs, shape (n,).
    told_s
        By a header; None: not told.
    """
    steps = np.diff(time_us)
    steps = steps[steps > 0]
    median_s = float(np.median(steps)) * 1e-6 if len(steps) else 0.0
    if told_s is not None and told_s >= LEAST_INTERVAL_S and not 0.0 < median_s < _SHORTER * told_s:
        return told_s
    return max(round(median_s, 3), LEAST_INTERVAL_S) if median_s else 1.0
