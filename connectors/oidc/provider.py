"""A provider over HTTP: what it tells of itself, its keys, and what it gives for a code."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec

from connectors.address_guard import GuardedTransport
from connectors.oidc.config import OidcConfig, is_usable
from connectors.oidc.id_token import Identity, RefusedTokenError, UnknownKeyError, checked, identity

T = TypeVar("T")
_HEADERS = {"user-agent": "groundswell", "accept": "application/json", "accept-encoding": "identity"}
_REFUSALS = frozenset({400, 401, 403})

MOST_BYTES = 256 * 1024
"""Of an answer."""
MOST_AT_ONCE = 8
"""Sign-ins that wait for the provider."""
KEPT_S = 3600.0
"""What a provider tells of itself, and its keys."""
PAUSE_S = 10.0
"""Between two looks for keys that are not known, and after a failure."""


class ProviderAwayError(Exception):
    """The provider does not answer as it is to; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way, as the browser keeps it."""

    state: str
    nonce: str
    verifier: str
    """Of PKCE (RFC 7636)."""

    @classmethod
    def new(cls) -> Begun:
        """Return one that nobody can guess."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Provider:
    """One provider.

    Parameters
    ----------
    return_url
        Where it sends browsers back to; registered there.
    clock_us, clock_s
        UTC, and one that does not go back.
    """

    def __init__(
        self,
        config: OidcConfig,
        return_url: str,
        clock_us: Callable[[], int],
        clock_s: Callable[[], float],
    ) -> None:
        self.config = config
        self.return_url = return_url
        self._clock_us, self._clock_s = clock_us, clock_s
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(allow_private=config.allow_private),
            timeout=config.timeout_s,
            headers=_HEADERS,
            follow_redirects=False,
            trust_env=False,
        )
        self._metadata: _Metadata | None = None
        self._metadata_s = self._keys_s = self._failed_s = float("-inf")
        self._keys: list[dict[str, Any]] = []
        self._looking = asyncio.Lock()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def address(self, begun: Begun) -> str:
        """Return where a browser is sent to sign in.

        Raises
        ------
        ProviderAwayError
            The provider cannot be asked what it is like.
        """
        found = await self._described()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.return_url,
            "scope": " ".join(self.config.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        has_query = urlsplit(found.authorization_endpoint).query
        return f"{found.authorization_endpoint}{'&' if has_query else '?'}{urlencode(asked)}"

    async def who(self, begun: Begun, code: str, issuer: str | None) -> Identity:
        """Return who has signed in there.

        Parameters
        ----------
        code, issuer
            With which the browser came back; the issuer tells several providers apart (RFC 9207).

        Raises
        ------
        ProviderAwayError
            The provider does not answer.
        RefusedTokenError
            What it answers proves nothing.
        NotLetInError
            It is somebody whom the configuration does not let in.
        """
        if self._places.locked():
            raise ProviderAwayError("too many wait for it")
        async with self._places:
            found = await self._described()
            if issuer is None and found.authorization_response_iss_parameter_supported:
                raise RefusedTokenError("it does not say who has answered")
            if issuer is not None and issuer != self.config.issuer:
                raise RefusedTokenError(f"{issuer[:200]!r} has answered")
            token = await self._token(found, code, begun.verifier)
            now_s = self._clock_us() / 1e6
            try:
                claims = checked(token, await self._known(found), self.config, begun.nonce, now_s)
            except UnknownKeyError:
                keys = await self._known(found, anew=True)
                claims = checked(token, keys, self.config, begun.nonce, now_s)
            return identity(claims, self.config)

    # --- inside ---------------------------------------------------------------------------------------

    async def _described(self) -> _Metadata:
        async with self._looking:
            now_s = self._clock_s()
            if self._metadata is not None and now_s < self._metadata_s + KEPT_S:
                return self._metadata
            address = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
            with self._patience():
                found = await self._ask("GET", address, _Metadata)
                if found.issuer != self.config.issuer:
                    raise ProviderAwayError(f"it calls itself {found.issuer[:200]!r}")
                for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                    if not is_usable(url, self.config.issuer):
                        raise ProviderAwayError(f"it names {url[:200]!r}, which cannot be used")
            self._metadata, self._metadata_s = found, now_s
            return found

    async def _known(self, found: _Metadata, *, anew: bool = False) -> list[dict[str, Any]]:
        """Return the provider's keys; looked for anew at most each `PAUSE_S`."""
        async with self._looking:
            age_s = self._clock_s() - self._keys_s
            if age_s >= KEPT_S or (anew and age_s >= PAUSE_S):
                with self._patience():
                    self._keys = (await self._ask("GET", found.jwks_uri, _Keys)).keys
                self._keys_s = self._clock_s()
            return self._keys

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        """Ask nothing soon after a failure: those that waited meanwhile need not try, too."""
        if self._clock_s() < self._failed_s + PAUSE_S:
            raise ProviderAwayError("it was away a moment ago")
        try:
            yield
        except ProviderAwayError:
            self._failed_s = self._clock_s()
            raise

    async def _token(self, found: _Metadata, code: str, verifier: str) -> str:
        config = self.config
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.return_url,
            "code_verifier": verifier,
        }
        headers = {}
        if not config.client_secret or (
            "client_secret_basic" not in found.token_endpoint_auth_methods_supported
        ):
            asked["client_id"] = config.client_id
            if config.client_secret:
                asked["client_secret"] = config.client_secret
        else:  # each part is encoded for itself (RFC 6749, 2.3.1)
            pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return (await self._ask("POST", found.token_endpoint, _Tokens, asked, headers)).id_token

    async def _ask(
        self,
        method: str,
        url: str,
        kind: type[T],
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        try:
            async with (
                asyncio.timeout(self.config.timeout_s),
                self._client.stream(method, url, data=form, headers=headers) as answer,
            ):
                if form is not None and answer.status_code in _REFUSALS:
                    raise RefusedTokenError(f"{url} does not take the code")
                if answer.status_code != httpx.codes.OK:
                    raise ProviderAwayError(f"{url} answers {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise ProviderAwayError(f"{url} answers packed, unasked")
                body = b""
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise ProviderAwayError(f"{url} answers with more than {MOST_BYTES} bytes")
            return msgspec.json.decode(body, type=kind)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ProviderAwayError(f"{url}: {error or type(error).__name__}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderAwayError(f"{url} answers what cannot be read: {error}") from error
