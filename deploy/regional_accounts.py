"""What a bridge carries for casters: accounts down the regions, sessions and volumes along them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dashboards.metrics import Figure
from streams.kafka.account_lines import AccountReceiver, AccountTeller
from streams.kafka.bridge import Side
from streams.kafka.exchange import Exchange, Line
from streams.regions import RegionTree
from streams.together import together

Values = Callable[[], Mapping[tuple[str, ...], float]]

AGAIN_S = 60.0
"""How often at most all volumes are told again, since regions may have other accounts."""


@dataclass(slots=True)
class RegionalAccounts:
    """All of it in one installation.

    Parameters
    ----------
    here, above
        Its own Kafka, and its parent's: None, the top has none.
    """

    tree: RegionTree
    here: Side
    above: Side | None
    clock_us: Callable[[], int]
    steady_us: Callable[[], int]
    teller: AccountTeller | None = field(init=False)
    receiver: AccountReceiver | None = field(init=False)
    exchange: Exchange = field(init=False)
    _is_changed: bool = False

    def __post_init__(self) -> None:
        own, children = self.tree.own, self.tree.children
        teller = AccountTeller(own.name, children, self.here, self.clock_us, self._changed)
        self.teller = teller if children else None
        self.receiver = None
        if self.above is not None and own.down.accounts:
            self.receiver = AccountReceiver(own.name, self.above, self.here, self.clock_us)
        counted = {node.name: node.counted for node in self.tree.node if node.name in children}
        self.exchange = Exchange(
            own.name, counted, teller.shared.may_have, teller.known, self.clock_us, self.here, self.above,
            own.up.sessions, self.steady_us, own.down.accounts,
        )  # fmt: skip

    @property
    def error(self) -> str:
        """Why something does not go on right now; empty when all is well."""
        return next((error for error in self.errors.values() if error), "")

    @property
    def errors(self) -> dict[str, str]:
        """The same of each thing that is carried."""
        found: dict[str, str] = {}
        for one in (self.teller, self.receiver, *self.exchange.lines):
            if one is not None:
                what = one.name.partition("/")[2]
                found[what] = found.get(what) or one.error
        return found

    async def run(self) -> None:
        """Carry until cancelled."""
        parts = [one for one in (self.teller, self.receiver, *self.exchange.lines) if one is not None]
        await together(
            self._tell_again(),
            *(part.run() for part in parts),
            names=["volumes again", *(part.name for part in parts)],
        )

    def _changed(self) -> None:
        self._is_changed = True

    async def _tell_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            if self._is_changed:
                self._is_changed = False
                self.exchange.tell_again()


def regional_accounts_figures(carried: RegionalAccounts) -> list[Figure]:
    """Return how what is carried for casters is doing."""
    own = carried.tree.here
    teller, receiver, exchange = carried.teller, carried.receiver, carried.exchange

    def told() -> dict[tuple[str, ...], float]:
        return {} if teller is None else {(child,): len(one) for child, one in teller.told.items()}

    def unheard_s() -> dict[tuple[str, ...], float]:
        if receiver is None or not receiver.heard_us:
            return {}
        return {(own,): max(carried.clock_us() - receiver.heard_us, 0) / 1e6}

    def refused() -> dict[tuple[str, ...], float]:
        return {(region, why): n for (region, why), n in exchange.refused().items()}

    def each(value: Callable[[AccountTeller | AccountReceiver | Line], int]) -> Values:
        def values() -> dict[tuple[str, ...], float]:
            found: Counter[tuple[str, ...]] = Counter()
            for one in (teller, receiver, *exchange.lines):
                if one is not None:
                    found[own, one.name.partition("/")[2]] += value(one)
            return dict(found)

        return values

    def late() -> dict[tuple[str, ...], float]:
        return {(own, line): n for line, n in exchange.late.copy().items()}

    return [
        Figure("bridge_line_failing", "1 while accounts or counts cannot be carried.", "gauge",
               lambda: {(own, what): float(bool(error)) for what, error in carried.errors.items()},
               ("region", "line")),
        Figure("bridge_line_messages", "Accounts and counts that arrived.", "counter",
               each(lambda one: one.sent),
               ("region", "line")),
        Figure("bridge_told_accounts", "Accounts that a region below may have.", "gauge", told, ("region",)),
        Figure("bridge_unheard_seconds", "Since the parent said last that all accounts are told.", "gauge",
               unheard_s, ("region",)),
        Figure("bridge_counts_refused", "Of what a region below tells: not believed.", "counter",
               refused, ("region", "reason")),
        Figure("bridge_counts_late", "Sessions that waited for too long to be told.", "counter",
               late, ("region", "line")),
        Figure("bridge_line_unreadable", "Left out: damaged, too large, a newer program's.", "counter",
               each(lambda one: one.left_out), ("region", "line")),
    ]  # fmt: skip
