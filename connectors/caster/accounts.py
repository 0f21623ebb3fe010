"""Who may have which stream. Passwords are kept as hashes that take some milliseconds to compare."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from streams.definitions import AccountDefinition, hashed, is_password

_NOBODY = hashed("", "nobody")
"""Compared with where there is no account, so that it takes as long."""
REMEMBERED = 20_000
"""Passwords that were right, so that a rover that comes back costs nothing."""


class Accounts:
    """The accounts in force. `verify` may be called in another thread."""

    def __init__(self, users: Mapping[str, str] | None = None) -> None:
        self.is_open = not users
        """Whether anybody may have anything, since nobody ever named an account."""
        self.is_known = True
        """Whether all accounts are known; until then nobody gets anything."""
        self._by_name = {name: AccountDefinition(password=one) for name, one in (users or {}).items()}
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}

    def replace(self, accounts: Mapping[str, AccountDefinition], *, is_open: bool) -> None:
        """Let other accounts be in force."""
        self._by_name, self.is_open = dict(accounts), is_open
        self._right.clear()

    def knows(self, name: str, password: str) -> bool | None:
        """Return whether name and password belong together; None: ask `verify`, which takes a while."""
        account = self._by_name.get(name)
        if account is not None and account.password:
            return hmac.compare_digest(_bytes(account.password), _bytes(password))
        if account is not None and hmac.compare_digest(
            self._right.get(name, b""), self._mark(name, password)
        ):
            return True
        has_hashes = any(one.password_hash for one in self._by_name.values())
        return None if has_hashes else False  # an unknown name must not be told by its quick answer

    def verify(self, name: str, password: str) -> bool:
        """Return whether name and password belong together."""
        account = self._by_name.get(name)
        is_right = is_password(password, _NOBODY if account is None else account.password_hash)
        if account is None or not is_right:
            return False
        if len(self._right) >= REMEMBERED:
            self._right.clear()
        self._right[name] = self._mark(name, password)
        return True

    def may(self, name: str, mountpoint: str) -> bool:
        """Return whether an account may have a stream now."""
        account = self._by_name.get(name)
        if account is None or not account.enabled:
            return False
        return not account.mountpoints or mountpoint in account.mountpoints

    def credential(self, name: str) -> str:
        """Return what changes with an account's password."""
        account = self._by_name.get(name)
        return "" if account is None else account.password or account.password_hash

    def _mark(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, _bytes(f"{name}\0{password}"), hashlib.sha256)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
