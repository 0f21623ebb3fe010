"""What one topic's messages become in another Kafka, and how far that has come; knows no broker.

Each message tells its maker (region, topic, partition) and its place (where it was read), so that readers
there leave out what a bridge sends again after a kill (`origin.py`). What was made twice before it was read
goes over once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from gnss.quality.period_codec import PeriodError
from streams import codec
from streams.kafka.history import History
from streams.kafka.origin import Origin, Origins, origin_of
from streams.kafka.output import Message
from streams.kafka.reader import Read
from streams.partitions import RecordTooLargeError, pieces
from streams.records import AlertTransitions, Record
from streams.topics import ALERTS, COMMAND_OUTCOMES, Topic

log = structlog.get_logger()

MAKERS_KEPT = 128
"""Of a partition, in what is written down of a passage."""
_WITH_MARKERS = (ALERTS, COMMAND_OUTCOMES)
"""Written in transactions: the numbers of their messages have gaps."""


class _Place(msgspec.Struct, array_like=True):
    next_offset: int
    origins: dict[str, tuple[int, int]]


class _Saved(msgspec.Struct):
    cluster: str
    run: int
    places: dict[int, _Place]
    past: int = 0
    """Where the history of alerts ends; 0: all of it has gone over."""


@dataclass(slots=True)
class PassageHealth:
    """Counts of a passage, for `/metrics`."""

    messages: int = 0
    """That were read."""
    repeated: int = 0
    """Of these, left out: made twice."""
    unreadable: int = 0
    """Left out: a newer program's, or damaged."""
    too_large: int = 0
    """Records that do not fit into a message with their longer ids."""
    lost: int = 0
    """Deleted before they could be read: they had waited for too long."""
    restarts: int = 0
    """How often the topic began anew."""
    historic: int = 0
    """Steps of alerts from before the bridge began that call nobody."""


@dataclass(slots=True)
class Passage:
    """A topic on its way.

    Parameters
    ----------
    name
        Among all passages into the same Kafka.
    source
        What is read.
    target
        Where it goes: a topic's name at the broker, with as many partitions as `source` has.
    translate
        Gives a batch as the other side gets it, or None.
    """

    name: str
    source: Topic
    target: str
    translate: Callable[[Record], Record | None]
    copied: tuple[str, Callable[[Record], Record | None]] | None = None
    """A second topic like `target`, and what of a translated batch goes there, too."""
    health: PassageHealth = field(default_factory=PassageHealth)
    history: History | None = None
    """Of alerts: has to note what was before, in front of the first `take`. None: all is told as it is."""
    _cluster: str = ""
    _run: int = 0
    _next: dict[int, int] = field(default_factory=dict)
    _origins: dict[int, Origins] = field(default_factory=dict)

    def begin(self, cluster: str, saved: bytes | None) -> None:
        """Go on where `saved` says, or with the oldest message.

        Parameters
        ----------
        cluster
            Id of the Kafka that is read: another one's offsets mean nothing.
        saved
            What `save` gave; None: nothing has gone over yet.
        """
        self._cluster, self._run, self._next, self._origins = cluster, 0, {}, {}
        self.history = History() if self.source is ALERTS else None
        if saved is None:
            return
        try:
            before = msgspec.msgpack.decode(saved, type=_Saved)
        except msgspec.MsgspecError as error:  # what goes over once more is recognised by its keys
            log.error("how far a bridge has come is damaged: it begins anew", name=self.name, why=str(error))
            return
        if before.cluster != cluster:
            log.warning("the Kafka is another one: its topic is read from the beginning", name=self.name)
            return
        self._run = before.run
        for partition, place in before.places.items():
            self._next[partition] = place.next_offset
            self._origins[partition] = Origins(place.origins)
        self.history = History(before.past) if before.past else None

    def offsets(self) -> dict[str, dict[int, int]]:
        """Return where to read on, as a `Reader` takes it."""
        return {self.source.name: dict(self._next)}

    def take(self, read: Sequence[Read]) -> list[Message]:
        """Return what becomes of messages, which are the next of their partitions."""
        made: list[Message] = []
        for one in read:
            self._look(one.partition, one.offset)
            if self.history is not None and one.offset >= self.history.end:
                self.history = None
            self._next[one.partition] = one.offset + 1
            self.health.messages += 1
            origins = self._origins.setdefault(one.partition, Origins())
            if not origins.is_new(origin_of(one.headers)):
                self.health.repeated += 1
                continue
            made += self._messages(one)
        return made

    def save(self) -> bytes:
        """Return what is to be written down when everything that was made has arrived."""
        places = {
            partition: _Place(offset, dict(list(self._origins[partition].last.items())[-MAKERS_KEPT:]))
            for partition, offset in self._next.items()
        }
        past = 0 if self.history is None else self.history.end
        return msgspec.msgpack.encode(_Saved(self._cluster, self._run, places, past))

    def _look(self, partition: int, offset: int) -> None:
        """Notice what is missing, and a topic that was deleted and made anew."""
        expected = self._next.get(partition)
        if expected is None or offset == expected:
            return
        if offset < expected:
            self._run += 1
            self.health.restarts += 1
            self._origins.pop(partition, None)
            self.history = None
            log.error("a topic began anew", name=self.name, partition=partition, offset=offset)
        elif self.source not in _WITH_MARKERS:
            self.health.lost += offset - expected
            log.error("messages were deleted before they were read", name=self.name, count=offset - expected)

    def _messages(self, one: Read) -> list[Message]:
        try:
            batch = self.translate(self._late(codec.decode(one.value)))
            found = [] if batch is None else [(self.target, piece) for piece in pieces(batch)]
            if self.copied is not None and batch is not None:
                name, chosen = self.copied
                copy = chosen(batch)
                found += [] if copy is None else [(name, piece) for piece in pieces(copy)]
        except (codec.CodecError, PeriodError) as error:  # the writer there parks it
            self.health.unreadable += 1
            log.error("a message cannot be read", name=self.name, offset=one.offset, why=str(error))
            return []
        except RecordTooLargeError as error:
            self.health.too_large += 1
            log.error("a message cannot travel", name=self.name, offset=one.offset, why=str(error))
            return []
        maker = f"{self.name}/{self._cluster}.{self._run}/{one.partition}"
        return [
            Message(target, one.partition, piece, Origin(maker, one.offset, number).headers())
            for number, (target, piece) in enumerate(found)
        ]

    def _late(self, batch: Record) -> Record:
        """Return a batch as it is told so late."""
        if self.history is None or not isinstance(batch, AlertTransitions):
            return batch
        marked, changed = self.history.marked(batch)
        self.health.historic += changed
        return marked
