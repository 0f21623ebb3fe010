"""An HTTP gateway as its configuration describes it: what is posted, what its answers and its calls mean.

Gateways for text messages and voice differ in their words only, so that one description serves both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import msgspec

from connectors.address_guard import GuardedTransport, RefusedAddressError
from connectors.channels.attempts import Attempts, Outcome, Retry
from connectors.channels.callback import SHORTEST_SECRET, ReceiptError, callback_url, check_callback
from connectors.channels.message import CallMessage, CallReceipt, ReceiptState
from connectors.channels.templates import check_template, filled, values_of
from connectors.webhook_message import retry_after_seconds
from connectors.webhook_post import BUSY
from sensors.payloads.paths import finder

MOST_ANSWER_BYTES = 65_536
Scalar: TypeAlias = str | int | float | bool
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Success(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which answers with a status of 2xx say that the message was taken."""

    path: str
    """Keys and list indices with dots between them; empty: the whole answer, as text."""
    equals: list[Scalar]
    busy: list[Scalar] = []
    """Values after which it is tried again."""
    detail: str = ""
    """Path of what is told of the message in its receipt, for instance the gateway's own id."""


class Receipts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway's calls mean."""

    secret: str
    """Signs the addresses that are given out."""
    path: str
    """Where the state stands in a call, whose body is JSON or a form; or among the query's parameters."""
    states: dict[str, ReceiptState]
    """What the gateway's states mean here; others are refused."""
    detail: str = ""

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"receipts: secret must have at least {SHORTEST_SECRET} random characters")


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all gateways have in common."""

    url: str
    body: dict[str, Any]
    """Texts may hold `{to}`, `{content}` and other places (`connectors.channels.templates`)."""
    format: Literal["json", "form"] = "json"
    headers: dict[str, str] = {}
    success: Success | None = None
    """None: each answer with a status of 2xx."""
    receipts: Receipts | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 15.0
    places: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Requests at one time."""
    allow_private: bool = False
    """Let the URL lead to private, loopback or link-local addresses."""

    def __post_init__(self) -> None:
        check_url(self.url)
        check_template(self.body)
        if self.format == "form" and not all(isinstance(v, Scalar) for v in self.body.values()):
            raise ValueError('body: a form has no tables and lists; use format = "json"')
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"headers: {name[:40]!r} does not fit into a request; use ASCII in one line")

    def __repr__(self) -> str:
        return type(self).__name__  # keys stand in headers, body and URL


class Gateway:
    """A channel over an HTTP gateway.

    Parameters
    ----------
    name
        Of the channel.
    word
        Words a message as the channel does.
    public_url
        Where the API is reached from outside.
    """

    def __init__(
        self,
        name: str,
        config: GatewayConfig,
        word: Callable[[CallMessage], str],
        clock_us: Callable[[], int],
        public_url: str,
    ) -> None:
        self._name, self._config, self._word = name, config, word
        self._clock_us, self._public_url = clock_us, public_url
        self._client = guarded_client(
            allow_private=config.allow_private, places=config.places, timeout_s=config.timeout_s
        )
        self._attempts = Attempts(name, self._once, clock_us, config.places, config.timeout_s)

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what the gateway said (see `connectors.channels.Channel`)."""
        return await self._attempts.send(message)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def receipt(self, call_id: str, query: Mapping[str, str], content_type: str, body: bytes) -> CallReceipt:
        """Return what a call of the gateway says (see `connectors.channels.ReceiptReader`)."""
        rules = self._config.receipts
        if rules is None:
            raise ReceiptError(f"the channel {self._name} takes no receipts: configure them")
        check_callback(self._name, call_id, query, rules.secret, self._clock_us())
        said = {**query, **_read(content_type, body)}
        found = finder(rules.path)(said)
        state = rules.states.get(str(found)) if isinstance(found, Scalar) else None
        if state is None:
            raise ReceiptError(f"{rules.path} says {ascii(found)[:60]}, which is none of the known states")
        detail = _shown(finder(rules.detail)(said)) if rules.detail else ""
        return CallReceipt(call_id=call_id, state=state, at_us=self._clock_us(), detail=detail)

    async def _once(self, message: CallMessage) -> Outcome | Retry:
        config = self._config
        if not _ID.fullmatch(message.call_id):
            return Outcome("refused", "its id does not fit into a header")
        rules, callback = config.receipts, ""
        if rules is not None and self._public_url:
            callback = callback_url(
                self._public_url, self._name, message.call_id, rules.secret, self._clock_us()
            )
        body = filled(config.body, values_of(message, self._word(message), callback))
        if config.format == "json":
            content, kind = msgspec.json.encode(body), "application/json"
        else:
            content, kind = urlencode(body).encode(), "application/x-www-form-urlencoded"
        headers = {"content-type": kind, "idempotency-key": message.call_id, **config.headers}
        try:
            status, answered, after_s = await posted(
                self._client, config.url, content, headers, self._clock_us()
            )
        except RefusedAddressError as error:
            return Outcome("failed", str(error))
        return self._judged(status, answered, after_s)

    def _judged(self, status: int, answered: bytes, after_s: float) -> Outcome | Retry:
        if not 200 <= status < 300:
            return failed(f"the gateway answered {status}", status, after_s)
        rules = self._config.success
        if rules is None:
            return Outcome("accepted")
        said = _read_answer(answered) if rules.path else answered.decode(errors="replace").strip()
        found = finder(rules.path)(said)
        detail = _shown(finder(rules.detail)(said)) if rules.detail else ""
        if _is_among(found, rules.equals):
            return Outcome("accepted", detail)
        told = f"the gateway answered {ascii(found)[:60]}" + (f": {detail}" if detail else "")
        return Retry(told, after_s) if _is_among(found, rules.busy) else Outcome("refused", told)


def guarded_client(*, allow_private: bool, places: int, timeout_s: float) -> httpx.AsyncClient:
    """Return connections that lead to public addresses only, unless others are allowed."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private, threads=places),
        timeout=timeout_s,
        headers={"user-agent": "groundswell", "accept-encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


async def posted(
    client: httpx.AsyncClient, url: str, content: bytes, headers: Mapping[str, str], now_us: int
) -> tuple[int, bytes, float]:
    """Post something; return the status, the begin of the answer, and the seconds that it asks to wait."""
    async with client.stream("POST", url, content=content, headers=dict(headers)) as answer:
        answered = bytearray()
        async for piece in answer.aiter_raw():
            answered += piece
            if len(answered) > MOST_ANSWER_BYTES:
                break
        after_s = retry_after_seconds(answer.headers.get("retry-after", ""), now_us)
        return answer.status_code, bytes(answered[:MOST_ANSWER_BYTES]), after_s


def failed(told: str, status: int, after_s: float) -> Outcome | Retry:
    """Return whether another attempt may help after a status that is no success."""
    return Retry(told, after_s) if status in BUSY or status >= 500 else Outcome("refused", told)


def check_url(url: str) -> None:
    """Raise ValueError when a URL is none that can be posted to."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits:
        raise ValueError("url must begin with https:// or http:// and name a host")


def _read(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a call's body."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode(), max_num_fields=200))
        said = msgspec.json.decode(body) if body else {}
    except (ValueError, RecursionError) as error:
        raise ReceiptError(f"the body is neither JSON nor a form: {error}") from error
    if not isinstance(said, dict):
        raise ReceiptError("the body is no JSON object: send one, or a form")
    return said


def _read_answer(answered: bytes) -> Any:
    try:
        return msgspec.json.decode(answered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_among(found: Any, values: list[Scalar]) -> bool:
    return any(type(found) is type(value) and found == value for value in values)


def _shown(found: Any) -> str:
    """Return a gateway's words, short and printable."""
    text = str(found) if isinstance(found, Scalar) else ""
    return "".join(c for c in text[:200] if c.isprintable())
