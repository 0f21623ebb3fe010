"""What readers of other formats have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from gnss.to_rtcm.writer import RtcmWriter


@dataclass(slots=True)
class Heard:
    """What a piece of a stream brought."""

    rtcm: bytes = b""
    """Frames of RTCM 3, in the order of what they were made of."""
    frames: int = 0
    """Valid frames or records of the format."""
    other_frames: int = 0
    """Valid ones that say nothing RTCM is made of."""
    damaged: int = 0
    """Valid ones of observations that contradict themselves or have no time."""
    bad: int = 0
    """Begins of frames that are none."""
    skipped_bytes: int = 0
    """Bytes that belong to no frame."""
    unknown_signals: int = 0
    """Observations of signals or satellites that MSM has no number for."""
    epochs: int = 0
    first_us: int = 0
    """UTC of the first epoch; 0: there was none."""
    time_us: int = 0
    """UTC of the last epoch; 0: there was none."""

    def tell(self, time_us: int) -> None:
        """Count an epoch (UTC)."""
        self.epochs += 1
        self.first_us = self.first_us or time_us
        self.time_us = time_us


NO_SUMS = {"rtcm", "first_us", "time_us", "skipped_bytes"}
COUNTS = tuple(f.name for f in fields(Heard) if f.name not in NO_SUMS)
"""What is summed up over all pieces."""


class Reader(Protocol):
    """Reads one format of one station; keeps less than a frame of bytes."""

    def feed(self, data: bytes, writer: RtcmWriter, near_us: int) -> Heard:
        """Take the next bytes of the stream.

        Parameters
        ----------
        writer
            Makes RTCM of what they say.
        near_us
            UTC near the last epoch, for what comes before the next one.
        """
        ...

    def finish(self, writer: RtcmWriter, near_us: int) -> Heard:
        """End the stream: what waited for more bytes is searched as it is. Another may follow."""
        ...
