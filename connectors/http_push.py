"""HTTP push: who may post samples, how often, and what they mean (`connectors.http_intake` answers)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated

import msgspec

from sensors.payloads import Mapping

MOST_AT_ONCE = 64
"""Requests of all sources that are read, decoded or stored at one time."""
BURST_S = 10.0
_HASH = "sha256:"
_HEX = frozenset("0123456789abcdef")


class HttpPushConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[http_push]]`: a source of samples."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
    """The first part of the path after `samples/`."""
    token_hash: str
    """What is kept of the token; `groundswell push-token` makes both."""
    mappings: list[Mapping]
    max_body_bytes: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] = 1_000_000
    """As sent, and unpacked."""
    requests_per_s: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 50.0
    """On average; those of ten seconds may come at once."""
    most_at_once: Annotated[int, msgspec.Meta(ge=1, le=MOST_AT_ONCE)] = 8
    """Requests that are read, decoded or stored at one time."""
    stall_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    """Without a request for so long, the source is shown as stalled."""

    def __post_init__(self) -> None:
        if not self.mappings:
            raise ValueError(f"http_push {self.id}: there is no mapping; add a [[http_push.mappings]]")
        digest = self.token_hash.removeprefix(_HASH)
        if digest == self.token_hash or len(digest) != 64 or set(digest) - _HEX:
            raise ValueError(
                f"http_push {self.id}: token_hash must be sha256: and 64 hexadecimal digits; "
                "make a token with groundswell push-token"
            )


def hash_of(token: str) -> str:
    """Return what a configuration keeps of a token. Tokens are long and random, so one pass is enough."""
    return _HASH + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class Rate:
    """So many a second on average, those of `BURST_S` at once (a token bucket)."""

    per_s: float
    _left: float = math.inf
    _at_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """Take one; or take none and return after how long there is one again."""
        most = max(1.0, self.per_s * BURST_S)
        self._left = min(most, self._left + max(0.0, now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        if self._left < 1:
            return (1 - self._left) / self.per_s
        self._left -= 1
        return 0.0
