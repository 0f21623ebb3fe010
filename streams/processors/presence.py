"""Samples in; which series that promised a period say nothing any more, and which speak again, out.

A series has been heard when a sample of it was received, whatever its own time or value. Its time is over
when period and grace have gone by since. That is worked out for each series from its own times alone, so that
it depends neither on who else speaks nor on how the input is cut. While nobody listened, time stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.model import Datastream, ObservedProperty, Promise
from streams.call_records import Presences, Resumed, SeriesPresence
from streams.catalogue import PropertyDefinition
from streams.definitions import DatastreamDefinition
from streams.network_records import Decisions
from streams.objects import Objects, catalogue_base, sensors_base
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Changes, Record, SampleBatch
from streams.topics import PRESENCES, REGISTRY, SAMPLES, Topic

_UNHEARD_US = -1
DEFAULT_PERIOD_S = 3600.0
"""Of a property that the catalogue does not have any more."""


class _Series(msgspec.Struct, array_like=True):
    datastream_id: str
    heard_us: int
    is_silent: bool


class _State(msgspec.Struct, array_like=True):
    now_us: int
    series: list[_Series]


class Presence:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    properties
        The catalogue, for periods.
    datastreams
        Of the registry; those with a promise are watched.
    """

    name = "presence"
    reads: tuple[Topic, ...] = (SAMPLES, REGISTRY, PRESENCES)
    writes: tuple[Topic, ...] = (PRESENCES,)

    def __init__(self, properties: Iterable[ObservedProperty], datastreams: Iterable[Datastream]) -> None:
        base = catalogue_base(properties) | sensors_base(datastreams)
        self._objects = Objects(base, ("datastream", "property"))
        self._now_us = 0
        self._silences = 0
        self._index: dict[str, int] = {}
        self._watched: list[tuple[str, DatastreamDefinition, Promise]] = []
        self._within_us: NDArray[np.int64] = np.empty(0, np.int64)
        self._heard_us: NDArray[np.int64] = np.empty(0, np.int64)
        """Not heard and not waited for yet: `_UNHEARD_US`."""
        self._is_silent: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._arrange({})

    def on_batch(self, batch: Record) -> Outputs:
        """Take samples, changes of series, and that the program begins again."""
        if isinstance(batch, SampleBatch):
            return _told(self._hear(batch))
        if isinstance(batch, Changes):
            return _told(self._change(batch))
        if isinstance(batch, Resumed):
            self._resume(batch.now_us)
            return []
        if isinstance(batch, Presences | Decisions):  # what was said before; not about samples
            return []
        raise TypeError(f"{self.name} does not read {type(batch).__name__}")

    def on_time(self, now_us: int) -> Outputs:
        """Look whose time is over."""
        self._now_us = max(self._now_us, now_us)
        self._begin(now_us)
        due_us = self._heard_us + self._within_us
        late = np.flatnonzero((due_us < now_us) & ~self._is_silent)
        self._is_silent[late] = True
        return _told([self._record(i, int(due_us[i]), is_silent=True) for i in late.tolist()])

    def on_end(self) -> Outputs:
        """The end of the input is nobody's silence."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return when each series was heard last."""
        series = [
            _Series(name, int(self._heard_us[i]), bool(self._is_silent[i])) for name, i in self._index.items()
        ]
        return split([self._objects.snapshot(), msgspec.msgpack.encode(_State(self._now_us, series))])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back a snapshot; what the registry does not have any more is dropped."""
        for piece in join(chunks):
            if not self._objects.restored(piece):
                state = msgspec.msgpack.decode(piece, type=_State)
                self._now_us = state.now_us
                self._arrange({one.datastream_id: (one.heard_us, one.is_silent) for one in state.series})

    def counts(self) -> dict[str, int]:
        """How often a series fell silent; newer changes."""
        return {"silences": self._silences, "unreadable_changes": self._objects.unreadable}

    def _hear(self, batch: SampleBatch) -> list[SeriesPresence]:
        if not len(batch):
            return []
        if not self._index:
            self._now_us = max(self._now_us, int(batch.received_at_us.max()))
            return []
        self._begin(int(batch.received_at_us[0]))
        self._now_us = max(self._now_us, int(batch.received_at_us.max()))
        index = np.array([self._index.get(name, -1) for name in batch.datastream_ids], np.int64)
        of = index[batch.series]
        rows = np.flatnonzero(of >= 0)
        rows = rows[np.lexsort((batch.received_at_us[rows], of[rows]))]
        if not len(rows):
            return []
        of, at_us = of[rows], batch.received_at_us[rows]
        is_first = np.append(True, of[1:] != of[:-1])
        before_us = np.where(is_first, self._heard_us[of], np.append(0, at_us[:-1]))
        due_us = before_us + self._within_us[of]
        was_silent = is_first & self._is_silent[of]
        found: list[SeriesPresence] = []
        for row in np.flatnonzero((at_us > due_us) | was_silent).tolist():
            i = int(of[row])
            self._heard_us[i] = before_us[row]
            if not was_silent[row]:
                found.append(self._record(i, int(due_us[row]), is_silent=True))
            self._heard_us[i] = max(at_us[row], before_us[row])
            found.append(self._record(i, int(self._heard_us[i]), is_silent=False))
        np.maximum.at(self._heard_us, of, at_us)
        self._is_silent[of] = False
        return found

    def _change(self, changes: Changes) -> list[SeriesPresence]:
        taken = self._objects.take(changes)
        if not taken:
            return []
        self._now_us = max(self._now_us, *(change.at_us for change in changes.changes))
        found = []
        for kind, identity in taken:
            i = self._index.get(identity) if kind == "datastream" else None
            if i is not None and self._is_silent[i] and self._promise(identity) is None:
                found.append(self._record(i, self._now_us, is_silent=False))
        known = {name: (int(self._heard_us[i]), bool(self._is_silent[i])) for name, i in self._index.items()}
        self._arrange(known)
        self._begin(self._now_us)
        return found

    def _resume(self, now_us: int) -> None:
        """Let the time since the last one that is known count for nobody."""
        if self._now_us and now_us > self._now_us:
            waited_for = (self._heard_us != _UNHEARD_US) & ~self._is_silent
            self._heard_us[waited_for] += now_us - self._now_us
            self._now_us = now_us

    def _begin(self, now_us: int) -> None:
        """Wait from now on for those that were not heard yet."""
        self._heard_us[self._heard_us == _UNHEARD_US] = now_us

    def _arrange(self, known: dict[str, tuple[int, bool]]) -> None:
        """Make the columns of all series that are watched."""
        self._index, self._watched = {}, []
        within_us: list[int] = []
        rows: list[tuple[int, bool]] = []
        for identity, made in self._objects.all("datastream", DatastreamDefinition):
            promise = self._promise(identity)
            if promise is None:
                continue
            self._index[identity] = len(rows)
            self._watched.append((identity, made, promise))
            within_us.append(round(within_s(made, promise, self._objects) * 1e6))
            rows.append(known.get(identity, (_UNHEARD_US, False)))
        self._within_us = np.array(within_us, np.int64)
        self._heard_us = np.array([heard_us for heard_us, _ in rows], np.int64)
        self._is_silent = np.array([is_silent for _, is_silent in rows], np.bool_)

    def _promise(self, identity: str) -> Promise | None:
        made = self._objects.find("datastream", identity, DatastreamDefinition)
        return None if made is None or made.paused else made.promise

    def _record(self, i: int, at_us: int, *, is_silent: bool) -> SeriesPresence:
        identity, made, promise = self._watched[i]
        self._silences += is_silent
        return SeriesPresence(
            datastream_id=identity,
            name=made.name or identity,
            is_silent=is_silent,
            heard_us=int(self._heard_us[i]),
            at_us=at_us,
            within_s=int(self._within_us[i]) * 1e-6,
            level=promise.level,
            gateway=promise.gateway,
        )


def within_s(made: DatastreamDefinition, promise: Promise, objects: Objects) -> float:
    """Return within how long a series is to be heard, in s."""
    observed = objects.find("property", made.property, PropertyDefinition)
    usual_s = DEFAULT_PERIOD_S if observed is None else observed.sampling_period_s
    return (promise.period_s or usual_s) + promise.grace_s


def _told(found: list[SeriesPresence]) -> Outputs:
    found.sort(key=lambda one: (one.at_us, one.datastream_id))
    return [Presences(presences=found)] if found else []
