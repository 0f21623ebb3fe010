"""Sessions of rovers as the API tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from connectors.caster.session_book import Key, Session
from dashboards.answers import KeptSessionAnswer, LegAnswer, SessionAnswer, SessionCount, SessionCounts
from dashboards.present import time_of
from gnss.ntrip.gga_reader import FIXED, FLOATING
from streams.records import KeptSession
from streams.regions import name_of


def identity(key: Key) -> str:
    """Return what a session is called."""
    caster, number = key
    return f"{caster}/{number}"


def session(one: Session, region: str) -> SessionAnswer:
    """Return a session as it is sent."""
    return SessionAnswer(
        id=identity(one.key),
        account=name_of(one.account),
        mountpoint=one.mountpoint,
        address=one.address,
        since=time_of(one.begun_us),
        bytes_sent=one.n_bytes,
        caster=one.caster,
        longitude=one.longitude,
        latitude=one.latitude,
        region=region,
        base=one.base,
        base_since=time_of(one.base_since_us) if one.base_since_us else None,
        reason=one.reason,
        quality=one.quality,
        correction_age_s=one.age_s,
        heard=time_of(one.heard_us) if one.heard_us else None,
        agent=one.agent,
        ntrip_version=one.version or None,
        epochs_sent=one.n_epochs,
    )


def counts(sessions: Iterable[Session], region_of: Callable[[str], str]) -> SessionCounts:
    """Return how many sessions there are of each base, region and caster."""
    found = list(sessions)
    return SessionCounts(
        rovers=len(found),
        with_position=sum(one.longitude is not None for one in found),
        by_base=_by(found, lambda one: one.base),
        by_region=_by(found, lambda one: region_of(one.caster)),
        by_caster=_by(found, lambda one: one.caster),
    )


def kept_session(kept: KeptSession) -> KeptSessionAnswer:
    """Return what is kept of a session as it is sent."""
    return KeptSessionAnswer(
        id=identity((kept.caster, kept.number)),
        account=kept.account,
        mountpoint=kept.mountpoint,
        caster=kept.caster,
        agent=kept.agent,
        ntrip_version=kept.version or None,
        begin=time_of(kept.begun_us),
        end=time_of(kept.at_us) if kept.is_over else None,
        as_of=time_of(kept.at_us),
        bytes_sent=kept.n_bytes,
        epochs_sent=kept.n_epochs,
        positions=kept.sentences,
        fixed=kept.fixed,
        floating=kept.floating,
        begin_longitude=kept.begin_longitude,
        begin_latitude=kept.begin_latitude,
        longitude=kept.longitude,
        latitude=kept.latitude,
        bases=[
            LegAnswer(
                base=leg.base,
                since=time_of(leg.since_us),
                reason=leg.reason,
                longitude=leg.longitude,
                latitude=leg.latitude,
            )
            for leg in kept.legs
        ],
    )


def _by(sessions: Iterable[Session], name_of: Callable[[Session], str]) -> list[SessionCount]:
    sums: dict[str, list[int]] = {}
    for one in sessions:
        counted = sums.setdefault(name_of(one), [0, 0, 0])
        counted[0] += 1
        counted[1] += one.quality == FIXED
        counted[2] += one.quality == FLOATING
    in_order = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        SessionCount(name=name, rovers=rovers, fixed=fixed, floating=floating)
        for name, (rovers, fixed, floating) in in_order
    ]
