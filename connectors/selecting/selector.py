"""Which of a station's sources goes on, and which of its epochs. No I/O and no clock.

Sources are compared by what they bring, not by what their connections say: an epoch that is newer than those
before is a sign of life, how late it comes is compared with other sources, and what is missing between two
epochs is lost. A source that stands before is taken again when it has been as good for a while. No epoch goes
on that is not newer than the one before, whichever source brings it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from connectors.caster.roaming.station_messages import is_newer
from gnss.rtcm.msm_layout import MS_PER_DAY
from streams.station_sources import ChangeOver

Why = Literal["order", "stall", "late", "loss", "better", "gone", "reference"]
"""`gone`: the source was paused or taken away; `reference`: another source tells another place."""

FIRST_S = 30.0
"""That the first source has to bring something after the start, where no other one does."""
COLD_S = 10.0
"""After which a cold source that was called and brings nothing is not waited for: the next is called, too."""
LEAST_STALL_S = 1.0
LEAST_INTERVAL_S = 0.02
AWAY_S = 60.0
"""A source, or a station, that brought nothing new for so long may come back with another time."""
AHEAD_S = 5.0
"""Epochs that come so long before their time are those of a wrong clock: as bad as if they came late."""
OPEN_S = 0.5
"""That the end of an epoch is waited for before another source takes over."""
SOON = 10.0
"""A source that fails within so many times `better_for_s` of its return is waited for longer then."""
MOST_PATIENCE = 16
_INTERVALS = 8
_LAG_SHARE = 0.3
"""Of the newest epoch in what is known of a source's lag."""
_RETURN = 0.5
"""A source that is taken again is no worse than this share of what would make it left."""


class Changed(NamedTuple):
    """Another source was chosen."""

    before: str
    after: str
    why: Why
    text: str
    """The same in words, with figures."""


@dataclass(slots=True, eq=False)
class _Source:
    name: str
    is_cold: bool
    joined_s: float
    last_s: float | None = None
    """When an epoch came last that was new of it."""
    last_ms: int = 0
    lag_s: float = 0.0
    """How late its epochs come."""
    loss: float = 0.0
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=_INTERVALS))
    good_since_s: float | None = None
    better_since_s: float | None = None
    better_why: Why = "late"
    called_s: float | None = None
    """Since when a cold one is wanted."""


@dataclass(slots=True, eq=False)
class Selector:
    """Of one station. Times are seconds of one monotonic clock; they never go back.

    Parameters
    ----------
    limits
        When another source takes over.
    interval_s
        Between the station's epochs, until its sources show it.
    """

    limits: ChangeOver
    interval_s: float
    chosen: str = ""
    why: Why = "order"
    text: str = "the first in order"
    since_s: float = 0.0
    changes: list[Changed] = field(default_factory=list)
    """Since they were last taken away by the caller."""
    _sources: dict[str, _Source] = field(default_factory=dict)
    """In order."""
    _begun_s: float | None = None
    """When anything came first."""
    _sent_ms: int = 0
    _sent_s: float | None = None
    _open_since_s: float | None = None
    """The chosen source's epoch is not whole yet."""
    _patience: int = 1

    def set_sources(self, sources: Sequence[tuple[str, bool]], now_s: float) -> None:
        """Say which sources there are.

        Parameters
        ----------
        sources
            In order, each with whether it is connected on call only (the first never is).
        """
        before = self._sources
        self._sources = {}
        for place, (name, is_cold) in enumerate(sources):
            source = before.get(name) or _Source(name, False, now_s)
            source.is_cold = is_cold and place > 0
            self._sources[name] = source
        if not before:
            self.chosen, self.since_s = next(iter(self._sources), ""), now_s
        elif self.chosen not in self._sources:
            alive = [one for one in self._sources.values() if self._brings(one, now_s)]
            other = next(iter(alive or self._sources.values()), None)
            if other is not None:
                self._change(other, "gone", f"{self.chosen} was paused or taken away", now_s)

    def take(self, name: str, time_ms: int, lag_s: float, now_s: float) -> bool:
        """Take the begin of an epoch; return whether the epoch goes on.

        What belongs to an epoch that was begun goes as its begin did, as long as its source is chosen.

        Parameters
        ----------
        name
            Its source.
        time_ms
            Its time, ms of GPS time's day.
        lag_s
            From then to its arrival, by our clock.
        """
        source = self._sources.get(name)
        if source is None:
            return False
        if _is_old(time_ms, source.last_ms, source.last_s, now_s):
            return False
        self._note(source, time_ms, lag_s, now_s)
        self.look(now_s)
        if name != self.chosen:
            return False
        if _is_old(time_ms, self._sent_ms, self._sent_s, now_s):
            return False
        self._sent_ms, self._sent_s = time_ms, now_s
        self._open_since_s = now_s
        return True

    def whole(self, name: str) -> None:
        """The epoch that a source began is whole."""
        if name == self.chosen:
            self._open_since_s = None

    def is_called(self, name: str) -> bool:
        """Return whether a source is to be connected now."""
        source = self._sources.get(name)
        return source is not None and (
            not source.is_cold or name == self.chosen or source.called_s is not None
        )

    def look(self, now_s: float) -> None:
        """Let time pass: change over if it is time. To be called now and then where sources are cold."""
        chosen = self._sources.get(self.chosen)
        if chosen is None:
            return
        if self._is_silent(chosen, now_s):
            self._leave_silent(chosen, now_s)
        elif self._open_since_s is None or now_s - self._open_since_s > OPEN_S:
            self._compare(chosen, now_s)

    # --- a source that brings nothing --------------------------------------------------------------------

    def _leave_silent(self, chosen: _Source, now_s: float) -> None:
        for other in self._sources.values():
            if other is not chosen and self._brings(other, now_s):
                silent_s = now_s - (chosen.joined_s if chosen.last_s is None else chosen.last_s)
                self._change(other, "stall", f"{chosen.name} brought nothing for {silent_s:.1f} s", now_s)
                return
        for other in self._sources.values():  # the cold ones are called one after the other
            if other.is_cold and other is not chosen:
                if other.called_s is None:
                    other.called_s = now_s
                if now_s - other.called_s < COLD_S:
                    return

    def _is_silent(self, source: _Source, now_s: float) -> bool:
        if source.last_s is not None:
            return now_s - source.last_s > self._stall_s(source)
        if self._begun_s is None:
            return now_s - source.joined_s > FIRST_S
        return now_s - max(self._begun_s, source.joined_s) > self._stall_s(source)

    def _brings(self, source: _Source, now_s: float) -> bool:
        return source.last_s is not None and not self._is_silent(source, now_s)

    def _stall_s(self, source: _Source) -> float:
        known = source.intervals_s
        interval_s = min(known) if known else self._least_interval_s()
        return max(self.limits.stall_epochs * interval_s, LEAST_STALL_S)

    def _least_interval_s(self) -> float:
        known = [min(one.intervals_s) for one in self._sources.values() if one.intervals_s]
        return min(known, default=self.interval_s)

    # --- sources that bring something --------------------------------------------------------------------

    def _note(self, source: _Source, time_ms: int, lag_s: float, now_s: float) -> None:
        """Enter an epoch that is new of its source."""
        if lag_s < -AHEAD_S:
            lag_s = -lag_s
        if source.last_s is None or now_s - source.last_s >= AWAY_S:
            source.loss, source.lag_s = 0.0, lag_s
            source.intervals_s.clear()
            source.good_since_s = source.better_since_s = None
        else:
            if self._is_silent(source, now_s):  # a stall, which is no loss
                source.good_since_s = source.better_since_s = None
            else:
                self._note_loss(source, (time_ms - source.last_ms) % MS_PER_DAY / 1000.0)
            source.lag_s += _LAG_SHARE * (lag_s - source.lag_s)
        source.last_s, source.last_ms = now_s, time_ms
        if self._begun_s is None:
            self._begun_s = now_s

    def _note_loss(self, source: _Source, step_s: float) -> None:
        source.intervals_s.append(step_s)
        n = max(round(step_s / max(self._least_interval_s(), LEAST_INTERVAL_S)), 1)
        kept = math.exp(-min(step_s, AWAY_S) / self.limits.loss_over_s)
        source.loss = source.loss * kept + (1.0 - kept) * (n - 1) / n

    def _compare(self, chosen: _Source, now_s: float) -> None:
        is_before = True
        for other in self._sources.values():
            if other is chosen:
                is_before = False
                continue
            other.called_s = None  # there is no need of a cold one
            if not self._brings(other, now_s):
                other.good_since_s = other.better_since_s = None
                continue
            why = self._worse(chosen, other, 1.0)
            if not why:
                other.better_since_s = None
            elif other.better_since_s is None or other.better_why != why:
                other.better_since_s, other.better_why = now_s, why
            if not is_before or self._worse(other, chosen, _RETURN):
                other.good_since_s = None
            elif other.good_since_s is None:
                other.good_since_s = now_s
        if now_s - self.since_s >= self.limits.hold_s:
            self._take_better(chosen, now_s)

    def _take_better(self, chosen: _Source, now_s: float) -> None:
        limits = self.limits
        for other in self._sources.values():
            since_s = other.better_since_s
            if since_s is not None and now_s - since_s >= limits.worse_for_s:
                self._change(other, other.better_why, _compared(chosen, other), now_s)
                return
        for other in self._sources.values():
            since_s = other.good_since_s
            if since_s is not None and now_s - since_s >= limits.better_for_s * self._patience:
                self._change(
                    other, "better", f"{other.name} has been good for {now_s - since_s:.0f} s", now_s
                )
                return

    def _worse(self, one: _Source, other: _Source, share: float) -> Why | None:
        """Return in what one source is worse than another by this share of the limits."""
        if one.lag_s - other.lag_s > share * self.limits.late_s:
            return "late"
        return "loss" if one.loss - other.loss > share * self.limits.loss_share else None

    def _change(self, after: _Source, why: Why, text: str, now_s: float) -> None:
        names = list(self._sources)
        is_left_soon = now_s - self.since_s < SOON * self.limits.better_for_s * self._patience
        if why == "better":
            pass
        elif self.why == "better" and is_left_soon and self.chosen in names:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        elif not is_left_soon:
            self._patience = 1
        self.changes.append(Changed(self.chosen, after.name, why, text))
        self.chosen, self.why, self.text, self.since_s = after.name, why, text, now_s
        self._open_since_s = None
        for one in self._sources.values():
            one.good_since_s = one.better_since_s = one.called_s = None


def _is_old(time_ms: int, than_ms: int, than_s: float | None, now_s: float) -> bool:
    """Say whether an epoch is not newer than another one that came not long ago."""
    return than_s is not None and now_s - than_s < AWAY_S and not is_newer(time_ms, than_ms)


def _compared(chosen: _Source, other: _Source) -> str:
    if other.better_why == "late":
        return f"{chosen.name} came {chosen.lag_s - other.lag_s:.1f} s later than {other.name}"
    return f"{chosen.name} lost {chosen.loss:.0%} of its epochs, {other.name} {other.loss:.0%}"
