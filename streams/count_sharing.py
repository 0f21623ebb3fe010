"""Sessions and volumes on their way along the regions: what is told up and down, and what is believed.

Pure. A caster's id gets the region's name at each step up, and `..` at each step down; an account's loses or
gets the `..`, so that everybody counts the same. Nothing is remembered but what bounds a region: sessions are
told again each minute, and of volumes the greatest holds, so nothing lost or repeated leaves a wrong count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from streams.records import AccountVolume, CasterSessions, CasterVolumes, Record, SessionRecord
from streams.regions import Share, from_above, qualified, steps_above, to_above, within

LEASE_US = 150_000_000
"""After which a session is over, when its caster says nothing more of it."""
AHEAD_US = 60_000_000
"""So far ahead the clock of another region may be."""
SHARES = 60
"""Into which each caster divides accounts, to tell their volumes."""
MOST_CASTERS = 500
"""Of one region with all below it."""
MOST_SESSIONS = 50_000
MOST_OF_ACCOUNT = 5_000
"""Sessions of one account: each caster puts them in order again and again."""
MOST_VOLUMES = 50_000
MOST_BYTES = 10**18
DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CASTER = re.compile(r"([a-z0-9][a-z0-9-]{0,30}:){0,8}[\w.-]{1,64}")

Counts = CasterSessions | CasterVolumes
MayHave = Callable[[str], bool]


def counts_up(batch: Counts, region: str, rule: Share) -> Counts | None:
    """Return what the parent gets of what a caster here or below says; None: nothing.

    Accounts that were registered here are nothing for the parent, which does not know them.
    """
    if steps_above(batch.caster) or rule == "none":
        return None
    return _changed(batch, qualified(region, batch.caster), to_above, is_bare=rule == "coarsened")


def counts_down(batch: Counts, region: str, may_have: MayHave) -> Counts | None:
    """Return what a region below gets of what a caster elsewhere says; None: nothing.

    It gets to know that an account has a session, since when and in which region, and no more.
    """
    if within(region, batch.caster) is not None:
        return None
    return _changed(batch, batch.caster, lambda one: one if may_have(one) else None, is_bare=True)


def counts_in(batch: Counts, region: str) -> Counts | None:
    """Return what the parent said, as the region understands it; None: it is of the region itself."""
    if within(region, batch.caster) is not None:
        return None
    return _changed(batch, from_above(batch.caster), from_above)


def is_late(batch: Counts, now_us: int) -> bool:
    """Return whether what is said of present sessions is too old to be told."""
    return isinstance(batch, CasterSessions) and batch.told_us + LEASE_US < now_us


def without_present(batch: Counts) -> Counts:
    """Return what holds of what was told too long ago: what has ended stays ended."""
    return msgspec.structs.replace(batch, present=[]) if isinstance(batch, CasterSessions) else batch


@dataclass(slots=True)
class Guard:
    """What is believed of the counts that one region below tells: of its own casters, and so many.

    Parameters
    ----------
    region
        Its name, with which its casters' ids have to begin.
    may_have
        Whether it may have an account: of others it cannot say anything.
    """

    region: str
    may_have: MayHave
    refused: Counter[str] = field(default_factory=Counter)
    """What was left out, by reason: caster, account, late, future, damaged, many, not counted."""
    _told: dict[str, dict[int, tuple[int, str]]] = field(default_factory=dict)
    """When each session was told last, and its account, by caster and number."""
    _n_sessions: int = 0
    _n_of: Counter[str] = field(default_factory=Counter)
    """Sessions of each account."""
    _sizes: dict[tuple[str, int], int] = field(default_factory=dict)
    """Accounts of each caster's share."""
    _n_volumes: int = 0
    _casters: set[str] = field(default_factory=set)
    _firsts: dict[str, int] = field(default_factory=dict)

    def __call__(self, batch: Record, now_us: int) -> Counts | None:
        """Return what is believed of a message; None: nothing."""
        if not isinstance(batch, CasterSessions | CasterVolumes):
            self.refused["damaged"] += 1
            return None
        if not self._knows(batch.caster):
            self.refused["caster"] += 1
            return None
        if isinstance(batch, CasterVolumes):
            return self._volumes(batch, now_us)
        return self._sessions(batch, now_us)

    def emptied(self, batch: Record) -> CasterVolumes | None:
        """Return what takes the place of volumes where nothing of the region is to count."""
        self.refused["not counted"] += 1
        if not isinstance(batch, CasterVolumes) or not (0 <= batch.share < SHARES):
            return None
        return msgspec.structs.replace(batch, volumes=[]) if self._knows(batch.caster) else None

    def forget(self, now_us: int) -> None:
        """Forget sessions of which nothing more was said."""
        for caster, told in list(self._told.items()):
            self._end(told, [number for number, (us, _) in told.items() if us + LEASE_US < now_us])
            if not told:
                del self._told[caster]

    def _knows(self, caster: str) -> bool:
        if caster in self._casters:
            return True
        own = within(self.region, caster)
        if own is None or len(self._casters) >= MOST_CASTERS or not _CASTER.fullmatch(own):
            return False
        self._casters.add(caster)
        return True

    def _sessions(self, batch: CasterSessions, now_us: int) -> CasterSessions | None:
        told = self._told.setdefault(batch.caster, {})
        self._end(told, batch.ended)
        if self._firsts.get(batch.caster, 0) < batch.first:
            self._firsts[batch.caster] = batch.first
            self._end(told, [number for number in told if number < batch.first])
        if is_late(batch, now_us):
            self.refused["late"] += len(batch.present)
            return msgspec.structs.replace(batch, present=[])
        believed = [one for one in batch.present if self._believes(one, batch, told, now_us)]
        return msgspec.structs.replace(batch, present=believed)

    def _end(self, told: dict[int, tuple[int, str]], numbers: Iterable[int]) -> None:
        for number in numbers:
            if (known := told.pop(number, None)) is not None:
                self._count(known[1], -1)

    def _count(self, account: str, n: int) -> None:
        self._n_sessions += n
        self._n_of[account] += n
        if not self._n_of[account]:
            del self._n_of[account]

    def _believes(
        self, one: SessionRecord, batch: CasterSessions, told: dict[int, tuple[int, str]], now_us: int
    ) -> bool:
        if not self.may_have(one.account):
            reason = "account"
        elif one.begun_us > now_us + AHEAD_US:
            reason = "future"
        elif one.number < batch.first or one.n_bytes < 0:
            reason = "damaged"
        elif one.number not in told and (
            self._n_sessions >= MOST_SESSIONS or self._n_of[one.account] >= MOST_OF_ACCOUNT
        ):
            reason = "many"
        else:
            self._end(told, [one.number])
            self._count(one.account, 1)
            told[one.number] = now_us, one.account
            return True
        self.refused[reason] += 1
        return False

    def _volumes(self, batch: CasterVolumes, now_us: int) -> CasterVolumes | None:
        if not 0 <= batch.share < SHARES:
            self.refused["damaged"] += len(batch.volumes)
            return None
        believed = [one for one in batch.volumes if self._counts(one, now_us)]
        key = batch.caster, batch.share
        n_volumes = self._n_volumes - self._sizes.get(key, 0) + len(believed)
        if n_volumes > MOST_VOLUMES:
            self.refused["many"] += len(believed)
            return None
        self._sizes[key], self._n_volumes = len(believed), n_volumes
        return msgspec.structs.replace(batch, volumes=believed) if believed or not batch.volumes else None

    def _counts(self, one: AccountVolume, now_us: int) -> bool:
        day, month = periods(now_us + AHEAD_US)
        if not self.may_have(one.account):
            reason = "account"
        elif one.day > day or one.month > month:
            reason = "future"
        elif not (0 <= one.day_bytes <= MOST_BYTES and 0 <= one.month_bytes <= MOST_BYTES):
            reason = "damaged"
        else:
            return True
        self.refused[reason] += 1
        return False


def _changed(
    batch: Counts, caster: str, account_of: Callable[[str], str | None], *, is_bare: bool = False
) -> Counts | None:
    """Return counts under other ids, without the accounts that get none."""
    if isinstance(batch, CasterVolumes):
        volumes = [
            msgspec.structs.replace(one, account=name)
            for one in batch.volumes
            if (name := account_of(one.account)) is not None
        ]
        if batch.volumes and not volumes:
            return None
        return msgspec.structs.replace(batch, caster=caster, volumes=volumes)
    present = _present(batch.present, account_of, is_bare=is_bare)
    if batch.present and not present and not batch.ended:
        return None
    return msgspec.structs.replace(batch, caster=caster, present=present)


def _present(
    records: Sequence[SessionRecord], account_of: Callable[[str], str | None], *, is_bare: bool
) -> list[SessionRecord]:
    named = [(one, account_of(one.account)) for one in records]
    if not is_bare:
        return [msgspec.structs.replace(one, account=name) for one, name in named if name is not None]
    return [
        SessionRecord(
            number=one.number, account=name, mountpoint="", address="", begun_us=one.begun_us,
            n_bytes=one.n_bytes,
        )
        for one, name in named
        if name is not None
    ]  # fmt: skip


def periods(time_us: int) -> tuple[int, int]:
    """Return the day since 1970 and the month since the year 0, in UTC."""
    day = time_us // DAY_US
    date = _EPOCH + timedelta(days=day)
    return day, date.year * 12 + date.month - 1
