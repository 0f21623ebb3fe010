"""What lets people and programs in at the API: roles of accounts, and tokens."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from streams.definition import Definition
from streams.records import TimeUs

Role = Literal["viewer", "operator", "duty_officer", "administrator"]
"""Of an account at the API and the page; `dashboards/access/permissions.py` says what each may."""
Scope = Literal["read", "sensitive", "rovers", "answer", "change", "manage", "metrics"]
"""What a token may: names of actions in `dashboards/access/permissions.py`."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class TokenDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets a program in, in place of a person with a password."""

    secret_hash: Sha256
    """SHA-256 of the secret part: that has 256 random bits, so no slow hash is needed."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z", max_length=60)]
    """For people, and for the audit: one line."""
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=20)]
    owner: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Account as which it acts: it may no more than its owner may. Empty: the installation's own."""
    expires_us: TimeUs | None = None
    """From then on it lets nobody in; None: never."""


def secret_hash_of(secret: str) -> str:
    """Return what is kept of the secret part of a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
