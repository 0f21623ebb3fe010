"""One message to one webhook: who it goes to, the request, and what became of it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec
import structlog

from connectors.address_guard import GuardedTransport
from connectors.webhook_message import Envelope, payload, retry_after_seconds
from connectors.webhook_signature import Secrets, check_secrets, signatures
from streams.records import AlertTransition

log = structlog.get_logger()

PLACES = 4
"""Requests at one time to one webhook."""
_HEADER_VALUE = re.compile(r"[!-~]+")
BUSY = frozenset({408, 425, 429, 502, 503, 504})


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[webhook]]`: who is told about alerts."""

    id: str
    url: str
    secret: Secrets
    """`whsec_` and 24 to 64 random bytes in base64, or a `whsk_` key; of several, each signs."""
    envelope: Envelope = "standard"
    """Or `cloudevents` (structured) or `cloudevents-binary`."""
    timeout_s: float = 15.0
    allow_private: bool = False
    """Let the URL lead to private, loopback or link-local addresses."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"webhook {self.id}: url must begin with https:// or http:// and name a host")
        if not 0 < self.timeout_s <= 60:
            raise ValueError(f"webhook {self.id}: timeout_s must lie between 0 and 60")
        check_secrets(self.secret)

    def __repr__(self) -> str:
        return f"WebhookConfig({self.id})"  # the secret belongs in no log, and often nor does the URL


@dataclass(slots=True)
class WebhookState:
    """Live figures of one webhook."""

    delivered: int = 0
    failed_attempts: int = 0
    given_up: int = 0
    last_error: str = ""
    disabled: str = ""
    """Why nothing is sent until a person says so; empty: it is sent."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a webhook did not take a message."""

    error: str
    retry_after_s: float = 0.0
    """What the receiver asked for."""
    status: int = 0
    """Of its answer; 0: there was none."""
    is_unsendable: bool = False
    """No request can be made of the message: the receiver has nothing to do with it."""

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more messages at all."""
        return self.status == httpx.codes.GONE

    @property
    def refused(self) -> bool:
        """Whether the receiver is there and does not want this message; else it is away or busy."""
        return self.status > 0 and self.status not in BUSY


def client_of(config: WebhookConfig) -> httpx.AsyncClient:
    """Return connections to one webhook that no other shares."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=config.allow_private, threads=PLACES),
        timeout=config.timeout_s,
        headers={"user-agent": "groundswell"},
        follow_redirects=False,
        trust_env=False,
    )


async def post(
    client: httpx.AsyncClient, config: WebhookConfig, transition: AlertTransition, now_us: int, api_url: str
) -> Failure | None:
    """Send a message, signed; None: the receiver took it.

    Parameters
    ----------
    client
        Of `client_of(config)`.
    now_us
        Goes into the signature.
    api_url
        Where the API is reached from outside.
    """
    message_id = f"{transition.alert_id}.{transition.number}"
    try:
        if not _HEADER_VALUE.fullmatch(message_id):
            raise ValueError("its id does not fit into a header")
        made = payload(transition, api_url, config.envelope)
        headers = {
            **made.headers,
            "webhook-id": message_id,
            "webhook-timestamp": str(now_us // 1_000_000),
            "webhook-signature": signatures(config.secret, message_id, now_us // 1_000_000, made.body),
        }
    except Exception as error:  # noqa: BLE001 - whatever it is, what waits behind this message must go out
        log.error("a message cannot be made", webhook=config.id, message=message_id, error=repr(error))
        return Failure(f"no message can be made of this: {error!r}", is_unsendable=True)
    try:
        async with (
            asyncio.timeout(config.timeout_s),  # over all: a receiver may also drip its answer
            client.stream("POST", config.url, content=made.body, headers=headers) as answer,
        ):
            if answer.is_success:
                return None
            retry_after_s = retry_after_seconds(answer.headers.get("retry-after", ""), now_us)
            return Failure(f"{config.id} answered {answer.status_code}", retry_after_s, answer.status_code)
    except TimeoutError:
        return Failure(f"{config.id} did not answer within {config.timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Failure(f"{config.id} cannot be reached: {str(error) or type(error).__name__}")
