"""What of a region's objects its parent was told, and what differs from it now; knows no broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from streams import codec
from streams.describing import InForce, Key, kind_of
from streams.records import Description, Descriptions, Gone
from streams.regions import within


class Due(NamedTuple):
    """What the parent is to be told of an object."""

    key: Key
    value: bytes

    @property
    def name(self) -> bytes:
        """Key of the message: the parent's broker keeps the newest of it."""
        return "/".join(self.key).encode()


@dataclass(slots=True)
class Telling:
    """Compares what a region has with what its parent knows.

    Parameters
    ----------
    region
        Its name.
    known
        What it has.
    translate
        Gives a description as the parent gets it.
    """

    region: str
    known: InForce
    translate: Callable[[Description], Description]
    _told: dict[Key, bytes] = field(default_factory=dict)
    """By the region's own ids."""
    _settled: set[str] = field(default_factory=set)

    @property
    def is_begun(self) -> bool:
        """Whether it is known what is described here."""
        return "" in self._settled

    def told(self, message: bytes) -> None:
        """Learn from the parent's topic what the parent was told."""
        try:
            batch = codec.decode(message)
        except codec.CodecError:  # it is told again
            return
        for one in batch.descriptions if isinstance(batch, Descriptions) else ():
            if name := within(self.region, one.id):
                self._told[kind_of(one), name] = message

    def settle(self, speaker: str) -> list[Due]:
        """Return what is due when all is known that a region below says; empty: what is described here.

        Until then nothing counts as deleted that only it could say.
        """
        self._settled.add(speaker)
        keys = (*self.known, *self._told)
        return self.due(key for key in keys if speaker in ("", self.known.speaker(key)))

    def due(self, keys: Iterable[Key]) -> list[Due]:
        """Return what the parent does not know of these objects."""
        found = []
        for key in dict.fromkeys(keys):
            if not {"", self.known.speaker(key)} <= self._settled:
                continue
            wanted, before = self.translate(self.known.get(key)), self._told.get(key)
            value = codec.encode(Descriptions(descriptions=[wanted]))
            if value != before and not (before is None and isinstance(wanted, Gone)):
                found.append(Due(key, value))
        return found

    def arrived(self, some: Iterable[Due]) -> None:
        """Note that the parent has this."""
        self._told.update(some)
