"""What is asked and answered about who somebody is, and about tokens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dashboards.answers import Time
from streams.access_definitions import Scope


class SignInBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account's name and password."""

    name: str
    password: str


class WhoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what that allows."""

    name: str
    """Empty: nobody who is known by name."""
    how: str
    """nobody, session, token, write_token; here: everybody may do all, as only this machine asks."""
    roles: Sequence[str]
    may: Sequence[str]
    """Actions, as docs/access.md has them."""
    can_sign_in: bool
    """Whether any account could."""
    provider: str | None = None
    """Name of a provider by which people may sign in, at `/api/v1/session/provider`; null: there is none."""
    ends_at: Time | None = None
    """When the session is over if nothing more is asked."""


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token that is asked for."""

    name: str
    """What it is for."""
    scopes: Sequence[Scope]
    """What it may: actions, as docs/access.md has them."""
    owner: str = ""
    """Account as which it acts, and no more than which it may; empty: the installation's own."""
    expires: Time | None = None
    """With offset; a year from now when nothing is said."""


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A token that lets somebody in, or did."""

    id: str
    name: str
    scopes: Sequence[str]
    owner: str
    expires_at: Time | None
    created_by: str
    created_at: Time
    is_expired: bool
    used_at: Time | None
    """When it was used last at the process that answers; null: not since that one's start."""


class NewTokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A token, shown this once."""

    id: str
    token: str
    command_id: str
    message: str
