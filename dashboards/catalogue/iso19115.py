"""The structures of a record of metadata, named as ISO 19115-1 names them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from dashboards.catalogue.config import Contact


class _Named(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: names as the standard writes them."""


class Text(_Named, frozen=True, kw_only=True):
    """A text in two languages."""

    en: str
    zh: str


class Identifier(_Named, frozen=True, kw_only=True):
    """An id and who gives it."""

    code: str
    code_space: str


class TemporalExtent(_Named, frozen=True, kw_only=True):
    """From when to when there is something."""

    begin: datetime
    end: datetime


class GeographicExtent(_Named, frozen=True, kw_only=True):
    """Part of the map, degrees of EPSG:4490."""

    west_bound_longitude: float
    east_bound_longitude: float
    south_bound_latitude: float
    north_bound_latitude: float


class Extents(_Named, frozen=True, kw_only=True):
    """Where and when."""

    geographic_element: GeographicExtent | None
    temporal_element: TemporalExtent | None


class Maintenance(_Named, frozen=True, kw_only=True):
    """How often something is added."""

    maintenance_and_update_frequency: str
    user_defined_maintenance_frequency: str | None
    """ISO 8601; the usual time between rows."""


class Constraints(_Named, frozen=True, kw_only=True):
    """What may be done with it."""

    licence: str
    licence_url: str
    access_constraints: str
    """restricted: for those only who may have what is sensitive."""
    use_limitation: Text


class Citation(_Named, frozen=True, kw_only=True):
    """What it is called."""

    title: Text
    identifier: Identifier
    edition: str | None
    """Number of the newest one; null in lists, and where there is none."""
    edition_date: datetime | None


class Identification(_Named, frozen=True, kw_only=True):
    """What it is."""

    citation: Citation
    abstract: Text
    point_of_contact: Contact
    topic_category: list[str]
    descriptive_keywords: list[str]
    extent: Extents
    resource_maintenance: Maintenance
    resource_constraints: Constraints
    members: int
    """Series or stations."""


class ReferenceSystem(_Named, frozen=True, kw_only=True):
    """Of places, heights and times."""

    reference_system_type: str
    code: str


class Attribute(_Named, frozen=True, kw_only=True):
    """What is told of each row."""

    member_name: str
    units: str
    definition: str


class ProcessStep(_Named, frozen=True, kw_only=True):
    """What was done with it."""

    name: str
    description: str
    parameters: dict[str, Any]
    datastream: str
    """Empty: all of the data set."""
    since: datetime | None
    """When a command put it so; null: with this version of the program, or the configuration."""


class Lineage(_Named, frozen=True, kw_only=True):
    """How it came to be."""

    statement: Text
    processor: str
    process_step: list[ProcessStep]


class OnlineResource(_Named, frozen=True, kw_only=True):
    """Where it is to be had."""

    name: str
    description: str
    linkage: str
    """{id} stands for a station or alert."""
    format: str
    protocol: str
    function: str
    access_constraints: str


class EditionRecord(_Named, frozen=True, kw_only=True):
    """A change of how data are made, from then on."""

    edition: int
    """Version of the change: they count up over all that was ever changed."""
    date: datetime
    kind: str
    id: str
    """Of what was changed."""
    verb: str
    before: dict[str, Any]
    after: dict[str, Any]
    """The values that differ."""


class Link(_Named, frozen=True, kw_only=True):
    """Another form of it."""

    rel: str
    href: str
    type: str


class MetadataRecord(_Named, frozen=True, kw_only=True):
    """A data set."""

    id: str
    metadata_identifier: Identifier
    metadata_standard: str
    date_stamp: datetime
    """When this was made."""
    contact: Contact
    identification_info: Identification
    reference_system_info: list[ReferenceSystem]
    content_info: list[Attribute]
    resource_lineage: Lineage
    distribution_info: list[OnlineResource]
    editions: list[EditionRecord] | None
    """Oldest first; null in lists."""
    is_older_left_out: bool
    """There are older editions, which /api/v1/changes has."""
    links: list[Link]


class CatalogueAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All data sets."""

    items: list[MetadataRecord]
    next: None
    links: list[Link]


class RevisionSpan(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of a series over a stretch of time that were not left as they were judged first."""

    datastream_id: str
    begin: datetime
    """Time of the first of them."""
    end: datetime
    """And of the last."""
    settled_by_next_sample: int
    """Samples whose flags are final since the next one of the series came: so spikes are found."""
    decided_by_neighbours: int
    """Samples whose flags a network of sites decided."""
    late: int
    """Samples that came after newer ones, and were judged by the tests that need no order."""
    received: datetime
    """When the last of them was received."""


class RevisionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was revised."""

    items: list[RevisionSpan]
    next: None
    is_cut: bool
    """There is more: ask for a shorter range."""
