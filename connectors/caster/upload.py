"""What a rover sends behind its request: where it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from gnss.ntrip.gga_reader import GgaReader, RoverPosition


@dataclass(slots=True)
class UploadCounters:
    """For `/metrics`, of all rovers."""

    sentences: int = 0
    """GGA sentences that were understood."""
    bad: int = 0
    """GGA sentences with a wrong checksum or wrong fields."""
    garbage_bytes: int = 0
    """What belongs to no sentence."""


@dataclass(slots=True)
class Upload:
    """Of one rover."""

    position: RoverPosition | None = None
    """The last that it told."""
    is_heard: bool = False
    """It has sent a sentence, perhaps one without a position."""
    reader: GgaReader = field(default_factory=GgaReader)
    """Counts what it has sent."""

    def take(self, data: bytes, counters: UploadCounters) -> RoverPosition | None:
        """Take bytes and count them; return the position if they tell one."""
        reader = self.reader
        sentences, bad, garbage_bytes = reader.sentences, reader.bad, reader.garbage_bytes
        position = reader.feed(data)
        counters.sentences += reader.sentences - sentences
        counters.bad += reader.bad - bad
        counters.garbage_bytes += reader.garbage_bytes - garbage_bytes
        self.is_heard |= reader.sentences > 0
        if position is not None:
            self.position = position
        return position
