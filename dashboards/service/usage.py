"""Who got corrections, how long and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.service.figures import NamedUsage, Sessions, Usage, share
from storage.service import SessionSums


def sessions(rows: Sequence[SessionSums], kept_days: int, region_of: Callable[[str], str]) -> Sessions:
    """Return the sums by what they are told by, those with most time first."""
    total = _Sum()
    by_kind: dict[str, _Sum] = {}
    by_mountpoint: dict[str, _Sum] = {}
    by_region: dict[str, _Sum] = {}
    by_account: dict[str, _Sum] = {}
    for row in rows:
        total.add(row)
        for groups, name in (
            (by_kind, "station" if row.is_station else "roaming"),
            (by_mountpoint, row.mountpoint),
            (by_region, region_of(row.caster)),
            (by_account, row.account),
        ):
            if name not in groups:
                groups[name] = _Sum()
            groups[name].add(row)
    return Sessions(
        kept_days=kept_days,
        total=total.usage(),
        by_kind=_most_first(by_kind),
        by_mountpoint=_most_first(by_mountpoint),
        by_region=_most_first(by_region),
        by_account=_most_first(by_account),
    )


@dataclass(slots=True)
class _Sum:
    sessions: int = 0
    begun: int = 0
    seconds: float = 0.0
    n_bytes: float = 0.0
    positions: int = 0
    fixed: int = 0
    accounts: set[str] = field(default_factory=set)

    def add(self, row: SessionSums) -> None:
        self.sessions += row.sessions
        self.begun += row.begun
        self.seconds += row.seconds
        self.n_bytes += row.n_bytes
        self.positions += row.sentences
        self.fixed += row.fixed
        if row.account:  # a mountpoint that is open to all has none
            self.accounts.add(row.account)

    def usage(self) -> Usage:
        return Usage(
            sessions=self.sessions,
            begun=self.begun,
            hours=round(self.seconds / 3600, 3),
            n_bytes=round(self.n_bytes),
            accounts=len(self.accounts),
            positions=self.positions,
            fixed_share=share(self.fixed, self.positions),
        )


def _most_first(groups: Mapping[str, _Sum]) -> list[NamedUsage]:
    named = [NamedUsage(name=name, usage=one.usage()) for name, one in groups.items()]
    return sorted(named, key=lambda one: (-one.usage.hours, one.name))
