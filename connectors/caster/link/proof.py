"""Both sides prove that they know the secret, and neither tells it. No I/O.

The caster begins; each side chooses a number that nobody had before (a nonce):

    caster    MAGIC, its nonce
    gatherer  MAGIC, its nonce
    caster    HMAC-SHA256(secret, "caster", both nonces)
    gatherer  HMAC-SHA256(secret, "gatherer", both nonces)

The gatherer answers the proof of one who knows the secret and says nothing to others. Who stands between both
can still read and change what follows: for that there is TLS.
"""

from __future__ import annotations

import hmac
from typing import Literal

MAGIC = b"GSRELAY1"
NONCE_BYTES = 32
HELLO_BYTES = len(MAGIC) + NONCE_BYTES
PROOF_BYTES = 32
LEAST_SECRET = 16
"""Characters: a short one could be found by trying."""


def proof(
    secret: str, side: Literal["caster", "gatherer"], caster_nonce: bytes, gatherer_nonce: bytes
) -> bytes:
    """Return what shows that `side` knows the secret, shape (PROOF_BYTES,)."""
    return hmac.digest(secret.encode(), side.encode() + caster_nonce + gatherer_nonce, "sha256")


def is_proved(found: bytes, expected: bytes) -> bool:
    """Compare in a time that does not depend on what is there."""
    return hmac.compare_digest(found, expected)
