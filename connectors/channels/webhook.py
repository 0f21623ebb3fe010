"""One person's webhook: the message is posted to the person's own URL, signed after Standard Webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from connectors.address_guard import RefusedAddressError
from connectors.channels import Surroundings, register
from connectors.channels.attempts import Attempts, Outcome, Retry
from connectors.channels.gateway import check_url, failed, guarded_client, posted
from connectors.channels.message import CallMessage, CallReceipt
from connectors.webhook_signature import Secrets, check_secrets, signatures

_ID = re.compile(r"[\x21-\x7e]{1,200}")


class PersonalWebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "webhook"`; a message's address is the URL."""

    secret: Secrets
    """`whsec_...` or `whsk_...`; of several, each signs."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 15.0
    places: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Requests at one time."""
    allow_private: bool = False
    """Let URLs lead to private, loopback or link-local addresses."""

    def __post_init__(self) -> None:
        check_secrets(self.secret)

    def __repr__(self) -> str:
        return "PersonalWebhookConfig"

    def channel(self, name: str, around: Surroundings) -> PersonalWebhook:
        """Return the channel."""
        return PersonalWebhook(name, self, around.clock_us)


class PersonalWebhook:
    """A channel over URLs of persons."""

    def __init__(self, name: str, config: PersonalWebhookConfig, clock_us: Callable[[], int]) -> None:
        self._config, self._clock_us = config, clock_us
        self._client = guarded_client(
            allow_private=config.allow_private, places=config.places, timeout_s=config.timeout_s
        )
        self._attempts = Attempts(name, self._once, clock_us, config.places, config.timeout_s)

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what the receiver said: who took the message has it delivered."""
        return await self._attempts.send(message)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _once(self, message: CallMessage) -> Outcome | Retry:
        try:
            check_url(message.to)
        except ValueError as error:
            return Outcome("refused", str(error))
        if not _ID.fullmatch(message.call_id):
            return Outcome("refused", "its id does not fit into a header")
        now_us = self._clock_us()
        body = body_of(message, now_us)
        headers = {
            "content-type": "application/json",
            "idempotency-key": message.call_id,
            "webhook-id": message.call_id,
            "webhook-timestamp": str(now_us // 1_000_000),
            "webhook-signature": signatures(self._config.secret, message.call_id, now_us // 1_000_000, body),
        }
        try:
            status, _, after_s = await posted(self._client, message.to, body, headers, now_us)
        except RefusedAddressError as error:
            return Outcome("refused", str(error))
        if 200 <= status < 300:
            return Outcome("delivered")
        return failed(f"the receiver answered {status}", status, after_s)


def body_of(message: CallMessage, now_us: int) -> bytes:
    """Return the JSON body; the address is not in it."""
    data = {
        "call_id": message.call_id,
        "alert_id": message.alert_id,
        "level": message.level,
        "subject": message.subject,
        "text": message.text,
        "link": message.link,
        "deadline": _iso(message.deadline_us),
    }
    return msgspec.json.encode({"type": "call.created", "timestamp": _iso(now_us), "data": data})


def _iso(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat()


register("webhook", PersonalWebhookConfig)
