"""What casters tell each other of their sessions and volumes, without I/O.

A session is told when it begins and when it ends, and again each minute while it lasts; a caster that heard
nothing of it for `session_book.LEASE_US` strikes it out. So nothing that is lost on the way,
and no caster that dies, leaves a wrong count for long.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.caster.admission import Admission
from connectors.caster.session_book import Session, Sessions
from connectors.caster.volumes import Volume, Volumes
from streams import count_sharing
from streams.records import AccountVolume, CasterSessions, CasterVolumes, Record, SessionRecord

SHARES = count_sharing.SHARES
"""Sessions and accounts are divided into so many; one is told again each second."""
MOST_OF_MESSAGE = 1000
"""Sessions or accounts of one record."""
_SECOND_US = 1_000_000


@dataclass(slots=True)
class Telling:
    """What one caster has to tell."""

    admission: Admission
    _first_untold: int = 0
    """Number of the first session that was never told."""
    _change: int = 0
    """Of the book, up to which sessions were told."""
    _is_begin: bool = True
    _second: int | None = None
    """Up to which shares were told again."""
    _told: dict[int, int] = field(default_factory=dict)
    """Hash of the volumes of a share, as they were told last."""

    def due(self, now_us: int) -> list[Record]:
        """Return what is to be told now; to be called each second or more often."""
        second = now_us // _SECOND_US
        before = second - 1 if self._second is None else max(self._second, second - SHARES)
        shares = {share % SHARES for share in range(before + 1, second + 1)}
        self._second = second
        return [*self._sessions(shares, now_us), *self._volumes(shares)]

    def _sessions(self, shares: set[int], now_us: int) -> Iterator[CasterSessions]:
        book = self.admission.sessions
        ended = [number for _, number in self.admission.ended]
        self.admission.ended.clear()
        untold, self._first_untold = self._first_untold, book.number
        change, self._change = self._change, book.change
        present = [
            _record(session)
            for session in self.admission.present
            if session.number >= untold or session.change > change or session.number % SHARES in shares
        ]
        if self._is_begin:  # what it had in its life before is over, also when nothing has begun
            self._is_begin = False
            yield CasterSessions(caster=book.caster, first=book.first, present=[], ended=[], told_us=now_us)
        for begin in range(0, max(len(present), len(ended)), MOST_OF_MESSAGE):
            end = begin + MOST_OF_MESSAGE
            yield CasterSessions(
                caster=book.caster, first=book.first, present=present[begin:end],
                ended=ended[begin:end], told_us=now_us,
            )  # fmt: skip

    def _volumes(self, shares: set[int]) -> Iterator[CasterVolumes]:
        if not shares:
            return
        volumes = self.admission.volumes
        due: dict[int, list[tuple[str, Volume]]] = {share: [] for share in shares}
        for account, volume in volumes.own():
            share = zlib.crc32(account.encode("utf-8", "surrogatepass")) % SHARES
            if share in due:
                due[share].append((account, volume))
        for share, found in due.items():
            mark = hash(tuple(found))
            if self._told.get(share, hash(())) == mark:
                continue
            self._told[share] = mark
            records = [
                AccountVolume(
                    account=account,
                    day=one.day,
                    day_bytes=one.day_bytes,
                    month=one.month,
                    month_bytes=one.month_bytes,
                )
                for account, one in found
            ]
            yield CasterVolumes(caster=volumes.caster, share=share, volumes=records)


def hear(record: Record, sessions: Sessions, volumes: Volumes | None, now_us: int) -> set[str]:
    """Enter what a caster told; return the accounts whose sessions are to be looked at."""
    changed: set[str] = set()
    if isinstance(record, CasterSessions) and record.caster != sessions.caster:
        sessions.begin_anew(record.caster, record.first)
        for number in record.ended:
            sessions.end((record.caster, number))
        for one in record.present:
            sessions.take(_session(record.caster, one, now_us))
            changed.add(one.account)
    elif isinstance(record, CasterVolumes) and volumes is not None:
        for told in record.volumes:
            volume = Volume(told.day, told.day_bytes, told.month, told.month_bytes)
            volumes.take(record.caster, told.account, volume)
    return changed


def _record(session: Session) -> SessionRecord:
    return SessionRecord(
        number=session.number,
        account=session.account,
        mountpoint=session.mountpoint,
        address=session.address,
        begun_us=session.begun_us,
        n_bytes=session.n_bytes,
        longitude=session.longitude,
        latitude=session.latitude,
        base=session.base,
        base_since_us=session.base_since_us,
        reason=session.reason,
        quality=session.quality,
        age_s=session.age_s,
        heard_us=session.heard_us,
        agent=session.agent,
        version=session.version,
        n_epochs=session.n_epochs,
    )


def _session(caster: str, told: SessionRecord, now_us: int) -> Session:
    return Session(
        caster=caster,
        number=told.number,
        account=told.account,
        mountpoint=told.mountpoint,
        address=told.address,
        begun_us=told.begun_us,
        n_bytes=told.n_bytes,
        longitude=told.longitude,
        latitude=told.latitude,
        told_us=now_us,
        base=told.base,
        base_since_us=told.base_since_us,
        reason=told.reason,
        quality=told.quality,
        age_s=told.age_s,
        heard_us=told.heard_us,
        agent=told.agent,
        version=told.version,
        n_epochs=told.n_epochs,
    )
