"""What is kept of passwords: argon2id (RFC 9106), and PBKDF2 as it was kept before."""

from __future__ import annotations

import hashlib
import hmac

from argon2 import extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, hash_secret, verify_secret

MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
"""The least that OWASP's Password Storage Cheat Sheet calls safe: a check costs some 20 ms and 19 MiB."""
MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES = 65_536, 10, 4
"""A hash that asks for more is nobody's: it would be a way to take a caster's memory or time."""

_SALT_BYTES, _HASH_BYTES = 16, 32
NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"
"""A hash of no known password: compared with where there is no account, so that it takes as long."""
_OLD = "pbkdf2-sha256"
_MOST_OLD_ITERATIONS = 1_000_000


def hashed(password: str, salt: str) -> str:
    """Return what is kept of a password. The same salt, which may be any text, gives the same."""
    salt_bytes = hashlib.sha256(salt.encode()).digest()[:_SALT_BYTES]
    return hash_secret(_bytes(password), salt_bytes, PASSES, MEMORY_KIB, LANES, _HASH_BYTES, Type.ID).decode(
        "ascii"
    )


def is_password(password: str, kept: str) -> bool:
    """Return whether a password is the one of which this was kept; it takes as long as making it did."""
    if kept.startswith(f"{_OLD}$"):
        return _is_old_password(password, kept)
    if not _is_bearable(kept):
        return False
    try:
        return verify_secret(kept.encode("ascii"), _bytes(password), Type.ID)
    except Argon2Error:  # another password, or no hash after all
        return False


def is_outdated(kept: str) -> bool:
    """Return whether a password should be set anew: what is kept of it protects it less than today's."""
    try:
        found = extract_parameters(kept)
    except InvalidHashError:
        return True
    return found.type != Type.ID or found.memory_cost < MEMORY_KIB or found.time_cost < PASSES


def _is_bearable(kept: str) -> bool:
    try:
        found = extract_parameters(kept)
    except InvalidHashError:
        return False
    return kept.isascii() and (
        found.type == Type.ID
        and found.memory_cost <= MOST_MEMORY_KIB
        and found.time_cost <= MOST_PASSES
        and found.parallelism <= MOST_LANES
    )


def _is_old_password(password: str, kept: str) -> bool:
    """Compare with PBKDF2 and HMAC-SHA-256 (RFC 8018): `pbkdf2-sha256$iterations$salt$hex`."""
    parts = kept.split("$")
    if len(parts) != 4 or not parts[1].isascii() or not parts[1].isdigit():
        return False
    if not 0 < (iterations := int(parts[1])) <= _MOST_OLD_ITERATIONS:
        return False
    digest = hashlib.pbkdf2_hmac("sha256", _bytes(password), parts[2].encode(), iterations)
    return hmac.compare_digest(digest.hex().encode(), parts[3].encode())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
