"""The accounts and tokens in force at the API, as changes made them."""

from __future__ import annotations

import hmac
import secrets
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.caster.accounts import Accounts
from dashboards.access.permissions import Action, actions_of
from streams.access_definitions import Role, TokenDefinition, secret_hash_of
from streams.definitions import AccountDefinition
from streams.objects import Base, Objects
from streams.records import Changes, Record

PREFIX = "gsw_"
"""Of tokens, so that people and programs that look for lost secrets know them."""
MOST_USES = 20_000


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it is shown once."""

    id: str
    text: str
    secret_hash: str


def new_token() -> NewToken:
    """Return a new token; only its hash is to be kept."""
    identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewToken(identity, f"{PREFIX}{identity}_{secret}", secret_hash_of(secret))


class Book:
    """Follows changes of accounts and tokens. All changes come from the event loop.

    Parameters
    ----------
    base
        What the configuration defines.
    is_known
        Whether all that was changed before is known; else nobody is let in until `know` is called.
    """

    def __init__(self, base: Base | None = None, *, is_known: bool = True) -> None:
        self.accounts = Accounts()
        """For comparing passwords."""
        self.is_known = is_known
        self.has_administrator = False
        self.has_roles = False
        """Whether anybody could sign in."""
        self._objects = Objects(base or {}, ("account", "token"))
        self._uses: OrderedDict[str, int] = OrderedDict()
        self._settle()

    def take(self, changes: Changes) -> None:
        """Let changes be in force."""
        if any(kind == "account" for kind, _ in self._objects.take(changes)):
            self._settle()

    def listen(self, outputs: Sequence[Record]) -> None:
        """Take changes among what was made (a listener of the embedded runtime)."""
        for batch in outputs:
            if isinstance(batch, Changes):
                self.take(batch)

    async def follow(self, changes: Changes) -> None:
        """Take changes from a follower of the registry, which tells all that was before at once."""
        self.take(changes)
        self.is_known = True

    def roles(self, name: str, now_us: int) -> tuple[Role, ...]:
        """Return the roles of an account that may be used now; none: nobody may act by it."""
        account = self._account(name)
        if account is None or why_not(account, now_us):
            return ()
        return tuple(account.roles)

    def counts_by_role(self, now_us: int) -> dict[str, int]:
        """Return how many accounts that may be used now have each role; `rover`: none at all."""
        counts = Counter(
            role
            for _, account in self._objects.all("account", AccountDefinition)
            if not why_not(account, now_us)
            for role in (account.roles or ("rover",))
        )
        return dict(sorted(counts.items()))

    def is_open(self, name: str, now_us: int) -> bool:
        """Return whether there is an account by which somebody may act now, with roles or without."""
        account = self._account(name)
        return account is not None and not why_not(account, now_us)

    def why_not(self, name: str, now_us: int) -> str:
        """Return in a sentence why an account with the right password is not let in; empty: it is."""
        account = self._account(name)
        if account is None:
            return "This account is gone: ask an administrator."
        if why := why_not(account, now_us):
            return why
        return (
            ""
            if account.roles
            else "This account has no role, and is for rovers alone: ask an administrator for one."
        )

    def state(self, name: str) -> bytes:
        """Return what stands for an account as it is now, and changes with it."""
        change = self._objects.change(("account", name))
        version = 0 if change is None else change.version
        return f"{name}\n{version}\n{self.accounts.credential(name)}".encode("utf-8", "surrogatepass")

    def token(self, text: str, now_us: int) -> tuple[str, TokenDefinition] | None:
        """Return id and definition of a token that lets somebody in now; None: it does not."""
        if not text.startswith(PREFIX):
            return None
        identity, _, secret = text.removeprefix(PREFIX).partition("_")
        found = self._objects.find("token", identity, TokenDefinition)
        kept = secret_hash_of("") if found is None else found.secret_hash
        if not hmac.compare_digest(secret_hash_of(secret), kept) or found is None:
            return None
        if found.expires_us is not None and now_us >= found.expires_us:
            return None
        return identity, found

    def actions_of(self, token: TokenDefinition, now_us: int) -> frozenset[Action]:
        """Return what a token may now: no more than its owner."""
        scopes = frozenset(Action(scope) for scope in token.scopes)
        return scopes & actions_of(self.roles(token.owner, now_us)) if token.owner else scopes

    def used(self, identity: str, now_us: int) -> None:
        """Note that a token was used."""
        self._uses[identity] = now_us
        self._uses.move_to_end(identity)
        if len(self._uses) > MOST_USES:
            self._uses.popitem(last=False)

    def used_us(self, identity: str) -> int | None:
        """Return when a token was used last at this process; None: not since its start."""
        return self._uses.get(identity)

    def _account(self, name: str) -> AccountDefinition | None:
        return self._objects.find("account", name, AccountDefinition)

    def _settle(self) -> None:
        accounts = dict(self._objects.all("account", AccountDefinition))
        self.accounts.replace(accounts, is_open=False)
        self.has_roles = any(one.roles for one in accounts.values())
        self.has_administrator = any("administrator" in one.roles for one in accounts.values())


def why_not(account: AccountDefinition, now_us: int) -> str:
    """Return in a sentence why nobody may act by an account now; empty: somebody may."""
    if not account.enabled:
        return "This account is closed: ask an administrator."
    if account.valid_from_us is not None and now_us < account.valid_from_us:
        return "This account is not valid yet: ask an administrator."
    if account.valid_until_us is not None and now_us >= account.valid_until_us:
        return "This account is not valid any more: ask an administrator."
    return ""
