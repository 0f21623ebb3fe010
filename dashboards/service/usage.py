"""Who got corrections, how long and how much; who changed something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from dashboards.service.figures import NamedUsage, Sessions, Usage, share
from storage.service import SessionSums

Key = Callable[[SessionSums], str]


def sessions(rows: Sequence[SessionSums], kept_days: int, region_of: Callable[[str], str]) -> Sessions:
    """Return the sums by what they are told by, those with most time first."""

    def by(key: Key) -> list[NamedUsage]:
        groups: dict[str, list[SessionSums]] = defaultdict(list)
        for row in rows:
            groups[key(row)].append(row)
        named = [NamedUsage(name=name, usage=_usage(some)) for name, some in groups.items()]
        return sorted(named, key=lambda one: (-one.usage.hours, one.name))

    return Sessions(
        kept_days=kept_days,
        total=_usage(rows),
        by_kind=by(lambda row: "station" if row.is_station else "roaming"),
        by_mountpoint=by(lambda row: row.mountpoint),
        by_region=by(lambda row: region_of(row.caster)),
        by_account=by(lambda row: row.account),
    )


def _usage(rows: Iterable[SessionSums]) -> Usage:
    some = list(rows)
    positions = sum(row.sentences for row in some)
    return Usage(
        sessions=sum(row.sessions for row in some),
        begun=sum(row.begun for row in some),
        hours=round(sum(row.seconds for row in some) / 3600, 3),
        n_bytes=round(sum(row.n_bytes for row in some)),
        accounts=len({row.account for row in some}),
        positions=positions,
        fixed_share=share(sum(row.fixed for row in some), positions),
    )
