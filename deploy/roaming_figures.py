"""What an operator must know of rovers that are led from base to base."""

from __future__ import annotations

from collections import Counter

from connectors.caster.roaming.roaming import Roaming
from connectors.caster.server import Caster
from dashboards.metrics import Figure
from deploy.figures import counter
from streams.kafka.verdicts import VerdictFollower


def roaming_figures(caster: Caster) -> list[Figure]:
    """Return what rovers say of themselves, and where they are led."""
    uploads, roaming = caster.counters.uploads, caster.roaming
    figures = [
        counter("caster_gga_sentences", "Positions that rovers sent.", lambda: uploads.sentences),
        counter("caster_gga_bad", "GGA sentences that cannot be right.", lambda: uploads.bad),
        counter(
            "caster_upload_garbage_bytes", "That rovers sent, no sentences.", lambda: uploads.garbage_bytes
        ),
    ]
    return figures if roaming is None else figures + _led(roaming)


def _led(roaming: Roaming) -> list[Figure]:
    counters = roaming.counters

    def rovers() -> dict[tuple[str, ...], float]:
        where = dict.fromkeys(("led", "without base", "without position"), 0)
        found = Counter({(name, state): n for name in roaming.mountpoints for state, n in where.items()})
        for rover in roaming.rovers:
            state = "without position" if rover.place_km is None else "led" if rover.base else "without base"
            found[rover.mountpoint, state] += 1
        return {key: float(n) for key, n in found.items()}

    def changes() -> dict[tuple[str, ...], float]:
        return {(reason,): float(n) for reason, n in counters.changes.copy().items()}

    return [
        Figure("roaming_rovers", "Rovers on roaming mountpoints.", "gauge", rovers, ("mountpoint", "state")),
        Figure("roaming_changes", "Times a rover got a base or lost it.", "counter", changes, ("reason",)),
        counter(
            "roaming_without_position",
            "Rovers let go since they never said where they are.",
            lambda: counters.without_position,
        ),
    ]


def verdict_figures(follower: VerdictFollower | None) -> list[Figure]:
    """Return what comes of verdicts over Kafka."""
    if follower is None:
        return []
    return [
        counter("roaming_verdicts", "Verdicts on stations that came over Kafka.", lambda: follower.verdicts),
        counter("roaming_late_verdicts", "Verdicts that came too late.", lambda: follower.late),
        counter("roaming_unreadable_verdicts", "Messages that cannot be read.", lambda: follower.unreadable),
    ]
