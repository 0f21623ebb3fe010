"""The rules of a rehearsal: those of the configuration and of commands, and over them those of a file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import NetworkSettings, Settings, ThingSettings
from streams.objects import Objects
from streams.processors.control import Control
from streams.records import Change, Changes, Command, CommandOutcomes, Commands, ObjectKind

OBJECTS: tuple[ObjectKind, ...] = ("datastream", "rule", "network", "person", "roster", "group", "plan")
"""What a file may have as `[KIND.ID]`, in the order in which they need each other."""
_FOLLOWED = ("thing", "property", *OBJECTS)


T = TypeVar("T", ThingSettings, NetworkSettings)


@dataclass(frozen=True, slots=True)
class RulesFile:
    """What a file says."""

    path: Path
    things: list[ThingSettings] = field(default_factory=list)
    """Stand for those of the same ids, as the networks do."""
    networks: list[NetworkSettings] = field(default_factory=list)
    objects: dict[ObjectKind, dict[str, dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in a rehearsal."""

    registry: Registry
    changes: Changes
    """Over the registry."""

    def objects(self) -> Objects:
        """Return all of it."""
        made = Objects(self.registry.base, ("thing", "datastream", "rule", "network"))
        made.take(self.changes)
        return made


def read_rules(path: Path) -> RulesFile:
    """Read a file of rules: `[[thing]]` as in a configuration, `[rule."DATASTREAM/DETECTOR"]` and the like.

    Raises
    ------
    Refusal
        It cannot be read, or is not one.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        things = msgspec.convert(raw.pop("thing", []), list[ThingSettings])
        listed = raw.pop("network") if isinstance(raw.get("network"), list) else []
        networks = msgspec.convert(listed, list[NetworkSettings])
    except (OSError, ValueError) as error:
        raise Refusal(f"cannot read the rules {path} ({error}); correct it, or name another file") from error
    made: dict[ObjectKind, dict[str, dict[str, Any]]] = {}
    for kind in OBJECTS:
        named = raw.pop(kind, {})
        if not isinstance(named, dict) or not all(isinstance(one, dict) for one in named.values()):
            raise Refusal(f"{path}: {kind} is no table of tables; write [{kind}.ID]")
        if named:
            made[kind] = named
    if unknown := sorted(raw.keys() - set(Settings.__struct_fields__)):  # those of a configuration do no harm
        raise Refusal(
            f"{path}: there is no key {unknown[0]} here; write [[thing]] or {', '.join(map(_table, OBJECTS))}"
        )
    if not (things or networks or made):
        raise Refusal(f"{path} has no rules; write [[thing]] or {', '.join(map(_table, OBJECTS))}")
    return RulesFile(path, things, networks, made)


def rules_of(
    settings: Settings, standing: Sequence[Change], file: RulesFile | None, sites: Sequence[str] = ()
) -> Rules:
    """Return what holds: the configuration, what commands made of it, and the file over both.

    Parameters
    ----------
    sites
        Only of these, without networks that have members elsewhere; none: of all.

    Raises
    ------
    Refusal
        Something of it makes no sense, or there is no such site.
    """
    replaced = {thing.id for thing in file.things} if file is not None else set()
    things = _over(settings.thing, file.things if file is not None else ())
    networks = _over(settings.network, file.networks if file is not None else ())
    registry = Registry.of(msgspec.structs.replace(settings, thing=things, network=networks))
    every = (*Registry.of(settings).datastreams, *registry.datastreams)
    site_of = _Sites({one.id: one.thing_id for one in every})
    followed = [one for one in standing if one.kind in _FOLLOWED and site_of(one) not in replaced]
    control = Control(registry.base, registry.properties)
    control.on_batch(Changes(changes=followed))
    if file is not None:
        _put(control, file, max((one.at_us for one in followed), default=0))
    changes = control.standing.changes
    if sites:
        known = {one.id for one in registry.things} | {site_of(one) for one in changes}
        if missing := sorted(set(sites) - known):
            names = ", ".join(sorted(filter(None, known)))
            raise Refusal(f"there is no site {missing[0]!r}; choose one of {names}")
        chosen = [one for one in things if one.id in sites]
        here = {stream.id for one in chosen for stream in one.datastreams()}
        networks = [one for one in networks if here.issuperset(one.members)]
        registry = Registry.of(msgspec.structs.replace(settings, thing=chosen, network=networks))
        changes = [one for one in changes if one.kind != "network" and site_of(one) in {None, *sites}]
    return Rules(registry, Changes(changes=changes))


def _over(own: Sequence[T], others: Sequence[T]) -> list[T]:
    """Return sections of two files; those of the second stand for those of the same ids."""
    named = {one.id for one in others}
    kept: list[T] = [one for one in own if one.id not in named]
    return kept + list(others)


class _Sites:
    """Tells the site that a change is about; None: it is about none."""

    def __init__(self, of_datastream: dict[str, str]) -> None:
        self._of_datastream = of_datastream

    def __call__(self, change: Change) -> str | None:
        if change.kind == "thing":
            return change.id
        if change.kind == "datastream":
            said = {**(change.before or {}), **(change.after or {})}
            return self._of_datastream.setdefault(change.id, str(said.get("thing", "")))
        if change.kind == "rule":
            return self._of_datastream.get(change.id.rpartition("/")[0], "")
        return None


def _put(control: Control, file: RulesFile, at_us: int) -> None:
    """Let what a file says lie over everything, as commands would."""
    for kind, named in file.objects.items():
        for identity, values in named.items():
            command = Command(
                id=f"rules/{kind}/{identity}",
                kind="patch" if kind == "datastream" else "put",
                target=f"{kind}/{identity}",
                by="rehearsal",
                at_us=at_us,
                arguments=values,
            )
            for output in control.on_batch(Commands(commands=[command])):
                if isinstance(output, CommandOutcomes) and not output.outcomes[0].ok:
                    raise Refusal(f"{file.path}: {output.outcomes[0].message}")


def _table(kind: str) -> str:
    return f"[{kind}.ID]"
