"""What a list of stations changes, in a running system or in a file; the same list again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from deploy.api_client import NotDoneError, changed, every
from deploy.station_lists import Listed, check_station
from streams.definitions import shown, values_of
from streams.objects import Base

if TYPE_CHECKING:
    import httpx

    from deploy.station_toml import StationFile

What = Literal["added", "changed", "same", "refused"]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one station."""

    id: str
    what: What
    text: str
    """Values that change, without passwords; or why not."""


class Target(Protocol):
    """Where stations go."""

    def step(self, listed: Listed, *, is_dry: bool) -> Step:
        """Add or change a station, or say what that would be."""
        ...


@dataclass(slots=True)
class FileTarget:
    """A configuration file. It is written by whoever made this, in the end."""

    file: StationFile

    def step(self, listed: Listed, *, is_dry: bool) -> Step:
        """Add or change a station in memory."""
        before = self.file.stations.get(listed.id)
        differing = {
            name: value
            for name, value in listed.values.items()
            if before is None or (before.get(name) != value and not _is_variable(before.get(name)))
        }
        if before is not None and not differing:
            return Step(listed.id, "same", "")
        try:
            told = {n: v for n, v in (before or {}).items() if n != "id" and not _is_variable(v)}
            check_station({**listed.values, **told, **differing})
        except ValueError as error:
            return Step(listed.id, "refused", str(error))
        if not is_dry:
            self.file.put(listed.id, differing)
        return Step(listed.id, "added" if before is None else "changed", described(differing))


@dataclass(slots=True)
class ApiTarget:
    """A running system. It compares passwords, which it does not show."""

    client: httpx.Client
    by: str | None
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What holds now, as it may be shown."""

    @classmethod
    def of(cls, client: httpx.Client, base: Base, by: str | None) -> ApiTarget:
        """Return it with what the configuration says and commands have changed."""
        stations = {name: made for (kind, name), made in base.items() if kind == "station"}
        known = {name: shown("station", values_of(made)) for name, made in stations.items()}
        newest: dict[str, dict[str, Any]] = {}
        for one in every(client, "/changes", kind="station"):
            newest.setdefault(str(one["id"]), one)
        for name, one in newest.items():
            if one["after"] is not None:
                known[name] = one["after"]
            elif one["verb"] != "revert":
                known.pop(name, None)
        return cls(client, by, known)

    def step(self, listed: Listed, *, is_dry: bool) -> Step:
        """Ask for a station to be added or changed."""
        before, visible = self.known.get(listed.id), shown("station", listed.values)
        differing = {
            name: listed.values[name]
            for name, value in visible.items()
            if before is None or before.get(name) != value
        }
        secret = {
            name: value
            for name, value in listed.values.items()
            if name not in visible or value != visible[name]
        }
        if before is not None and not differing and (is_dry or not secret):
            return Step(listed.id, "same", "but for passwords, which are compared there" if secret else "")
        what: What = "added" if before is None else "changed"
        if is_dry:
            return Step(listed.id, what, described(differing))
        values = listed.values if before is None else differing | secret
        try:
            method = "PUT" if before is None else "PATCH"
            told = changed(self.client, self.by, method, f"/stations/{listed.id}", values)
        except NotDoneError as error:
            return Step(listed.id, "refused", str(error))
        return Step(listed.id, "same" if told.endswith("already.") else what, described(differing | secret))


def described(values: Mapping[str, Any]) -> str:
    """Return values as they may be shown."""
    texts = []
    for name, value in values.items():
        kept = shown("station", {name: value})
        texts.append(f"{name}={kept.get(name, '***')}")
    return ", ".join(texts)


def _is_variable(value: object) -> bool:
    """Whether a value comes from the environment: what it is there is nothing for a list to change."""
    return isinstance(value, str) and value.startswith("env:")
