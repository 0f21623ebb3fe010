"""Who asks, and what that allows: of a write token, a token, a session, or nothing at all."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import HTTPConnection

from connectors.caster.guesses import source_of
from connectors.caster.passwords import PasswordChecks
from dashboards.access.addresses import address_of, is_local_name, is_this_machine
from dashboards.access.book import PREFIX, Book
from dashboards.access.cookies import NAME, Cookies, Session
from dashboards.access.permissions import GRANTED, Action, actions_of
from dashboards.access.rates import Rates
from dashboards.problems import ProblemError
from streams.access_definitions import Role

MOST_ENDED = 20_000
TOKEN_NEEDED = {"WWW-Authenticate": "Bearer"}
How = Literal["nobody", "here", "write_token", "token", "session"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a configuration says of access."""

    is_public: bool = True
    """Whether everybody may read what is not sensitive."""
    metrics: Literal["open", "local", "token"] = "open"
    """Who is told figures: everybody, this machine, or who may by role or scope."""
    reads_s: float = 0.0
    """Requests a second of one address, and of one account; 0: any number."""
    writes_s: float = 0.0
    session_idle_s: float = 12 * 3600.0
    session_longest_s: float = 7 * 86400.0
    is_secure: bool = False
    """Whether people reach this over TLS though it has none itself."""
    has_provider: bool = False
    """Whether people may sign in by a provider, which may say their roles."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who asks."""

    how: How = "nobody"
    actions: frozenset[Action] = frozenset()
    name: str = ""
    """For the audit; empty: nobody is known by name, who may then say one."""
    account: str = ""
    roles: tuple[Role, ...] = ()
    session: Session | None = None
    renewal: str | None = None
    """The cookie with which the session goes on; None: the one it has serves for long enough."""


class Access:
    """Says who may do what.

    Parameters
    ----------
    book
        Accounts and tokens.
    clock_us, clock_s
        UTC, and one that does not go back.
    write_token
        An administrator's; empty: there is none.
    open_writes
        Whether only this machine reaches the server: everybody may do everything then, until there is a write
        token, a provider, or an account of an administrator.
    key
        Signs cookies; empty: one of this process.
    """

    def __init__(
        self,
        book: Book,
        clock_us: Callable[[], int],
        clock_s: Callable[[], float],
        *,
        write_token: str = "",
        open_writes: bool = False,
        rules: Rules = Rules(),
        key: bytes = b"",
    ) -> None:
        self.book = book
        self.rules = rules
        self.clock_us = clock_us
        self.cookies = Cookies(key or secrets.token_bytes(32), rules.session_idle_s, rules.session_longest_s)
        self.checks = PasswordChecks(book.accounts, clock_s)
        self.read_rates, self.write_rates = Rates(rules.reads_s), Rates(rules.writes_s)
        self._clock_s = clock_s
        self._write_token = write_token
        self._open_writes = open_writes
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches this may do everything."""
        return (
            self._open_writes
            and not self._write_token
            and not self.rules.has_provider  # which may say who is an administrator
            and self.book.is_known
            and not self.book.has_administrator
        )

    @property
    def writes(self) -> Literal["token", "open", "closed"]:
        """What a page shows that is made for all: whether changes need somebody to be known."""
        if self.is_open:
            return "open"
        return "closed" if self.is_closed else "token"

    @property
    def is_closed(self) -> bool:
        """Whether there is no way at all to be let in."""
        ways = self._open_writes or self._write_token or self.book.has_roles or self.rules.has_provider
        return not ways and self.book.is_known

    def who(self, connection: HTTPConnection) -> Who:
        """Return who asks; it is looked up once a request.

        Raises
        ------
        ProblemError
            401 a token that lets nobody in, 503 accounts are not known yet.
        """
        state = connection.scope.setdefault("state", {})
        if "who" not in state:
            state["who"] = self.look(connection)
        found: Who = state["who"]
        return found

    def look(self, connection: HTTPConnection) -> Who:
        """Return who asks, as things are now."""
        scheme, _, text = connection.headers.get("authorization", "").partition(" ")
        text = text.strip()
        if scheme.lower() == "bearer" and (text.startswith(PREFIX) or not self.is_open):
            return self._of_token(text)
        cookie = connection.cookies.get(NAME, "")
        if cookie and (found := self.of_session(cookie)) is not None:
            return found
        if self.is_open and is_local_name(connection.url.hostname or ""):
            return Who("here", GRANTED)
        return Who("nobody", frozenset({Action.READ}) if self.rules.is_public else frozenset())

    def may(self, connection: HTTPConnection, action: Action) -> bool:
        """Return whether who asks may do something."""
        if action in {Action.OPEN, Action.OWN_PROOF}:
            return True
        if action is Action.METRICS and self.shows_figures(connection):
            return True
        return action in self.who(connection).actions

    def check(self, connection: HTTPConnection, action: Action, what: str = "This") -> None:
        """Refuse who may not do something.

        Raises
        ------
        ProblemError
            401 nobody is known, 403 who is known may not, 503 accounts are not known yet.
        """
        if self.may(connection, action):
            return
        who = self.who(connection)
        if who.how in {"session", "token"}:
            raise ProblemError(
                403, f"{what} needs the permission {action.value!r}, which you do not have: "
                "ask an administrator."
            )  # fmt: skip
        if not self.book.is_known:
            raise not_known_yet()
        if action is not Action.READ and self.is_open:
            raise ProblemError(
                403,
                "Changes without a token are taken at localhost or an IP address only; "
                "set [server] write_token to use a name.",
            )
        if action is not Action.READ and self.is_closed:
            raise ProblemError(
                403,
                f"{what} is closed: this server is reachable from other machines and has neither a "
                "write_token nor an account with a role; set [server] write_token in its configuration.",
            )
        raise ProblemError(
            401,
            f"{what} needs the write token, or a token or account that may: sign in, or send "
            "Authorization: Bearer TOKEN.",
            TOKEN_NEEDED,
        )

    def count(self, connection: HTTPConnection, *, is_write: bool) -> None:
        """Take a request, once, of an account; who has none is counted by address alone.

        Raises
        ------
        ProblemError
            429 it asks too often.
        """
        state, account = connection.scope.setdefault("state", {}), self.who(connection).account
        if not account or "is_counted" in state:
            return
        state["is_counted"] = True
        wait_s = (self.write_rates if is_write else self.read_rates).wait_s(
            f"account {account}", self._clock_s()
        )
        if wait_s:
            raise too_often(wait_s)

    def shows_figures(self, connection: HTTPConnection) -> bool:
        """Return whether figures are shown to whoever asks from there."""
        rule = self.rules.metrics
        if rule == "local":
            return is_this_machine(address_of(connection))
        return rule == "open"

    def wait_s(self, address: str, *, is_write: bool) -> float:
        """Take a request of an address; return after how long it may come again, 0 if it is taken."""
        if is_this_machine(address):
            return 0.0  # programs here, or a proxy that is not configured, behind which many are
        rates = self.write_rates if is_write else self.read_rates
        return rates.wait_s(source_of(address), self._clock_s())

    def end(self, session: Session) -> None:
        """Let this process take a session no more."""
        self._ended[session.id] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def renewal_of(self, who: Who) -> str | None:
        """Return the cookie with which a session goes on, unless it was ended meanwhile."""
        return None if who.session is None or who.session.id in self._ended else who.renewal

    def of_session(self, cookie: str) -> Who | None:
        """Return who a cookie says that somebody is, if it serves now."""
        name = self.cookies.account_of(cookie)
        if name is None:
            return None
        if not self.book.is_known:
            raise not_known_yet()
        now_us = self.clock_us()
        state = self.book.state(name)
        session = self.cookies.read(cookie, state, now_us)
        if session is None or session.id in self._ended:
            return None
        if session.until_us is not None and not self.rules.has_provider:
            return None  # a provider said who this is, and is not believed any more
        roles = self.book.roles(name, now_us) if session.roles is None else session.roles
        if not roles or not self.book.is_open(name, now_us):
            return None
        actions = GRANTED if self.is_open else actions_of(roles)
        # signed as the account is now, not when the answer begins: it may be another one then
        renewal = self.cookies.renewed(session, state, now_us)
        return Who("session", actions, name, name, roles, session, renewal)

    # --- inside ---------------------------------------------------------------------------------------

    def _of_token(self, text: str) -> Who:
        if self._write_token and hmac.compare_digest(text.encode(), self._write_token.encode()):
            return Who("write_token", GRANTED)
        if not self.book.is_known:
            raise not_known_yet()
        now_us = self.clock_us()
        found = self.book.token(text, now_us)
        if found is None or (found[1].owner and not self.book.roles(found[1].owner, now_us)):
            raise ProblemError(
                401,
                "This is neither the write token nor one that is in force: it has expired, was revoked, "
                "or belongs to an account that is closed; ask an administrator for another.",
                TOKEN_NEEDED,
            )
        identity, token = found
        self.book.used(identity, now_us)
        name = f"token {token.name}"
        return Who(
            "token",
            self.book.actions_of(token, now_us),
            name=f"{token.owner[:30]} ({name})" if token.owner else name,
            account=f"token {identity}",
        )


def too_often(wait_s: float) -> ProblemError:
    """Return the refusal of somebody who asks too often."""
    seconds = max(1, -int(-wait_s // 1))
    return ProblemError(
        429, f"You ask too often: wait {seconds} s, and ask less often.", {"Retry-After": str(seconds)}
    )


def not_known_yet() -> ProblemError:
    """Return the refusal while nobody can be told from others."""
    return ProblemError(503, "Accounts are not known yet: try again in a moment.", {"Retry-After": "2"})
