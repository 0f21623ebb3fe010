"""What there is to be allowed, and which roles may do it. This table is the only place that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from streams.access_definitions import Role
from streams.records import ObjectKind


class Action(StrEnum):
    """What a route does. Each route names one."""

    OPEN = "open"
    """Tells nothing of the network: health, signing in, the files of the page."""
    OWN_PROOF = "own_proof"
    """The route itself knows who may: by a signed link, a gateway's signature, a sensor's token."""
    READ = "read"
    """What everybody is shown where reading is public."""
    SENSITIVE = "sensitive"
    """Exact places of stations, raw data, and how people are reached."""
    ROVERS = "rovers"
    """Who gets streams, and where they are."""
    ANSWER = "answer"
    """Take note of alerts, comment on, lower, decide, silence them; report what was seen."""
    CHANGE = "change"
    """Stations, sensors, rules, rosters and plans; orders to webhooks and devices; rehearsals."""
    MANAGE = "manage"
    """Accounts with their roles, tokens, and what is told of rovers."""
    METRICS = "metrics"
    """Figures for Prometheus."""


ROLES_OF: Mapping[Action, frozenset[Role]] = {
    Action.READ: frozenset({"viewer", "operator", "duty_officer", "administrator"}),
    Action.SENSITIVE: frozenset({"operator", "duty_officer", "administrator"}),
    Action.ROVERS: frozenset({"operator", "administrator"}),
    Action.ANSWER: frozenset({"duty_officer", "administrator"}),
    Action.CHANGE: frozenset({"operator", "administrator"}),
    Action.MANAGE: frozenset({"administrator"}),
    Action.METRICS: frozenset({"operator", "administrator"}),
}
"""Who may; for the two other actions nobody needs a role."""
GRANTED = frozenset(ROLES_OF)
"""All that can be allowed at all."""

_ANSWERS: frozenset[ObjectKind] = frozenset({"silence", "sighting"})
_MANAGED: frozenset[ObjectKind] = frozenset({"account", "token", "privacy"})
SECRET_KINDS: frozenset[ObjectKind] = frozenset({"account", "token"})
"""Of which only those who manage them are told anything."""


def actions_of(roles: Iterable[Role]) -> frozenset[Action]:
    """Return what somebody with these roles may do."""
    held = frozenset(roles)
    return frozenset(action for action, able in ROLES_OF.items() if held & able)


def changing(kind: ObjectKind) -> Action:
    """Return what changing an object of a kind is."""
    if kind in _MANAGED:
        return Action.MANAGE
    return Action.ANSWER if kind in _ANSWERS else Action.CHANGE


def reading(kind: ObjectKind) -> Action:
    """Return what reading objects of a kind is."""
    return Action.MANAGE if kind in SECRET_KINDS else Action.READ
