"""Signatures of webhooks (Standard Webhooks 1.0): HMAC-SHA256 (`v1`) and Ed25519 (`v1a`, RFC 8032).

A webhook may have several secrets, and each signs: so a receiver changes from one to the next without a gap.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Secrets: TypeAlias = str | list[str]
"""One secret, or several that are valid at the same time; the newest first."""

SYMMETRIC, ASYMMETRIC, PUBLIC = "whsec_", "whsk_", "whpk_"
MOST_SECRETS = 5
_SEED_BYTES = 32


def check_secrets(secrets: Secrets) -> None:
    """Look whether messages can be signed.

    Raises
    ------
    ValueError
        They cannot; the message holds nothing of the secret.
    """
    some = listed(secrets)
    if not 1 <= len(some) <= MOST_SECRETS:
        raise ValueError(f"a webhook has one to {MOST_SECRETS} secrets; of a change, the new and the old one")
    for secret in some:
        if secret.startswith(ASYMMETRIC):
            _private_key(secret)
        else:
            secret_key(secret)


def listed(secrets: Secrets) -> list[str]:
    """Return the secrets as a list."""
    return [secrets] if isinstance(secrets, str) else secrets


def signatures(secrets: Secrets, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the `webhook-signature` header: a signature by each secret, with spaces between."""
    return " ".join(sign(secret, message_id, timestamp_s, body) for secret in listed(secrets))


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return one signature of `id.timestamp.body`."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    if secret.startswith(ASYMMETRIC):
        return f"v1a,{base64.b64encode(_private_key(secret).sign(signed)).decode()}"
    digest = hmac.new(secret_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_key(secret: str) -> bytes:
    """Return the key of a `whsec_` secret.

    Raises
    ------
    ValueError
        Not such a secret.
    """
    key = _decoded(secret, SYMMETRIC)
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook's secret must be whsec_ and 24 to 64 random bytes in base64")
    return key


def public_key(secret: str) -> str:
    """Return the `whpk_` key by which a receiver verifies what a `whsk_` secret signs."""
    public = _private_key(secret).public_key().public_bytes_raw()
    return PUBLIC + base64.b64encode(public).decode()


def new_key() -> str:
    """Return a new `whsk_` secret."""
    return ASYMMETRIC + base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def _private_key(secret: str) -> Ed25519PrivateKey:
    """Return the key of a `whsk_` secret: a seed, or as some libraries write it, with its public key behind.

    Raises
    ------
    ValueError
        Not such a secret.
    """
    raw = _decoded(secret, ASYMMETRIC)
    if len(raw) not in {_SEED_BYTES, 2 * _SEED_BYTES}:
        raise ValueError(
            "a webhook's private key must be whsk_ and an Ed25519 key of 32 or 64 bytes in base64"
        )
    key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    if len(raw) > _SEED_BYTES and raw[_SEED_BYTES:] != key.public_key().public_bytes_raw():
        raise ValueError("the two halves of a webhook's whsk_ key do not belong together; make a new one")
    return key


def _decoded(secret: str, prefix: str) -> bytes:
    """Return what stands in base64 behind a prefix; nothing when it does not."""
    text = secret.removeprefix(prefix)
    if len(text) == len(secret):
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
