"""Addresses at which a gateway says what became of a message, signed so that nobody else can."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlencode

PATH = "/api/v1/call-receipts"
VALID_S = 86_400
"""Gateways report what a telephone did for a day at most."""
SHORTEST_SECRET = 24


class ReceiptError(ValueError):
    """A gateway's call says nothing that can be believed or understood. Trying again cannot help."""


def callback_url(public_url: str, channel: str, call_id: str, secret: str, now_us: int) -> str:
    """Return where a gateway reports on one message.

    Parameters
    ----------
    public_url
        Where the API is reached from outside.
    now_us
        It can be used for a day from then on.
    """
    expires_s = now_us // 1_000_000 + VALID_S
    query = urlencode({"expires": expires_s, "signature": _signature(channel, call_id, expires_s, secret)})
    place = f"{quote(channel, safe='')}/{quote(call_id, safe='')}"
    return f"{public_url.rstrip('/')}{PATH}/{place}?{query}"


def check_callback(channel: str, call_id: str, query: Mapping[str, str], secret: str, now_us: int) -> None:
    """Look whether a call came to an address that was given out.

    Raises
    ------
    ReceiptError
        It did not, or too late.
    """
    expires = query.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        raise ReceiptError("the address has no time in `expires`: use the one that came with the message")
    wanted = _signature(channel, call_id, int(expires), secret)
    if not hmac.compare_digest(wanted.encode(), query.get("signature", "").encode()):
        raise ReceiptError("the signature does not fit: use the address that came with the message")
    if int(expires) < now_us // 1_000_000:
        raise ReceiptError("the address has expired: nothing more is taken about this message")


def _signature(channel: str, call_id: str, expires_s: int, secret: str) -> str:
    signed = f"{len(channel)}.{channel}.{call_id}.{expires_s}".encode()
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
