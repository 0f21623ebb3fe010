"""Accounts with each role, tokens, and requests as they make them."""

from __future__ import annotations

from typing import get_args

from dashboards.access.book import new_token
from dashboards.access.cookies import NAME
from streams.access_definitions import Role
from streams.passwords import hashed
from streams.records import Change, Changes

ROLES: tuple[Role, ...] = get_args(Role)
PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD, "salt")
CSRF = {"x-groundswell": "page"}


def change(kind, identity, after, version=1, **more):
    return Change(
        kind=kind,
        id=identity,
        version=version,
        verb="delete" if after is None else "put",
        before=None,
        after=after,
        by="root",
        at_us=0,
        command_id=f"{kind}{identity}{version}",
        **more,
    )


def account(name, *roles, version=1, **more):
    """Return a change that makes an account."""
    return change("account", name, {"password_hash": HASH, "roles": list(roles), **more}, version)


def everybody():
    """Return an account for each role, named as it, and one of a rover."""
    return Changes(changes=[*(account(role, role) for role in ROLES), account("rover")])


def token(*scopes, version=1, **more):
    """Return a token's text and the change that makes it."""
    made = new_token()
    after = {"secret_hash": made.secret_hash, "name": "backup", "scopes": list(scopes), **more}
    return made.text, change("token", made.id, after, version)


def signed_in(app, name):
    """Return the headers of somebody who has signed in, as the page sends them."""
    access = app.state.access
    cookie = access.cookies.begin(name, access.book.state(name), access.clock_us())
    return {"cookie": f"{NAME}={cookie}", **CSRF}


def bearer(text):
    return {"Authorization": f"Bearer {text}"}
