"""A data set as a record of metadata, with the names of ISO 19115-1 in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dashboards.catalogue.config import CatalogueConfig
from dashboards.catalogue.datasets import DataSet
from dashboards.catalogue.distributions import Distribution, of_data_set
from dashboards.catalogue.iso19115 import (
    Attribute,
    Citation,
    Constraints,
    EditionRecord,
    Extents,
    GeographicExtent,
    Identification,
    Identifier,
    Lineage,
    Link,
    Maintenance,
    MetadataRecord,
    OnlineResource,
    ProcessStep,
    ReferenceSystem,
    TemporalExtent,
    Text,
)
from dashboards.catalogue.lineage import Edition, Step
from dashboards.catalogue.words import DETECTED, LIMITS, PROGRAM, TESTED
from dashboards.present import time_of
from streams.alert_words import Words

STANDARD = "ISO 19115-1:2014"
CRS = "http://www.opengis.net/def/crs/EPSG/0/4490"
_DATUMS = {"ellipsoidal": "http://www.opengis.net/def/crs/EPSG/0/4480"}
_FLAGS = "QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing"
_REVISIONS = (
    "0 as judged first, 1 to 99 settled by the next sample, 100 and more decided by neighbours, -1 came late"
)
_TOPICS = {"observations": "environment", "network": "environment", "alerts": "environment"}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same of all data sets of an answer."""

    config: CatalogueConfig
    version: str
    """Of the program."""
    base_url: str
    made_us: int


def record(
    one: DataSet,
    around: Surroundings,
    steps: Iterable[Step],
    editions: tuple[Sequence[Edition], bool] | None = None,
) -> MetadataRecord:
    """Return a record.

    Parameters
    ----------
    editions
        Oldest first, and whether there are older ones; None: they are not told.
    """
    config = around.config
    identifier = Identifier(code=one.id, code_space=config.namespace)
    known = None if editions is None else list(editions[0])
    is_restricted = one.kind == "raw"
    return MetadataRecord(
        id=one.id,
        metadata_identifier=identifier,
        metadata_standard=STANDARD,
        date_stamp=time_of(around.made_us),
        contact=config.contact,
        identification_info=Identification(
            citation=Citation(
                title=_text(one.title),
                identifier=identifier,
                edition=str(known[-1].version) if known else None,
                edition_date=time_of(known[-1].at_us) if known else None,
            ),
            abstract=_text(one.abstract),
            point_of_contact=config.contact,
            topic_category=[_TOPICS.get(one.kind, "geoscientificInformation")],
            descriptive_keywords=[*config.keywords, *one.properties],
            extent=_extents(one),
            resource_maintenance=Maintenance(
                maintenance_and_update_frequency=one.frequency,
                user_defined_maintenance_frequency=duration(one.period_s),
            ),
            resource_constraints=Constraints(
                licence=config.licence,
                licence_url=config.licence_url,
                access_constraints="restricted" if is_restricted else "",
                use_limitation=Text(en=config.constraints, zh=config.constraints_zh or config.constraints),
            ),
            members=len(one.members),
        ),
        reference_system_info=_systems(one),
        content_info=_attributes(one),
        resource_lineage=Lineage(
            statement=_statement(one, around.version),
            processor=f"Groundswell {around.version}",
            process_step=[_step(step) for step in steps],
        ),
        distribution_info=[online(way, around.base_url) for way in of_data_set(one)],
        editions=None if known is None else [_edition(each) for each in known],
        is_older_left_out=editions is not None and editions[1],
        links=links(one, around.base_url),
    )


def duration(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 has it."""
    return None if seconds is None else f"PT{seconds:g}S"


def online(way: Distribution, base_url: str) -> OnlineResource:
    """Return where a distribution is."""
    return OnlineResource(
        name=way.name,
        description=way.title,
        linkage=base_url + way.path,
        format=way.media_type,
        protocol=way.protocol,
        function=way.function,
        access_constraints="restricted" if way.is_restricted else "",
    )


def links(one: DataSet, base_url: str) -> list[Link]:
    """Return where the forms of a data set's record are; the first is its own."""
    path = f"{base_url}/api/v1/catalogue/{one.id}"
    return [
        Link(rel="self", href=path, type="application/json"),
        Link(rel="alternate", href=f"{path}?format=geojson", type="application/geo+json"),
        Link(rel="alternate", href=f"{base_url}/api/v1/stac/collections/{one.id}", type="application/json"),
        Link(rel="version-history", href=f"{path}/revisions", type="application/json"),
        Link(rel="collection", href=f"{base_url}/api/v1/catalogue", type="application/json"),
    ]


def _text(words: Words) -> Text:
    return Text(en=words.en, zh=words.zh)


def _extents(one: DataSet) -> Extents:
    box, extent = one.box, one.extent
    return Extents(
        geographic_element=None
        if box is None
        else GeographicExtent(
            west_bound_longitude=box.west,
            east_bound_longitude=box.east,
            south_bound_latitude=box.south,
            north_bound_latitude=box.north,
        ),
        temporal_element=None
        if extent is None
        else TemporalExtent(begin=time_of(extent.begin_us), end=time_of(extent.end_us)),
    )


def _systems(one: DataSet) -> list[ReferenceSystem]:
    heights = [
        ReferenceSystem(
            reference_system_type="vertical",
            code=_DATUMS.get(datum) or f"http://www.opengis.net/def/crs/EPSG/0/{datum.removeprefix('EPSG:')}",
        )
        for datum in one.datums
    ]
    return [
        ReferenceSystem(reference_system_type="geodeticGeographic2D", code=CRS),
        *heights,
        ReferenceSystem(reference_system_type="temporal", code="UTC"),
    ]


def _attributes(one: DataSet) -> list[Attribute]:
    if one.kind not in {"observations", "network"}:
        return []
    return [
        Attribute(member_name="value", units=one.unit, definition=one.definition),
        Attribute(member_name="flag", units="", definition=_FLAGS),
        Attribute(member_name="revision", units="", definition=_REVISIONS),
    ]


def _statement(one: DataSet, version: str) -> Text:
    how = {"observations": TESTED, "network": TESTED, "quality": LIMITS, "alerts": DETECTED}.get(one.kind)
    parts = [Words(PROGRAM.en.format(version=version), PROGRAM.zh.format(version=version))]
    if how is not None:
        parts.append(how)
    return Text(en=" ".join(part.en for part in parts), zh="".join(part.zh for part in parts))


def _step(step: Step) -> ProcessStep:
    return ProcessStep(
        name=step.name,
        description=step.text,
        parameters=dict(step.parameters),
        datastream=step.series,
        since=None if step.since_us is None else time_of(step.since_us),
    )


def _edition(one: Edition) -> EditionRecord:
    return EditionRecord(
        edition=one.version,
        date=time_of(one.at_us),
        kind=one.kind,
        id=one.id,
        verb=one.verb,
        before=dict(one.before),
        after=dict(one.after),
    )
