"""The accounts in force, and which of their passwords were right before."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import TypeVar

from streams.definitions import AccountDefinition
from streams.passwords import NOBODY, is_outdated
from streams.regions import name_of

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED = 50_000
"""Passwords that were right, one a name, so that a rover that comes back costs nothing."""
REMEMBERED_WRONG = 20_000
"""Passwords that were wrong: one that is tried again is as wrong, and no other guess."""


class Accounts:
    """Who may have what. All calls come from the event loop."""

    def __init__(self, users: Mapping[str, str] | None = None) -> None:
        self.is_open = not users
        """Whether anybody may have anything, since nobody ever named an account."""
        self.is_known = True
        """Whether all accounts are known; until then nobody gets anything."""
        self._by_name = {name: AccountDefinition(password=one) for name, one in (users or {}).items()}
        self._ids: dict[str, str] = {}
        self._has_hashes = False
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._wrong: dict[bytes, None] = {}

    def replace(
        self,
        accounts: Mapping[str, AccountDefinition],
        *,
        is_open: bool,
        ids: Mapping[str, str] | None = None,
    ) -> None:
        """Let other accounts be in force. Passwords that stay what they were stay remembered.

        Parameters
        ----------
        ids
            Of the accounts of regions above, by the name that rovers send.
        """
        self._by_name, self.is_open, self._ids = dict(accounts), is_open, dict(ids or {})
        self._has_hashes = any(one.password_hash for one in accounts.values())
        for name in [name for name in self._right if name not in self._by_name]:
            del self._right[name]

    def get(self, name: str) -> AccountDefinition | None:
        """Return an account."""
        return self._by_name.get(name)

    def id_of(self, name: str) -> str:
        """Return under which id an account is counted; that of an account from here is its name."""
        return self._ids.get(name, name)

    def by_id(self, identity: str) -> AccountDefinition | None:
        """Return an account that is in force; None where another one has its name now, too."""
        name = name_of(identity)
        return self._by_name.get(name) if self.id_of(name) == identity else None

    def outdated(self) -> int:
        """Return how many passwords should be set anew, since they are kept in an old way."""
        return sum(bool(a.password_hash) and is_outdated(a.password_hash) for a in self._by_name.values())

    def knows(self, name: str, password: str) -> bool | None:
        """Return whether name and password belong together; None: `settle` must be told.

        Nothing tells by its speed whether there is an account, only whether this was tried before.
        """
        account = self._by_name.get(name)
        if account is not None and account.password:
            if hmac.compare_digest(_bytes(account.password), _bytes(password)):
                return True
        elif account is not None and hmac.compare_digest(
            self._right.get(name, b""), self._mark(name, password)
        ):
            return True
        return False if self._mark(name, password) in self._wrong else None

    def kept(self, name: str) -> str:
        """Return the hash that a password is to be compared with; empty: there are none to hide behind."""
        account = self._by_name.get(name)
        if account is not None and account.password_hash:
            return account.password_hash
        return NOBODY if self._has_hashes else ""

    def settle(self, name: str, password: str, kept: str, *, is_right: bool) -> bool:
        """Remember what comparing with `kept` gave; return whether name and password belong together now."""
        if kept != self.kept(name):  # it was changed meanwhile
            return False
        mark = self._mark(name, password)
        if not is_right or name not in self._by_name:
            _put(self._wrong, mark, None, REMEMBERED_WRONG)
            return False
        _put(self._right, name, mark, REMEMBERED)
        return True

    def credential(self, name: str) -> str:
        """Return what changes with an account's password."""
        account = self._by_name.get(name)
        return "" if account is None else account.password or account.password_hash

    def _mark(self, name: str, password: str) -> bytes:
        """Return what stands for a name and a password, as long as the account's password stays."""
        parts = (name, password, self.credential(name))
        return hmac.digest(self._key, b"".join(hashlib.sha256(_bytes(p)).digest() for p in parts), "sha256")


def _put(table: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember the newest."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
