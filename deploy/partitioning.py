"""How the processors of a registry are divided among partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deploy.refusal import Refusal
from deploy.registry import Registry
from streams.kafka.tasks import ALERT, CORRELATE, GROUPS, SCORE, SENSE, Group
from streams.partitions import named_site
from streams.pipeline import Pipeline
from streams.processor import Processor
from streams.processors.alert import Alert
from streams.processors.calls import CallPeople
from streams.processors.control import Control
from streams.processors.correlate import Correlate
from streams.processors.detect import Detect
from streams.processors.fuse import Fuse
from streams.processors.no_data import NoData
from streams.processors.presence import Presence
from streams.processors.quality_control import QualityControl
from streams.processors.score_stations import ScoreStations
from streams.processors.tell import Tell
from streams.processors.webhook_orders import WebhookOrders


def pipeline(registry: Registry, groups: Sequence[Group] = GROUPS) -> Pipeline:
    """Return fresh processors of a registry, those of some groups or all, in the order of the data.

    Raises
    ------
    Refusal
        A test or a detector has parameters that make no sense.
    """
    made: list[Processor] = []
    try:
        if ALERT in groups:
            made.append(Control(registry.base, registry.properties))
        if SCORE in groups:
            made.append(ScoreStations(registry.stations))
        if SENSE in groups:
            made.append(QualityControl(registry.properties, registry.datastreams))
            made.append(Presence(registry.properties, registry.datastreams))
            made.append(Detect(registry.datastreams, registry.things, base=registry.base))
            made.append(Tell(registry.base))
        if CORRELATE in groups:
            made.append(Correlate(registry.base))
        if SENSE in groups:
            made.append(Fuse(registry.base))
        if ALERT in groups:
            made.append(NoData(registry.properties, registry.datastreams))
            made.append(Alert(registry.datastreams))
            made.append(CallPeople(registry.datastreams))
            made.append(WebhookOrders())
    except ValueError as error:
        raise Refusal(str(error)) from error
    return Pipeline(made)


def site_of(registry: Registry) -> Callable[[str], str]:
    """Return what tells the site of a datastream: all that is measured at a site meets in one partition.

    One that the configuration does not have is named after its site.
    """
    known = {datastream.id: datastream.thing_id for datastream in registry.datastreams}

    def find(datastream_id: str) -> str:
        site = known.get(datastream_id)
        return named_site(datastream_id) if site is None else site

    return find


def site_of_subject(registry: Registry) -> Callable[[str], str]:
    """Return what tells the site of an alert's subject: a datastream, or the site itself."""
    sites, find = {thing.id for thing in registry.things}, site_of(registry)
    return lambda subject: subject if subject in sites else find(subject)
