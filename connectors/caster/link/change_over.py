"""Which gatherer's frames of a station go to the rovers, when several have it. No I/O.

The first that brings something leads; the others' frames are left out until it has been silent for a while or
its connection is lost. What goes on is whole epochs, so that those of two gatherers never mix in one. A new
leader's frames that the rovers have had from the one before, or that are older, are left out.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.caster.link.whole_epochs import frame_ends, observed_at_ms

SILENT_S = 2.5
"""Then another gatherer leads: the station's stream may have broken at the first one."""
REMEMBERED = 4
"""Epochs of a station that are kept for a comparison."""
AWAY_S = 60.0
"""A leader that has been away for so long has nothing in common with what comes then."""


WEEK_MS = 604_800_000


@dataclass(slots=True)
class _Leading:
    """Of one station."""

    gatherer: str
    last_s: float
    sent: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    is_new: int = 0
    """How many epochs of a new leader are still to be compared."""


@dataclass(slots=True)
class ChangeOver:
    """Decides for all stations of a caster.

    Parameters
    ----------
    publish
        Takes a station's id and the frames for its rovers.
    clock_s
        Monotonic.
    """

    publish: Callable[[str, bytes], None]
    clock_s: Callable[[], float]
    changes: int = 0
    """How often another gatherer began to lead a station."""
    left_out_bytes: int = 0
    """Of frames that others than the leader brought, or that rovers have had."""
    _leading: dict[str, _Leading] = field(default_factory=dict)

    def take(self, gatherer: str, station_id: str, frames: bytes) -> None:
        """Take an epoch of a station that a gatherer brought."""
        now_s = self.clock_s()
        leading = self._leading.get(station_id)
        if leading is None:
            leading = self._leading[station_id] = _Leading(gatherer, now_s)
        elif leading.gatherer != gatherer:
            silent_s = now_s - leading.last_s
            if leading.gatherer and silent_s < SILENT_S:
                self.left_out_bytes += len(frames)
                return
            leading.gatherer = gatherer
            leading.is_new = REMEMBERED if silent_s < AWAY_S else 0
            self.changes += 1
        leading.last_s = now_s
        if leading.is_new:
            new = b"" if _is_older(frames, leading.sent) else _without(frames, leading.sent)
            self.left_out_bytes += len(frames) - len(new)
            frames = new
        if frames:
            leading.is_new = max(leading.is_new - 1, 0)
            leading.sent.append(frames)
            self.publish(station_id, frames)

    def lost(self, gatherer: str) -> None:
        """The connection to a gatherer is lost: any other, or the same again, leads at once."""
        for leading in self._leading.values():
            if leading.gatherer == gatherer:
                leading.gatherer = ""

    def keep_only(self, station_ids: set[str]) -> None:
        """Forget all stations but these."""
        for gone in self._leading.keys() - station_ids:
            del self._leading[gone]


def _is_older(frames: bytes, sent: deque[bytes]) -> bool:
    """Say whether an epoch comes a little before what was sent; a receiver that restarts may go back far."""
    newest: dict[int, int] = {}
    for epoch in sent:
        newest |= observed_at_ms(epoch)
    for system, time_ms in observed_at_ms(frames).items():
        if system in newest:
            return 0 < (newest[system] - time_ms) % WEEK_MS < 1000 * AWAY_S
    return False


def _without(frames: bytes, sent: deque[bytes]) -> bytes:
    """Return the frames that none of some epochs has."""
    known = {frame for epoch in sent for frame in _split(epoch)}
    return b"".join(frame for frame in _split(frames) if frame not in known)


def _split(frames: bytes) -> list[bytes]:
    ends = [0, *frame_ends(frames)]
    return [frames[begin:end] for begin, end in itertools.pairwise(ends)]
