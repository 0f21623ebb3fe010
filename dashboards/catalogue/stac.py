"""Data sets as the SpatioTemporal Asset Catalog 1.1 has them: collections of series or stations.

https://github.com/radiantearth/stac-spec
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dashboards.catalogue.datasets import DataSet, Member
from dashboards.catalogue.distributions import Distribution, of_data_set, of_member
from dashboards.catalogue.records import Surroundings
from dashboards.present import time_of
from gnss.reports.words import Language
from storage.rows import Box

VERSION = "1.1.0"
PATH = "/api/v1/stac"
CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
JSON, GEOJSON = "application/json", "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_EVERYWHERE = Box(-180.0, -90.0, 180.0, 90.0)
_LICENCE = re.compile(r"[\w.+-]+")
_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stac:
    """Makes objects for one who asks.

    Parameters
    ----------
    language
        Of titles and descriptions.
    """

    around: Surroundings
    language: Language

    def catalog(self, sets: Iterable[DataSet]) -> _Json:
        """Return the root, with a link to each collection."""
        config = self.around.config
        title = config.title if self.language == "en" else config.title_zh or config.title
        return {
            "type": "Catalog",
            "stac_version": VERSION,
            "id": config.namespace,
            "title": title,
            "description": title or config.namespace,
            "conformsTo": CONFORMS_TO,
            "links": [
                self._link("self", ""),
                self._link("root", ""),
                self._link("conformance", "/conformance"),
                self._link("data", "/collections"),
                self._outside("service-desc", "/api/v1/openapi.json", OPENAPI),
                self._outside("service-doc", "/docs", "text/html"),
                *(
                    self._link("child", f"/collections/{_quoted(one.id)}", title=self._told(one.title))
                    for one in sets
                ),
            ],
        }

    def collections(self, sets: Iterable[DataSet]) -> _Json:
        """Return all collections."""
        links = [self._link("self", "/collections"), self._link("root", "")]
        return {"collections": [self.collection(one) for one in sets], "links": links}

    def collection(self, one: DataSet) -> _Json:
        """Return a data set."""
        config, path = self.around.config, f"/collections/{_quoted(one.id)}"
        links = [
            self._link("self", path),
            self._link("root", ""),
            self._link("parent", ""),
            self._link("items", f"{path}/items", GEOJSON),
            self._outside("describedby", f"/api/v1/catalogue/{_quoted(one.id)}", JSON),
        ]
        if config.licence_url:
            links.append({"rel": "license", "href": config.licence_url})
        contact = config.contact
        provider = {"name": contact.organisation, "roles": ["producer", "host"]}
        if contact.url:
            provider["url"] = contact.url
        times: Sequence[Any] = (None, None)
        if one.extent is not None:
            times = time_of(one.extent.begin_us), time_of(one.extent.end_us)
        return {
            "type": "Collection",
            "stac_version": VERSION,
            "id": one.id,
            "title": self._told(one.title),
            "description": self._told(one.abstract),
            "license": config.licence if _LICENCE.fullmatch(config.licence) else "other",
            "keywords": [*config.keywords, *one.properties],
            **({"providers": [provider]} if contact.organisation else {}),
            "extent": {
                "spatial": {"bbox": [list(one.box or _EVERYWHERE)]},
                "temporal": {"interval": [list(times)]},
            },
            "summaries": {"unit": [one.unit]} if one.unit else {},
            "links": links,
            "assets": self._assets(of_data_set(one)),
        }

    def items(
        self, one: DataSet, found: Sequence[Member], matched: int, next_query: str | None, query: str
    ) -> _Json:
        """Return a page of items.

        Parameters
        ----------
        matched
            Of all pages.
        next_query
            By which the next page is asked for; None: there is none.
        query
            By which this one was.
        """
        path = f"/collections/{_quoted(one.id)}"
        links = [
            self._link("self", f"{path}/items{query}", GEOJSON),
            self._link("root", ""),
            self._link("collection", path),
        ]
        if next_query is not None:
            links.append(self._link("next", f"{path}/items{next_query}", GEOJSON))
        return {
            "type": "FeatureCollection",
            "features": [self.item(one, member) for member in found],
            "links": links,
            "numberMatched": matched,
            "numberReturned": len(found),
        }

    def item(self, of: DataSet, member: Member) -> _Json:
        """Return a series or station; there is something stored of it."""
        assert member.extent is not None
        path = f"/collections/{_quoted(of.id)}"
        begin, end = time_of(member.extent.begin_us), time_of(member.extent.end_us)
        place: _Json = {"geometry": None}
        if member.longitude is not None and member.latitude is not None:
            point = [member.longitude, member.latitude]
            place = {"geometry": {"type": "Point", "coordinates": point}, "bbox": [*point, *point]}
        return {
            "type": "Feature",
            "stac_version": VERSION,
            "stac_extensions": [],
            "id": member.id,
            "collection": of.id,
            **place,
            "properties": {
                "title": member.name,
                "datetime": None,
                "start_datetime": begin,
                "end_datetime": end,
            },
            "links": [
                self._link("self", f"{path}/items/{_quoted(member.id)}", GEOJSON),
                self._link("root", ""),
                self._link("parent", path),
                self._link("collection", path),
            ],
            "assets": self._assets(of_member(of, member.id)),
        }

    def _assets(self, ways: Iterable[Distribution]) -> Mapping[str, _Json]:
        return {
            way.name: {
                "href": self.around.base_url + way.path,
                "title": way.title,
                "type": way.media_type,
                "roles": ["metadata" if way.function == "information" else "data"],
            }
            for way in ways
            if "{id}" not in way.path
        }

    def _told(self, words: tuple[str, str]) -> str:
        return words[0] if self.language == "en" else words[1]

    def _link(self, rel: str, path: str, kind: str = JSON, **more: str) -> _Json:
        return {"rel": rel, "href": f"{self.around.base_url}{PATH}{path}", "type": kind, **more}

    def _outside(self, rel: str, path: str, kind: str) -> _Json:
        return {"rel": rel, "href": f"{self.around.base_url}{path}", "type": kind}


def _quoted(name: str) -> str:
    return quote(name, safe="")
