"""Who gets streams now, over all casters that tell each other: a book without I/O.

Each caster keeps its own sessions and what others told of theirs. Which session is one too many follows from
the book alone, so that casters that know the same end the same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from streams import count_sharing
from streams.regions import neighbour_of

Key = tuple[str, int]
WhenFull = Literal["newest", "refuse"]

LEASE_US = count_sharing.LEASE_US
"""After which a session of another caster is over, when that caster says nothing more of it."""
MOST_OTHERS = 200_000
"""Sessions of other casters that are remembered: of this installation, and of other regions, each."""
MOST_ENDED = 50_000
"""Of sessions that are over, by which a page is told what to take away."""


@dataclass(slots=True, eq=False)
class Session:
    """An account gets a stream."""

    caster: str
    number: int
    """Of this caster; no two are the same."""
    account: str
    """Empty where the caster is open to all."""
    mountpoint: str
    """As it was asked for."""
    address: str
    """As coarse as the privacy setting has it."""
    begun_us: int
    n_bytes: int = 0
    longitude: float | None = None
    latitude: float | None = None
    told_us: int = 0
    """When its caster said so last; of those of this caster nothing."""
    base: str = ""
    """The station whose epochs it gets; empty: none at the moment."""
    base_since_us: int = 0
    reason: str = ""
    """Why it has this base and not the one before."""
    quality: int | None = None
    """Of its last GGA; 0: it had no position, None: it sent none."""
    age_s: float | None = None
    """Of its corrections, as its last GGA has it."""
    heard_us: int = 0
    """When it sent a GGA last, to 10 s; 0: never."""
    agent: str = ""
    version: int = 0
    """Of NTRIP."""
    n_epochs: int = 0
    change: int = 0
    """Counts up over the changes of all sessions of this book."""

    @property
    def key(self) -> Key:
        """What stands for it everywhere."""
        return self.caster, self.number

    @property
    def age(self) -> tuple[int, str, int, str]:
        """By which sessions stand in order, the oldest first.

        A caster's own name goes before the way to it, which is another one in each region.
        """
        return self.begun_us, self.caster.rpartition(":")[2], self.number, self.caster

    @property
    def region(self) -> str:
        """Who told of it: a `neighbour_of` here; empty: this installation."""
        return neighbour_of(self.caster)


@dataclass(slots=True)
class Sessions:
    """The book of one caster.

    Parameters
    ----------
    caster
        Its name; no other caster has it.
    number
        Of its next session; one that begins anew under its old name begins above those that it had.
    """

    caster: str
    number: int = 0
    first: int = field(init=False)
    """Number of the first session of this life."""
    left_out: int = 0
    """Of other casters, that were too many to be remembered."""
    _by_key: dict[Key, Session] = field(default_factory=dict)
    _by_account: dict[str, dict[Key, Session]] = field(default_factory=dict)
    _by_caster: dict[str, set[int]] = field(default_factory=dict)
    _others: Counter[bool] = field(default_factory=Counter)
    """Of other casters, by whether they are in other regions: these leave the room of ours alone."""
    _firsts: dict[str, int] = field(default_factory=dict)
    """Number of the first session of each other caster's life."""
    _change: int = 0
    """Of the newest change. The entries of `_by_key` stand in the order of their changes."""
    _ended: deque[tuple[int, Key]] = field(default_factory=lambda: deque(maxlen=MOST_ENDED))

    def __post_init__(self) -> None:
        self.first = self.number

    def begin(self, account: str, mountpoint: str, address: str, now_us: int) -> Session:
        """Enter a session of this caster."""
        session = Session(self.caster, self.number, account, mountpoint, address, now_us)
        self.number += 1
        self._enter(session)
        return session

    def end(self, key: Key) -> Session | None:
        """Strike out a session; None: it was not there."""
        session = self._take_out(key)
        if session is not None:
            self._change += 1
            self._ended.append((self._change, key))
        return session

    def _take_out(self, key: Key) -> Session | None:
        session = self._by_key.pop(key, None)
        if session is None:
            return None
        of_account = self._by_account[session.account]
        del of_account[key]
        if not of_account:
            del self._by_account[session.account]
        of_caster = self._by_caster[session.caster]
        of_caster.remove(session.number)
        if not of_caster:
            del self._by_caster[session.caster]
        self._others[":" in session.caster] -= session.caster != self.caster
        return session

    def take(self, session: Session) -> None:
        """Enter or renew what another caster told of a session of its own."""
        if session.caster == self.caster:  # of its life before
            return
        known = self._take_out(session.key)
        if known is None and self._others[":" in session.caster] >= MOST_OTHERS:
            self.left_out += 1
            return
        self._enter(session)

    def touch(self, session: Session) -> None:
        """Note that a session has changed."""
        if self._by_key.pop(session.key, None) is not None:
            self._by_key[session.key] = session
            self._change += 1
            session.change = self._change

    @property
    def change(self) -> int:
        """Number of the newest change."""
        return self._change

    def changed(self, since: int) -> Iterator[Session]:
        """Yield the sessions that have begun or changed after a change, the newest change first."""
        for session in reversed(self._by_key.values()):
            if session.change <= since:
                return
            yield session

    def ended(self, since: int) -> list[Key] | None:
        """Return what is over after a change; None: that is too long ago to be known."""
        if self._ended and len(self._ended) == MOST_ENDED and self._ended[0][0] > since:
            return None
        return [key for change, key in self._ended if change > since]

    def begin_anew(self, caster: str, first: int) -> None:
        """Strike out what another caster had before it began anew with this number."""
        if self._firsts.get(caster, -1) < first:
            self._firsts[caster] = first
            for number in [number for number in self._by_caster.get(caster, ()) if number < first]:
                self.end((caster, number))

    def forget(self, now_us: int) -> list[Session]:
        """Strike out sessions of casters that have long said nothing of them; return these."""
        lost = [one for one in self.others() if one.told_us + LEASE_US < now_us]
        for one in lost:
            self.end(one.key)
        return lost

    def has_room(self, account: str, most: int) -> bool:
        """Return whether an account may have one more; 0: any number."""
        return not most or self.count(account) < most

    def surplus(self, account: str, most: int, when_full: WhenFull) -> list[Session]:
        """Return the sessions of an account that are too many: the oldest, or by `refuse` the newest."""
        if self.has_room(account, most + 1 if most else 0):
            return []
        in_order = sorted(self._by_account.get(account, {}).values(), key=lambda one: one.age)
        return in_order[:-most] if when_full == "newest" else in_order[most:]

    def newest_region(self, account: str, surplus: Iterable[Session]) -> str:
        """Return the region of the newest session that is not too many; empty: it is of this installation."""
        over = {session.key for session in surplus}
        staying = [session for session in self.of(account) if session.key not in over]
        return max(staying, key=lambda one: one.age).region if staying else ""

    def count(self, account: str) -> int:
        """Return how many sessions an account has."""
        return len(self._by_account.get(account, ()))

    def of(self, account: str) -> Iterable[Session]:
        """Return the sessions of an account."""
        return tuple(self._by_account.get(account, {}).values())

    def every(self) -> list[Session]:
        """Return all sessions, the oldest first."""
        return sorted(self._by_key.values(), key=lambda one: one.age)

    def own(self) -> list[Session]:
        """Return those of this caster."""
        return [one for one in self._by_key.values() if one.caster == self.caster]

    def others(self) -> Iterator[Session]:
        """Yield those of other casters."""
        return (one for one in self._by_key.values() if one.caster != self.caster)

    def _enter(self, session: Session) -> None:
        self._change += 1
        session.change = self._change
        self._by_key[session.key] = session
        self._by_account.setdefault(session.account, {})[session.key] = session
        self._by_caster.setdefault(session.caster, set()).add(session.number)
        self._others[":" in session.caster] += session.caster != self.caster
