"""Signed links by which one person answers one call. Pure: time is an argument.

A link holds the call's id, when it ends to serve, and an HMAC-SHA256 over both. Whoever has it can answer
this call and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from streams.call_records import CallOrder

PATH = "/answer"
SHORTEST_SECRET = 32
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class CallLinks:
    """Makes and reads links.

    Parameters
    ----------
    secret
        That all processes know that make or take them.
    base_url
        Where people reach the page.
    hours
        That a link serves.
    """

    secret: str
    base_url: str
    hours: float = 24.0

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(
                f"the secret of links has fewer than {SHORTEST_SECRET} characters; write a longer one"
            )

    def url(self, order: CallOrder, now_us: int) -> str:
        """Return the link of a call."""
        until_s = round(now_us / 1e6 + self.hours * 3600)
        signature = self._signature(order.call_id, until_s)
        return f"{self.base_url.rstrip('/')}{PATH}/{order.call_id}/{until_s}/{signature}"

    def serves(self, call_id: str, until_s: str, signature: str, now_us: int) -> bool:
        """Return whether a link was made here and its time is not over."""
        if not (until_s.isascii() and until_s.isdigit() and len(until_s) <= 12):
            return False
        expected = self._signature(call_id, int(until_s))
        is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        return is_ours and now_us <= int(until_s) * 1_000_000

    def _signature(self, call_id: str, until_s: int) -> str:
        signed = hmac.new(self.secret.encode(), f"{call_id}.{until_s}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(signed[:_SIGNATURE_BYTES]).decode().rstrip("=")
