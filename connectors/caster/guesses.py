"""Who guesses passwords waits longer and longer. Nobody is locked out, least of all from elsewhere.

An address waits after some wrong passwords. An account that many guess at makes those addresses wait sooner
that have been wrong before; who is right from another address waits for nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

FREE = 5
"""Wrong passwords of an address that cost nothing: people mistype."""
FREE_OF_ACCOUNT = 20
"""Wrong passwords of an account, from anywhere, until guessing at it counts."""
SHORTEST_S, LONGEST_S = 0.5, 10.0
"""Between two attempts of an address; each wrong one doubles it."""
MOST_WAIT_S = 8.0
"""That an attempt is let wait: rovers give up not much later."""
FORGET_S = 600.0
"""After the last wrong password."""
MOST_ADDRESSES, MOST_ACCOUNTS = 20_000, 20_000


@dataclass(slots=True)
class _Wrong:
    count: int = 0
    last_s: float = 0.0
    next_s: float = 0.0
    """When the next attempt may be looked at."""


@dataclass(slots=True)
class Guesses:
    """Wrong passwords of late. `now_s` is any clock that does not go back."""

    _addresses: dict[str, _Wrong] = field(default_factory=dict)
    _accounts: dict[str, _Wrong] = field(default_factory=dict)

    def wait_s(self, name: str, address: str, now_s: float) -> float | None:
        """Return how long an attempt is to wait before it is looked at; None: it is refused.

        The time is taken: the next attempt of this address waits from then on.
        """
        found = _recent(self._addresses, source_of(address), now_s)
        if found is None:
            return 0.0
        at_s = max(now_s, found.next_s)
        if at_s - now_s > MOST_WAIT_S:
            return None
        account = _recent(self._accounts, name, now_s)
        count = found.count + (FREE if account is not None and account.count > FREE_OF_ACCOUNT else 0)
        if count > FREE:
            found.next_s = at_s + min(SHORTEST_S * 2.0 ** min(count - FREE - 1, 30), LONGEST_S)
        return at_s - now_s

    def failed(self, name: str, address: str, now_s: float, *, exists: bool) -> bool:
        """Take note of a wrong password; return whether an account begins to be guessed at.

        Parameters
        ----------
        exists
            Whether there is such an account: names that guessers invent fill no table.
        """
        _count(self._addresses, source_of(address), now_s, MOST_ADDRESSES)
        return exists and _count(self._accounts, name, now_s, MOST_ACCOUNTS) == FREE_OF_ACCOUNT + 1

    @property
    def addresses(self) -> int:
        """How many addresses are remembered."""
        return len(self._addresses)


def source_of(address: str) -> str:
    """Return what one peer has of addresses: an IPv4 address, or a network of /64 in IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)


def _recent(table: dict[str, _Wrong], key: str, now_s: float) -> _Wrong | None:
    found = table.get(key)
    if found is not None and now_s - found.last_s > FORGET_S:
        del table[key]
        return None
    return found


def _count(table: dict[str, _Wrong], key: str, now_s: float, most: int) -> int:
    found = _recent(table, key, now_s) or _Wrong()
    found.count, found.last_s = found.count + 1, now_s
    table.pop(key, None)
    table[key] = found  # the one that was wrong last stands last
    if len(table) > most:
        del table[next(iter(table))]
    return found.count
