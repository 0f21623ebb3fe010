"""Puts a rehearsal together: what is stored of a time, and the rules that it is to go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from deploy.partitioning import pipeline
from deploy.rehearsal_rules import Rules, RulesFile, rules_of
from deploy.rehearsal_store import RehearsalStore, Steps, acts, every_change, newest, stored_alerts
from deploy.settings import Settings
from sensors.detectors import Subject, memory_s, read_parameters
from sensors.detectors.bank import longest_s as longest_s_of
from sensors.networks import read_network
from storage.by_receipt import ByReceipt
from streams.definitions import DatastreamDefinition
from streams.kafka.tasks import ALERT, GROUPS, SCORE
from streams.network_definition import NetworkDefinition
from streams.objects import watched
from streams.pipeline import Pipeline
from streams.processors.calls import CallPeople
from streams.processors.control import Control
from streams.processors.webhook_orders import WebhookOrders
from streams.records import AlertTransition
from streams.rehearsal import Rehearsal
from streams.rehearsal_outcome import Pair, Story, compare, stories

LEAST_WARM_UP_S = 3600.0
LONGEST_EVENT_US = 35 * 86_400_000_000
"""An event that had gone on for longer when the time began is not begun anew."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be rehearsed."""

    start_us: int
    end_us: int
    """Not in it."""
    rules: RulesFile | None = None
    warm_up_s: float | None = None
    """None: long enough for the detectors, and for what went on at the start."""
    sites: Sequence[str] = ()
    """None: all."""
    is_in_time: bool = False
    """As if each sample had come when it was measured."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    start_us: int
    end_us: int
    read_from_us: int
    rules: str
    """A file; empty: those of today."""
    is_in_time: bool
    sites: list[str]
    datastreams: int
    samples: int
    detections: int
    failures: dict[str, int]
    """Errors of processors."""
    last_failure: str
    pairs: list[Pair]


def rehearse(
    store: RehearsalStore,
    settings: Settings,
    wanted: Wanted,
    told: Callable[[int, int, int], None] = lambda *_: None,
) -> Outcome:
    """Run what is stored through the rules.

    Parameters
    ----------
    told
        Is called with how far time has come, from where, and to where it goes; what it raises ends the work.

    Raises
    ------
    Refusal
        The rules make no sense.
    """
    changes = list(every_change(store))
    rules = rules_of(settings, newest(changes), wanted.rules, wanted.sites)
    today = rules if wanted.rules is None else rules_of(settings, newest(changes), None, wanted.sites)
    seen = Watched.of(rules)
    memory_us = round(1e6 * max(LEAST_WARM_UP_S, seen.memory_s))
    came = list(stored_alerts(store, wanted.end_us, wanted.start_us - memory_us - LONGEST_EVENT_US))
    read_from_us = _read_from(wanted, memory_us, came)
    rehearsal = Rehearsal(
        pipeline(rules.registry, [one for one in GROUPS if one not in (SCORE, ALERT)]),
        _without(pipeline(rules.registry, [ALERT])),
        acts(store, changes, came, read_from_us, wanted.end_us),
    )
    rehearsal.begin(rules.changes, read_from_us)
    names = [name for name, site in seen.site_of.items() if site in seen.sites]
    samples = ByReceipt(store, names, read_from_us, wanted.end_us, is_in_time=wanted.is_in_time)
    for arrival in samples.arrivals():
        rehearsal.take(arrival.samples, arrival.until_us)
        told(arrival.until_us, read_from_us, wanted.end_us)
    return Outcome(
        start_us=wanted.start_us,
        end_us=wanted.end_us,
        read_from_us=read_from_us,
        rules=str(wanted.rules.path) if wanted.rules else "",
        is_in_time=wanted.is_in_time,
        sites=list(wanted.sites),
        datastreams=len(names),
        samples=rehearsal.samples,
        detections=rehearsal.detections,
        failures=rehearsal.failures,
        last_failure=rehearsal.last_failure,
        pairs=_pairs(came, rehearsal.steps, wanted, read_from_us, Watched.of(today).site_of | seen.site_of),
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """What rules watch."""

    site_of: dict[str, str]
    """Of all datastreams."""
    sites: frozenset[str]
    """At which something can be found."""
    memory_s: float
    """Of the detector that remembers longest."""

    @classmethod
    def of(cls, rules: Rules) -> Watched:
        """Look at all rules."""
        objects, site_of = rules.objects(), dict[str, str]()
        sites, longest_s = set[str](), 0.0
        for name, one in objects.all("datastream", DatastreamDefinition):
            site_of[name] = one.thing
            if (datastream := watched(objects, name)) is None:
                continue
            if datastream.detectors or datastream.promise is not None:
                sites.add(one.thing)
            for detector, parameters in datastream.detectors.items():
                read = read_parameters(detector, parameters, Subject(datastream.name, datastream.unit))
                longest_s = max(longest_s, memory_s(detector, read))
        for _, network in objects.all("network", NetworkDefinition):
            sites.update(site_of[name] for name in network.members if name in site_of)
            longest_s = max(longest_s, longest_s_of(read_network(network.kind, network.parameters)))
        return cls(site_of, frozenset(sites), longest_s)


def _without(made: Pipeline) -> Pipeline:
    """Leave out who answers commands, calls people and cares for webhooks."""
    kept = [one for one in made.processors if not isinstance(one, Control | CallPeople | WebhookOrders)]
    return Pipeline(kept)


def _read_from(wanted: Wanted, memory_us: int, came: Sequence[Steps]) -> int:
    """Return since when samples are needed: detectors are to know what they knew, and how events began."""
    if wanted.warm_up_s is not None:
        return wanted.start_us - round(1e6 * wanted.warm_up_s)
    begun = [wanted.start_us]
    for steps in came:
        before = [step for step in steps if step.at_us < wanted.start_us]
        onset_us = steps[0].onset_us
        if before and before[-1].ended_at_us is None and before[-1].state != "closed":
            begun += [onset_us] if onset_us >= wanted.start_us - LONGEST_EVENT_US else []
    return min(begun) - memory_us


def _pairs(
    came: Sequence[Steps],
    rehearsed: Sequence[AlertTransition],
    wanted: Wanted,
    read_from_us: int,
    site_of: Mapping[str, str],
) -> list[Pair]:
    def chosen(steps: Sequence[AlertTransition]) -> list[Story]:
        return [
            story
            for story in stories(steps, wanted.start_us, wanted.end_us)
            if not wanted.sites or site_of.get(story.subject_id, story.subject_id) in wanted.sites
        ]

    stored = [step for steps in came for step in steps]
    return compare(chosen(stored), chosen(rehearsed), read_from_us=read_from_us, end_us=wanted.end_us)
