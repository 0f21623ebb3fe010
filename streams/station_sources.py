"""Where a station's stream is to be had: its sources in order, and when the next one takes over.

A station's own `source` is the first, by the name `main`; those of its list stand behind it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from gnss.to_rtcm.formats import FORMATS
from streams.loopback import is_loopback

MAIN = "main"
"""The name of the source that stands in the station's own fields."""
MOST_SOURCES = 8
MOST_ADDRESSES = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_OF_MAIN = {
    "source": "source",
    "version": "version",
    "format": "format",
    "stall_s": "stall_s",
    "push_password": "push_password",
    "push_password_hash": "push_password_hash",
    "allow": "allow",
    "paused": "source_paused",
}
"""What is said of the first source, and the station's field that says it."""
_SECRETS = ("push_password", "push_password_hash")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]


class SourceDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of a station."""

    name: str
    source: str
    """As the station's own."""
    version: str | int = "auto"
    format: str = "auto"
    stall_s: Seconds = 30.0
    """Without data for so long, its connection is taken for dead."""
    push_password: str = ""
    push_password_hash: str = ""
    allow: list[str] = []
    standby: Literal["hot", "cold"] = "hot"
    """`cold`: it is connected only while no source before it brings anything."""
    paused: bool = False

    def check(self) -> None:
        """Look at what needs nothing else.

        Raises
        ------
        ValueError
            It makes no sense; the message says what to do.
        """
        if not is_source(self.source):
            raise ValueError(
                f"source {without_password(self.source)!r} is not understood; "
                "write ntrip://user:password@host:port/MOUNTPOINT, tcp://host:port, push: or "
                "tcp-listen://0.0.0.0:port"
            )
        _check_access(urlsplit(self.source), self)
        if str(self.version) not in {"1", "2", "auto"}:
            raise ValueError(f"NTRIP version {self.version!r} is not known; write 1, 2 or auto")
        if self.format not in FORMATS:
            raise ValueError(f"format {self.format!r} is not known; write {', '.join(FORMATS)}")


class ChangeOver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When another of a station's sources takes over. Times by the arrival of epochs."""

    stall_epochs: Annotated[float, msgspec.Meta(ge=1.5, le=1000)] = 3.0
    """Nothing for so many intervals between its epochs, a second at least: it has stalled."""
    late_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 1.0
    """Its epochs come so much later than those of another."""
    loss_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    """So much more of its epochs are missing than of another's."""
    loss_over_s: Seconds = 60.0
    """Over which a loss is forgotten: after so long a third of it counts."""
    worse_for_s: Seconds = 10.0
    """That it must be late, or lose epochs, before another takes over."""
    better_for_s: Seconds = 60.0
    """That one which stands before must be as good, before it is taken again."""
    hold_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 10.0
    """After a change none but for a stall."""


def every_source(values: Mapping[str, Any], listed: Iterable[SourceDefinition]) -> list[SourceDefinition]:
    """Return all sources in order: what the station's own fields say of the first, and those behind it."""
    if not values["source"]:
        return list(listed)
    main = {name: values[field] for name, field in _OF_MAIN.items()}
    return [SourceDefinition(name=MAIN, **main), *listed]


def check_sources(sources: list[SourceDefinition]) -> None:
    """Look at all sources of a station.

    Raises
    ------
    ValueError
        They make no sense; the message names the one and says what to do.
    """
    if not sources:
        raise ValueError("it has no source; write one")
    if len(sources) > MOST_SOURCES:
        raise ValueError(f"it has more than {MOST_SOURCES} sources; leave some out")
    seen: set[str] = set()
    for one in sources:
        check_name(one.name, is_first=one is sources[0])
        if one.name in seen:
            raise ValueError(f"two sources have the name {one.name!r}; give each its own")
        seen.add(one.name)
        try:
            one.check()
        except ValueError as error:
            raise ValueError(str(error) if one.name == MAIN else f"source {one.name}: {error}") from error
    if sum(one.source.startswith("push:") for one in sources) > 1:
        raise ValueError("two of its sources push to the same mountpoint; let one of them push")


def check_name(name: str, *, is_first: bool = True) -> None:
    """Refuse a name of a source that could not be a part of a path.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    if not _NAME.fullmatch(name) or (name == MAIN and not is_first):
        raise ValueError(
            f"source name {name[:40]!r} does not serve; use at most 32 letters, digits, _ and -, "
            f"and {MAIN!r} for the first alone"
        )


def check_passwords(sources: Iterable[SourceDefinition]) -> None:
    """Refuse sources that everybody could push, or that stars stand in for.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    for one in sources:
        if one.source.startswith("push:") and not (one.push_password or one.push_password_hash):
            raise ValueError("everybody could push it; give a push_password")
        if ":***@" in one.source:  # as the API shows it
            raise ValueError("its source has stars in place of the password; write the password")


def with_changed(values: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a station's values with some of its sources changed, added or (None) taken away.

    Parameters
    ----------
    values
        Of the whole definition.
    changed
        By name: what is new of a source, or None. `place` is its new place in the order, counted from 1.

    Raises
    ------
    ValueError
        It cannot be so; one sentence says why.
    """
    values = dict(values)
    listed: list[dict[str, Any]] = [dict(one) for one in values.get("sources", [])]
    for name, new in changed.items():
        if new is not None and not isinstance(new, Mapping):
            raise ValueError(f"source {name[:40]!r} is no table of values; write for instance paused = true")
        if name == MAIN and (values["source"] or not any(one["name"] == MAIN for one in listed)):
            _change_main(values, new)
        else:
            _change_listed(listed, name, new, first=1 + bool(values["source"]))
    values["sources"] = listed
    if not values["source"] and not listed:
        raise ValueError("it is the only source; pause or delete the station instead")
    return values


def _change_main(values: dict[str, Any], new: Mapping[str, Any] | None) -> None:
    if new is None and not values["source"]:
        raise ValueError(f"there is no source {MAIN!r}; look up those there are")
    defaults = SourceDefinition(name=MAIN, source="")
    if new is None:
        new = {name: getattr(defaults, name) for name in _OF_MAIN}
    for name, value in _renewed(new).items():
        if (name, value) in (("place", 1), ("standby", "hot")):
            continue
        if name not in _OF_MAIN:
            raise ValueError(f"the source {MAIN} has no {name[:40]!r}: it is the first, and always connected")
        values[_OF_MAIN[name]] = value


def _change_listed(
    listed: list[dict[str, Any]], name: str, new: Mapping[str, Any] | None, *, first: int
) -> None:
    at = next((number for number, one in enumerate(listed) if one["name"] == name), None)
    if new is None:
        if at is None:
            raise ValueError(f"there is no source {name[:40]!r}; look up those there are")
        del listed[at]
        return
    if at is None and "source" not in new:
        raise ValueError(f"there is no source {name[:40]!r}; look up those there are, or give its source")
    after = {**({} if at is None else listed[at]), **_renewed(new), "name": name}
    place = after.pop("place", None)
    if place is None:
        if at is None:
            listed.append(after)
        else:
            listed[at] = after
        return
    if not isinstance(place, int) or not first <= place <= MOST_SOURCES:
        raise ValueError(f"place {place!r} is none that it can have; write {first} to {MOST_SOURCES}")
    if at is not None:
        del listed[at]
    listed.insert(place - first, after)


def _renewed(new: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which a new password is not overruled by the hash of the old one."""
    return {"push_password_hash": "", **new} if "push_password" in new else dict(new)


def shown_source(values: Any) -> Any:
    """Return the values of one source as they may be kept and shown: without passwords."""
    if not isinstance(values, Mapping):
        return values
    kept = {name: value for name, value in values.items() if name not in _SECRETS}
    if isinstance(kept.get("source"), str):
        kept["source"] = without_password(kept["source"])
    return kept


def shown_sources(values: Any) -> Any:
    """Return a list of sources, or changes of some by name, as they may be kept and shown."""
    if isinstance(values, Mapping):
        return {name: shown_source(one) for name, one in values.items()}
    return [shown_source(one) for one in values] if isinstance(values, list | tuple) else values


def is_source(source: str) -> bool:
    """Return whether a station's stream can be had from there."""
    try:
        url = urlsplit(source)
        port = url.port
    except ValueError:
        return False
    if url.scheme == "push":
        return not url.netloc and not url.path.strip("/")
    if url.scheme in {"tcp", "tcp-listen"}:
        return bool(url.hostname and port)
    return url.scheme in {"ntrip", "ntrips"} and bool(url.hostname and url.path.lstrip("/"))


def without_password(source: str) -> str:
    """Return a URL as it may be shown. Users and passwords may hold an @ or /, written as they are."""
    return re.sub(r"(//[^:/]*):.*@", r"\1:***@", source, flags=re.DOTALL)


def _check_access(url: SplitResult, source: SourceDefinition) -> None:
    if len(source.allow) > MOST_ADDRESSES:
        raise ValueError(f"it allows more than {MOST_ADDRESSES} addresses; name networks")
    for one in source.allow:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise ValueError(
                f"allow has {one[:50]!r}, which is no address; write for instance 203.0.113.7 or 10.1.0.0/16"
            ) from None
    if url.scheme == "tcp-listen" and not source.allow and not is_loopback(url.hostname or ""):
        raise ValueError(
            "everybody could send in its place; name its address in allow, for instance "
            '["203.0.113.7"], or ["0.0.0.0/0"] for all'
        )
