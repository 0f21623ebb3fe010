"""Lets rovers in as their accounts allow, follows what they have, and ends what is not allowed any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from connectors.caster.above import Above
from connectors.caster.accounts import Accounts
from connectors.caster.audience import Subscriber
from connectors.caster.metered import Metered
from connectors.caster.permissions import why_not, why_not_there
from connectors.caster.privacy import Detail, coarse
from connectors.caster.session_book import Key, Session, Sessions
from connectors.caster.volumes import Volumes
from gnss.ntrip.gga_reader import RoverPosition
from streams.definitions import AccountDefinition
from streams.regions import name_of, steps_above

log = structlog.get_logger()

POSITION_US = 60_000_000
"""That an account with areas may be without a position: rovers send one each 1 to 30 s."""
MOST_ENDED = 100_000
_OPEN = AccountDefinition()
_CUT_OFF = "this caster has heard nothing of this account for too long; try again in a while"


class Rover(Subscriber, Protocol):
    """What is needed of a connection."""

    address: str

    def cut(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a rover gets no stream."""

    reason: str
    """For the counters: account, area, volume, sessions, cut off."""
    text: str
    """For the person behind the rover."""
    may_pass: bool = False
    """Whether the same is worth trying again in a while."""


@dataclass(slots=True, eq=False)
class _Present:
    """A rover that gets a stream."""

    session: Session
    rover: Rover
    terms: tuple[object, ...]
    """What of the account cannot change while it is there."""
    n_bytes: Callable[[], int]
    """That it has had so far."""
    n_epochs: Callable[[], int]
    counted: int = 0
    """Of these, that stand in the account's volume."""
    metered: Metered | None = None
    left_out: int = 0
    """Of what `metered` left out: that stands in the sum."""
    is_over: bool = False


class Admission:
    """All rovers of a caster that get a stream. All calls come from the event loop.

    Parameters
    ----------
    accounts
        Those in force.
    sessions, volumes
        The books; what other casters tell is entered by who hears it, who then calls `recheck_account`.
    clock_us, clock_s
        UTC, and one that does not go back.
    count_refused
        Gets the reason of each cut.
    detail
        How much of addresses is kept.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        volumes: Volumes,
        clock_us: Callable[[], int],
        clock_s: Callable[[], float],
        count_refused: Callable[[str], None],
        detail: Detail = "network",
    ) -> None:
        self.sessions, self.volumes = sessions, volumes
        self.above = Above()
        """How it stands with the regions above, whose accounts hold here."""
        self.given_way: Counter[str] = Counter()
        """Sessions that ended for one that a region told of, by that region."""
        self.ended: list[Key] = []
        """Sessions of this caster that are over, until somebody takes them away to tell others."""
        self.left_out = 0
        """Epochs that rovers did not get, since they were beyond their account's rate."""
        self._accounts = accounts
        self._clock_us, self._clock_s = clock_us, clock_s
        self._count_refused = count_refused
        self.detail: Detail = detail
        self._present: dict[Rover, _Present] = {}
        self._by_key: dict[Key, _Present] = {}
        self._watched: dict[_Present, None] = {}
        """Those whose account has an end, a volume or areas."""

    def refused(self, name: str, mountpoint: str, position: RoverPosition | None = None) -> Refused | None:
        """Return why an account that told its password gets no stream; None: it does.

        Parameters
        ----------
        position
            Where the rover says that it is, if it has said so.
        """
        identity = self._accounts.id_of(name)
        account, now_us = self._account(identity), self._clock_us()
        if text := why_not(account, mountpoint, now_us):
            return Refused("account", text)
        assert account is not None
        if self.above.contact(steps_above(identity), now_us) == "forgotten":
            return Refused("cut off", _CUT_OFF, may_pass=True)
        if text := self._too_much(identity, account, now_us):
            return Refused("volume", text)
        most = self._most(identity, account)
        if account.when_full == "refuse" and not self.sessions.has_room(identity, most):
            text = f"this account has its {most} sessions already; end one and try again"
            return Refused("sessions", text, may_pass=True)
        place = position if account.areas else None
        if place is not None and (text := why_not_there(account, place.longitude, place.latitude)):
            return Refused("area", text)
        return None

    def begin(
        self,
        rover: Rover,
        name: str,
        mountpoint: str,
        n_bytes: Callable[[], int],
        n_epochs: Callable[[], int],
    ) -> Subscriber:
        """Let a rover have a stream; return who is to be subscribed for it.

        Parameters
        ----------
        n_bytes, n_epochs
            Tell what a rover has had that is subscribed itself.
        """
        identity = self._accounts.id_of(name)
        account, address = self._account(identity) or _OPEN, coarse(rover.address, self.detail)
        session = self.sessions.begin(identity, mountpoint, address, self._clock_us())
        metered = None
        if account.rate_bytes_s or account.day_bytes or account.month_bytes or account.areas:
            metered = Metered(rover, account.rate_bytes_s, self._clock_s, is_held=bool(account.areas))
            n_bytes, n_epochs = _let_through(metered)
        present = _Present(session, rover, self._terms(identity), n_bytes, n_epochs, metered=metered)
        if metered is not None or account.valid_until_us is not None:
            self._watched[present] = None
        self._present[rover] = self._by_key[session.key] = present
        self.recheck_account(identity)
        return metered or rover

    def leave(self, rover: Rover) -> Subscriber | None:
        """Forget a rover; return who was subscribed for it."""
        present = self._present.pop(rover, None)
        if present is None:
            return None
        self._end(present)
        return present.metered or rover

    def is_at(self, rover: Rover, longitude: float, latitude: float) -> None:
        """Let a rover have its stream where its account may be used; end it elsewhere."""
        present = self._present.get(rover)
        account = None if present is None else self._account(present.session.account)
        if present is None or account is None or present.metered is None:
            return
        if why := why_not_there(account, longitude, latitude):
            self._cut(present, "area", why)
        else:
            present.metered.is_held = False

    def recheck(self) -> None:
        """End what accounts do not allow any more, after they were changed."""
        if self._accounts.is_open:
            return
        for present in tuple(self._present.values()):
            session = present.session
            account = self._account(session.account)
            if why := why_not(account, session.mountpoint, self._clock_us()):
                self._cut(present, "account", why)
            elif present.terms != self._terms(session.account):
                self._cut(present, "account", "the account was changed")
            elif account is not None and account.valid_until_us is not None:
                self._watched[present] = None
        for name in {present.session.account for present in self._present.values()}:
            self.recheck_account(name)

    def recheck_account(self, identity: str) -> None:
        """End what is one session too many, of those that are here."""
        account = self._account(identity)
        if account is None:
            return
        surplus = self.sessions.surplus(identity, self._most(identity, account), account.when_full)
        for session in surplus:
            present = self._by_key.get(session.key)
            if present is None:
                continue
            why = "another session of the account has its place"
            if region := self.sessions.newest_region(identity, surplus):
                self.given_way[region] += 1
                why = f"a session of the account in another region ({region}) has its place"
            self._cut(present, "sessions", why)

    def look(self) -> None:
        """End what time has ended; to be called each second."""
        now_us = self._clock_us()
        if self.above.has_changed(now_us):
            for identity in {present.session.account for present in self._present.values()}:
                self.recheck_account(identity)
        for present in tuple(self._watched):
            session = present.session
            account = self._account(session.account)
            self._count(present)
            if account is None:
                continue
            if why := why_not(account, session.mountpoint, now_us):
                self._cut(present, "account", why)
            elif why := self._too_much(session.account, account, now_us):
                told = self.volumes.regions_of(session.account, now_us)
                log.info("an account has had its volume", account=session.account, month_bytes=told)
                self._cut(present, "volume", why)
            elif (
                present.metered is not None
                and present.metered.is_held
                and now_us - session.begun_us > POSITION_US
            ):
                self._cut(present, "area", "it told no position, which its account needs")

    def settle(self) -> None:
        """Count what all rovers have had so far, and forget what other casters say no more."""
        for present in self._present.values():
            self._count(present)
        now_us = self._clock_us()
        self.volumes.forget(now_us)
        self.sessions.forget(now_us)

    def session_of(self, rover: Rover) -> Session | None:
        """Return a rover's session, with what it has had until now; None: it has none."""
        present = self._present.get(rover)
        if present is None:
            return None
        self._count(present)
        return present.session

    @property
    def present(self) -> Iterable[Session]:
        """Sessions of this caster."""
        return [present.session for present in self._by_key.values()]

    # --- inside ---------------------------------------------------------------------------------------

    def _account(self, identity: str) -> AccountDefinition | None:
        return _OPEN if self._accounts.is_open else self._accounts.by_id(identity)

    def _most(self, identity: str, account: AccountDefinition) -> int:
        """Return how many sessions an account may have now."""
        return self.above.limit(steps_above(identity), account.most_sessions, self._clock_us())

    def _terms(self, identity: str) -> tuple[object, ...]:
        account = self._account(identity) or _OPEN
        has_volume = bool(account.day_bytes or account.month_bytes)
        credential = self._accounts.credential(name_of(identity))
        return credential, account.rate_bytes_s, account.areas, has_volume

    def _too_much(self, identity: str, account: AccountDefinition, now_us: int) -> str:
        if not account.day_bytes and not account.month_bytes:
            return ""
        of_day, of_month = self.volumes.used(identity, now_us)
        for used, most, when in (
            (of_day, account.day_bytes, "day"),
            (of_month, account.month_bytes, "month"),
        ):
            if most and used >= most:
                return f"this account has had its volume of this {when}; it begins anew with the next (UTC)"
        return ""

    def _count(self, present: _Present) -> None:
        so_far = present.session.n_bytes = present.n_bytes()
        present.session.n_epochs = present.n_epochs()
        if present.session.account and so_far > present.counted:
            self.volumes.add(present.session.account, so_far - present.counted, self._clock_us())
        present.counted = so_far
        if present.metered is not None:
            self.left_out += present.metered.left_out - present.left_out
            present.left_out = present.metered.left_out

    def _cut(self, present: _Present, reason: str, why: str) -> None:
        if present.is_over:
            return
        session = present.session
        log.info("a rover is cut", account=session.account, mountpoint=session.mountpoint, why=why)
        self._count_refused(reason)
        self._end(present)
        present.rover.cut()

    def _end(self, present: _Present) -> None:
        if present.is_over:
            return
        present.is_over = True
        self._count(present)
        self._watched.pop(present, None)
        key = present.session.key
        del self._by_key[key]
        self.sessions.end(key)
        self.ended.append(key)
        del self.ended[:-MOST_ENDED]


def _let_through(metered: Metered) -> tuple[Callable[[], int], Callable[[], int]]:
    return lambda: metered.n_bytes, lambda: metered.n_epochs
