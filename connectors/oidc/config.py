"""What a configuration says of an OpenID Connect provider."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from streams.access_definitions import Role
from streams.loopback import is_loopback

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server.oidc]`: people may sign in with their account at a provider (docs/access.md)."""

    issuer: str
    """As the provider names itself; its description is at `/.well-known/openid-configuration` below it."""
    client_id: Text
    client_secret: str = ""
    """What this program proves itself with; empty: it has nothing but PKCE (a public client)."""
    client_secret_file: str = ""
    """A file with the secret, in place of `client_secret`."""
    name: Text = "OpenID Connect"
    """Of the provider, on the button."""
    scopes: list[Text] = msgspec.field(default_factory=lambda: ["openid", "profile"])
    account_claim: Text = "sub"
    """Whose value is the name of the account. Use one that people cannot change at the provider."""
    require: dict[Text, list[str]] = {}
    """Claim to values of which it must have one: the organisations that are let in, for instance."""
    role_claim: str = ""
    """Where it says what somebody may, for instance `realm_access.roles`; empty: the account does."""
    roles: dict[Text, Role] = {}
    """Its values to roles here."""
    hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 31)] = 12.0
    """That a session lasts at most: what changes at the provider is not heard of before."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 10.0
    allow_private: bool = False
    """Let the provider's addresses be private, loopback or link-local ones."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if parts.query or parts.fragment or not is_usable(self.issuer, self.issuer):
            raise ValueError("oidc: issuer must begin with https:// (http:// at a loopback address alone)")
        if bool(self.role_claim) != bool(self.roles):
            raise ValueError("oidc: role_claim and roles go together; write both or neither")
        if "openid" not in self.scopes:
            raise ValueError('oidc: scopes must have "openid"')
        if self.client_secret and self.client_secret_file:
            raise ValueError("oidc: client_secret and client_secret_file are both there; write one")

    def __repr__(self) -> str:
        return f"OidcConfig({self.issuer})"  # the secret belongs in no log


def is_usable(url: str, issuer: str) -> bool:
    """Return whether a URL that a provider tells may be used: over TLS, unless all is on this machine."""
    try:
        parts, of_issuer = urlsplit(url), urlsplit(issuer)
        _ = parts.port  # raises where there is none of a number
    except ValueError:
        return False
    if parts.username is not None or not parts.hostname:
        return False
    if parts.scheme == "http":
        return of_issuer.scheme == "http" and is_loopback(parts.hostname)
    return parts.scheme == "https"
