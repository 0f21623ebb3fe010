"""Accounts on their way down the regions: what a region below may have, and what one gets from above.

Pure. An account holds where it was registered and in the regions below; nothing of accounts goes up. A region
gets the hash of a password, or it could not let anybody in while it is cut off; it gets those alone that it
needs, in a topic of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams import codec
from streams.definitions import MOST_BYTES
from streams.records import Change, Changes
from streams.regions import from_above, steps_above, within

MOST_ACCOUNTS = 80_000
"""From all regions above, those that are gone included."""
LONGEST_ID = 300


@dataclass(slots=True)
class Shared:
    """All accounts that an installation knows, its own and those from above, as changes made them."""

    _accounts: dict[str, Change] = field(default_factory=dict)

    def take_own(self, changes: Changes) -> list[str]:
        """Take what was registered here; return the ids that it is about."""
        found = []
        for change in changes.changes:
            if change.kind != "account" or ":" in change.id:
                continue
            before = self._accounts.get(change.id)
            if before is None or before.version <= change.version:
                self._accounts[change.id] = change
                found.append(change.id)
        return found

    def take_above(self, changes: Changes) -> list[str]:
        """Take what came from above, in the order in which it came; return the ids that it is about."""
        found = [one for one in changes.changes if one.kind == "account" and steps_above(one.id)]
        self._accounts.update((one.id, one) for one in found)
        return [one.id for one in found]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._accounts))

    def definition_for(self, region: str, identity: str) -> dict[str, Any] | None:
        """Return an account as a region below may have it; None: it may not, or there is none.

        What is configured alone stays here, since its password stands there in clear.
        """
        change = self._accounts.get(identity)
        after = None if change is None or change.verb == "revert" else change.after
        if after is None or after.get("password"):
            return None
        after = {name: value for name, value in after.items() if name != "roles"}  # they hold here alone
        regions = after.get("regions")
        if regions is None:
            return after
        inner = [rest for path in regions for rest in (within(region, f"{path}:"),) if rest is not None]
        if not inner:
            return None
        rest = {name: value for name, value in after.items() if name != "regions"}
        return rest if "" in inner else {**rest, "regions": [path.removesuffix(":") for path in inner]}

    def may_have(self, region: str, identity: str) -> bool:
        """Return whether a region below may have an account."""
        return self.definition_for(region, identity) is not None

    def change_for(self, region: str, identity: str) -> Change:
        """Return what a region below is told of an account: neither who changed it, nor what was before."""
        known = self._accounts.get(identity)
        after = self.definition_for(region, identity)
        return Change(
            kind="account",
            id=identity,
            version=0 if known is None else known.version,
            verb="delete" if after is None else "put",
            before=None,
            after=after,
            by="",
            at_us=0 if known is None else known.at_us,
            command_id="",
        )


@dataclass(slots=True)
class Told:
    """What one region below was told of accounts."""

    region: str
    _told: dict[str, bytes] = field(default_factory=dict)
    """By id: what it is, encoded."""

    def __len__(self) -> int:
        return sum(one != _GONE for one in self._told.values())

    def learn(self, changes: Changes) -> None:
        """Learn from the region's topic what was told."""
        self._told.update((one.id, _content(one)) for one in changes.changes)

    def due(self, shared: Shared, identities: Iterable[str] | None = None) -> list[Change]:
        """Return what the region does not know of these accounts; None: of all."""
        every = (*shared, *self._told) if identities is None else identities
        wanted = [shared.change_for(self.region, one) for one in dict.fromkeys(every)]
        return [one for one in wanted if self._told.get(one.id, _GONE) != _content(one)]


@dataclass(slots=True)
class FromAbove:
    """What a region's parent says of accounts, as the region's casters are told.

    Versions are the region's own: whatever becomes of the parent's, what was said last has the highest.
    """

    left_out: int = 0
    """Changes of what cannot be an account, or of too many."""
    _said: set[str] = field(default_factory=set)
    """Ids that the parent has spoken of since the start."""
    _told: dict[str, bytes] = field(default_factory=dict)
    _version: int = 0

    def learn(self, changes: Changes) -> None:
        """Learn from the region's own topic what its casters were told."""
        for one in changes.changes:
            self._told[one.id] = _content(one)
            self._version = max(self._version, one.version)

    def take(self, changes: Changes) -> list[Change]:
        """Return what casters do not know of what the parent says."""
        return [made for one in changes.changes if (made := self._made(one)) is not None]

    def settle(self) -> list[Change]:
        """Return what the parent has nothing of, when it has said everything."""
        lost = [one for one, content in self._told.items() if one not in self._said and content != _GONE]
        gone = [Change(kind="account", id=name, version=0, verb="delete", before=None, after=None, by="",
                       at_us=0, command_id="") for name in lost]  # fmt: skip
        return [self._next(one) for one in gone]

    def _made(self, one: Change) -> Change | None:
        name = from_above(one.id)
        is_new = name not in self._told and name not in self._said
        if (
            one.kind != "account"
            or len(name) > LONGEST_ID
            or len(msgspec.msgpack.encode(one.after)) > MOST_BYTES
            or (is_new and len(self._said) >= MOST_ACCOUNTS)
        ):
            self.left_out += 1
            return None
        self._said.add(name)
        after = one.after if one.verb != "revert" else None
        made = msgspec.structs.replace(
            one, id=name, verb="delete" if after is None else "put", before=None, after=after, by="",
            command_id="",
        )  # fmt: skip
        return None if self._told.get(name, _GONE) == _content(made) else self._next(made)

    def _next(self, one: Change) -> Change:
        self._version += 1
        self._told[one.id] = _content(one)
        return msgspec.structs.replace(one, version=self._version)


def key_of(change: Change) -> bytes:
    """Return the key of a message with one account."""
    return f"account/{change.id}".encode()


def message_of(change: Change) -> bytes:
    """Return the message with one account."""
    return codec.encode(Changes(changes=[change]))


def grown(ages_us: Sequence[int], at_us: int, now_us: int) -> list[int]:
    """Return ages as they are some time after they were told."""
    return [age + max(now_us - at_us, 0) for age in ages_us]


def _content(change: Change) -> bytes:
    return msgspec.msgpack.encode(change.after, order="sorted")


_GONE = msgspec.msgpack.encode(None)
