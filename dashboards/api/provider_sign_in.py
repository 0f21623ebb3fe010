"""Signing in at the page with an account at a provider: there, back, and a session as any other.

What a sign-in began with is kept by the browser in a signed cookie of its own, so any process that serves the
page can end it, and a browser that did not begin it (a link from somebody else) has nothing to end it with.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from connectors.oidc.id_token import Identity, NotLetInError, RefusedTokenError
from connectors.oidc.provider import Begun, Provider, ProviderAwayError
from dashboards.access.access import Access, not_known_yet
from dashboards.access.addresses import address_of
from dashboards.access.permissions import Action
from dashboards.api.context import PREFIX
from dashboards.api.door import cookie_header
from dashboards.api.needs import needs

log = structlog.get_logger()

PATH = f"{PREFIX}/session/provider"
NAME = "groundswell_sign_in"
"""Of the cookie. It comes back from a foreign page, so it is Lax and not Strict."""
LONGEST = 2_000
"""Characters of it, of a code and of where somebody wanted to go."""
LASTS_S = 600


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    state: str
    nonce: str
    verifier: str
    begun_us: int
    wanted: str
    """Where somebody wanted to go; the page looks whether that is on this server."""


def router(access: Access, provider: Provider) -> APIRouter:
    """Return the routes; they are for browsers and no part of the API's description."""
    routes = APIRouter(prefix=PATH, include_in_schema=False, dependencies=[needs(Action.OPEN)])

    @routes.get("")
    async def begin(request: Request) -> Response:
        """Lead to the provider."""
        begun, wanted = Begun.new(), request.query_params.get("next", "/")
        if len(wanted.encode("utf-8", "replace")) > 500:
            wanted = "/"
        try:
            address = await provider.address(begun)
        except ProviderAwayError as error:
            log.warning("the sign-in provider cannot be used", error=str(error))
            return _back(request, access, wanted, "away")
        answer = RedirectResponse(address, 303, {"cache-control": "no-store"})
        now_us = access.clock_us()
        kept = _Kept(begun.state, begun.nonce, begun.verifier, now_us, wanted)
        _keep(answer, request, access, _signed(kept, access.cookies.key))
        return answer

    @routes.get("/return")
    async def end(request: Request) -> Response:
        """Begin the session of whom the provider has sent back."""
        told = request.query_params
        kept = _read(request.cookies.get(NAME, ""), access.cookies.key, access.clock_us())
        if kept is None or not hmac.compare_digest(kept.state.encode(), told.get("state", "").encode()):
            log.info("a sign-in came back that did not begin here", address=address_of(request))
            return _back(request, access, "/", "begin")
        if not access.book.is_known:
            raise not_known_yet()
        code = told.get("code", "")
        if "error" in told or not 0 < len(code) <= LONGEST:
            log.info("the provider let nobody in", error=told.get("error", "")[:100])
            return _back(request, access, kept.wanted, "denied")
        begun = Begun(kept.state, kept.nonce, kept.verifier)
        try:
            who = await provider.who(begun, code, told.get("iss"))
        except ProviderAwayError as error:
            log.warning("the sign-in provider cannot be used", error=str(error))
            return _back(request, access, kept.wanted, "away")
        except RefusedTokenError as error:
            log.warning("what the sign-in provider answered is not believed", error=str(error))
            return _back(request, access, kept.wanted, "begin")
        except NotLetInError as error:
            log.info("somebody whom the provider knows is not let in", error=str(error))
            return _back(request, access, kept.wanted, "unknown")
        return _session(request, access, provider, who, kept.wanted)

    return routes


def _session(request: Request, access: Access, provider: Provider, who: Identity, wanted: str) -> Response:
    now_us = access.clock_us()
    until_us = now_us + int(provider.config.hours * 3_600_000_000)
    state = access.book.state(who.account)
    cookie = access.cookies.begin(who.account, state, now_us, roles=who.roles, until_us=until_us)
    if access.of_session(cookie) is None:
        log.info("somebody whom the provider knows has no account here", account=who.account)
        return _back(request, access, wanted, "unknown")
    log.info(
        "somebody signed in", account=who.account, subject=who.subject, address=address_of(request),
        issuer=provider.config.issuer,
    )  # fmt: skip
    answer = _back(request, access, wanted)
    answer.headers.append("set-cookie", cookie_header(request, access, cookie))
    return answer


def _back(request: Request, access: Access, wanted: str, refusal: str = "") -> Response:
    """Lead to the page of the sign-in, which goes on to where somebody wanted to go, or says why not.

    Not there at once: a browser that comes from a foreign page keeps the session's strict cookie to itself
    until a page of this server asks.
    """
    asked: Mapping[str, str] = {"next": wanted, **({"refusal": refusal} if refusal else {"back": "1"})}
    answer = RedirectResponse(f"/sign-in?{urlencode(asked)}", 303, {"cache-control": "no-store"})
    _keep(answer, request, access, "")
    return answer


def _keep(answer: Response, request: Request, access: Access, cookie: str) -> None:
    age_s = LASTS_S if cookie else 0
    secure = "; Secure" if access.rules.is_secure or request.url.scheme == "https" else ""
    answer.headers.append(
        "set-cookie", f"{NAME}={cookie}; Path={PATH}; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}"
    )


def _signed(kept: _Kept, key: bytes) -> str:
    payload = base64.urlsafe_b64encode(msgspec.msgpack.encode(kept))
    return f"{payload.decode()}.{_mac(payload, key)}"


def _read(cookie: str, key: bytes, now_us: int) -> _Kept | None:
    """Return what a sign-in began with; None: it did not begin here, or too long ago."""
    payload, _, mac = cookie.partition(".")
    if len(cookie) > LONGEST or not cookie.isascii():
        return None
    if not hmac.compare_digest(mac, _mac(payload.encode(), key)):
        return None
    try:
        kept = msgspec.msgpack.decode(base64.urlsafe_b64decode(payload), type=_Kept)
    except (msgspec.MsgspecError, binascii.Error):
        return None
    return kept if abs(now_us - kept.begun_us) < LASTS_S * 1_000_000 else None


def _mac(payload: bytes, key: bytes) -> str:
    return hmac.digest(key, b"sign-in with a provider\n" + payload, "sha256").hex()


def return_url(public_url: str) -> str:
    """Return where the provider is to send browsers."""
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}{PATH}/return"
