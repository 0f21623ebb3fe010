"""Whether an ID token is the provider's, for us, of this sign-in and in time (Core 1.0, 3.1.3.7). Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from connectors.oidc.config import OidcConfig
from streams.access_definitions import Role

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Never `none`, and none with a shared secret: whoever knew a public key could sign with it as a secret."""
SKEW_S = 60
"""That the provider's clock may differ."""
MOST_KEYS = 50
LONGEST = 16_000
"""Characters of a token that is looked at."""
_OPTIONS: Options = {
    "require": ["iss", "sub", "aud", "exp", "iat"],
    "enforce_minimum_key_length": True,
    "verify_exp": False,  # below, by the time that is given
    "verify_iat": False,
    "verify_nbf": False,
}


class RefusedTokenError(Exception):
    """An ID token that proves nothing; the message says why, for the log."""


class UnknownKeyError(RefusedTokenError):
    """It is signed with a key that is not among those known: the provider may have a new one."""


class NotLetInError(Exception):
    """Somebody whom the provider knows and the configuration does not let in; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in."""

    subject: str
    """As the provider knows them."""
    account: str
    """As they are known here; such an account has to be there."""
    roles: tuple[Role, ...] | None
    """None: those of the account."""


def checked(
    token: str, keys: Sequence[Mapping[str, Any]], config: OidcConfig, nonce: str, now_s: float
) -> Mapping[str, Any]:
    """Return the claims of a token.

    Parameters
    ----------
    keys
        Of the provider, as JSON Web Keys.
    nonce
        That the sign-in began with.
    now_s
        Seconds of UTC since 1970.

    Raises
    ------
    UnknownKeyError
        None of the keys can have signed it.
    RefusedTokenError
        It is damaged, not the provider's, not for us, of another sign-in, or too old.
    """
    if len(token) > LONGEST:
        raise RefusedTokenError("it is too long")
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise RefusedTokenError(f"it is signed by {algorithm!r}")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(keys, algorithm, header.get("kid")),
            algorithms=[algorithm],
            audience=config.client_id,
            issuer=config.issuer,
            options=_OPTIONS,
        )
    except jwt.PyJWTError as error:
        raise RefusedTokenError(str(error)) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedTokenError(f"it is damaged: {error}") from error
    _check_times(claims, now_s)
    _check_whose(claims, config, nonce)
    return claims


def identity(claims: Mapping[str, Any], config: OidcConfig) -> Identity:
    """Return who somebody is here.

    Raises
    ------
    NotLetInError
        The configuration does not let them in.
    """
    for name, wanted in config.require.items():
        if not set(wanted) & set(_texts(_at(claims, name))):
            raise NotLetInError(f"{name} has none of the values that are let in")
    account = _at(claims, config.account_claim)
    if not isinstance(account, str) or not 0 < len(account) <= 100:
        raise NotLetInError(f"{config.account_claim} is no name of an account")
    if config.account_claim == "email" and claims.get("email_verified") is not True:
        raise NotLetInError("the provider has not verified the address")
    roles: tuple[Role, ...] | None = None
    if config.role_claim:
        told = _texts(_at(claims, config.role_claim))
        roles = tuple(dict.fromkeys(config.roles[one] for one in told if one in config.roles))
        if not roles:
            raise NotLetInError(f"{config.role_claim} has no value that stands for a role")
    return Identity(str(claims["sub"])[:200], account, roles)


def _key(keys: Sequence[Mapping[str, Any]], algorithm: str, kid: object) -> jwt.PyJWK:
    suiting = []
    for one in keys[:MOST_KEYS]:
        is_for_it = one.get("use", "sig") == "sig" and one.get("alg", algorithm) == algorithm
        if is_for_it and one.get("kty") != "oct" and (kid is None or one.get("kid") == kid):
            try:
                suiting.append(jwt.PyJWK(dict(one), algorithm))
            except (jwt.PyJWTError, ValueError, TypeError, KeyError):
                continue  # of another kind, or damaged
    if len(suiting) != 1:
        raise UnknownKeyError(f"there are {len(suiting)} keys {kid!r} for {algorithm}")
    return suiting[0]


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    for name in ("exp", "iat", "nbf"):
        at_s = claims.get(name, now_s if name == "nbf" else None)
        if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not abs(at_s) < 1e12:
            raise RefusedTokenError(f"{name} is no time")
        if name == "exp" and now_s >= at_s + SKEW_S:
            raise RefusedTokenError("it has expired")
        if name != "exp" and at_s > now_s + SKEW_S:
            raise RefusedTokenError(f"{name} lies ahead")


def _check_whose(claims: Mapping[str, Any], config: OidcConfig, nonce: str) -> None:
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise RefusedTokenError("it is for several, and does not say for whom")
    if claims.get("azp", config.client_id) != config.client_id:
        raise RefusedTokenError("it was made for another")
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise RefusedTokenError("it belongs to another sign-in")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise RefusedTokenError("it names nobody")


def _at(claims: Mapping[str, Any], path: str) -> object:
    """Return a claim; names of claims within others are divided by dots, unless one is called so itself."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _texts(value: object) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, str)]
