"""The page's session: a signed cookie, so that every process that has the key knows it, also after a restart.

It is signed with what stands for the account as it is now. So any change of the account (its password, its
roles, that it is closed) ends its sessions in every process that has heard of the change.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass

import msgspec

from streams.access_definitions import Role

NAME = "groundswell_session"
LONGEST = 1_000
"""Characters of a cookie that is looked at."""
_SECOND_US = 1_000_000
_SKEW_US = 60 * _SECOND_US
"""That clocks of several processes may differ."""


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a cookie says."""

    account: str
    id: bytes
    """Random."""
    begun_us: int
    renewed_us: int
    roles: tuple[Role, ...] | None = None
    """Those that a provider gave; None: the account's own."""
    until_us: int | None = None
    """When it is over whatever is asked, if a provider said who this is; None: they had a password."""


@dataclass(frozen=True, slots=True)
class Cookies:
    """Makes and reads cookies.

    Parameters
    ----------
    key
        At least 32 bytes that nobody else knows.
    idle_s, longest_s
        How long a session lasts without and with requests.
    """

    key: bytes
    idle_s: float
    longest_s: float

    def begin(
        self,
        account: str,
        state: bytes,
        now_us: int,
        *,
        roles: tuple[Role, ...] | None = None,
        until_us: int | None = None,
    ) -> str:
        """Return the cookie of a new session; `state` stands for the account as it is now."""
        new = Session(account, secrets.token_bytes(16), now_us, now_us, roles, until_us)
        return self._signed(new, state)

    def account_of(self, cookie: str) -> str | None:
        """Return of which account a cookie says that it is, unproven; None: it is none of ours."""
        found = _parts(cookie)
        return None if found is None else found[0].account

    def read(self, cookie: str, state: bytes, now_us: int) -> Session | None:
        """Return the session, if it is signed for the account as it is now, and not over."""
        found = _parts(cookie)
        if found is None:
            return None
        session, payload, mac = found
        if not hmac.compare_digest(mac, self._mac(payload, state)):
            return None
        return session if session.renewed_us - _SKEW_US <= now_us < self.end_us(session) else None

    def end_us(self, session: Session) -> int:
        """Return when a session is over if nothing more is asked."""
        longest_us = session.begun_us + int(self.longest_s * _SECOND_US)
        return min(
            session.renewed_us + int(self.idle_s * _SECOND_US),
            longest_us if session.until_us is None else min(longest_us, session.until_us),
        )

    def renewed(self, session: Session, state: bytes, now_us: int) -> str | None:
        """Return the cookie that goes on from now; None: this one serves for long enough."""
        if now_us - session.renewed_us < self.idle_s * _SECOND_US / 20:
            return None
        return self._signed(msgspec.structs.replace(session, renewed_us=now_us), state)

    def _signed(self, session: Session, state: bytes) -> str:
        payload = msgspec.msgpack.encode(session)
        return f"{_text(payload)}.{_text(self._mac(payload, state))}"

    def _mac(self, payload: bytes, state: bytes) -> bytes:
        return hmac.digest(hmac.digest(self.key, state, "sha256"), payload, "sha256")


def _parts(cookie: str) -> tuple[Session, bytes, bytes] | None:
    if len(cookie) > LONGEST or not cookie.isascii():
        return None
    payload_text, _, mac_text = cookie.partition(".")
    try:
        payload, mac = _bytes(payload_text), _bytes(mac_text)
        return msgspec.msgpack.decode(payload, type=Session), payload, mac
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, ValueError):
        return None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
