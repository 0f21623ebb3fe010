"""Where and in which forms a data set is to be had."""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

from dashboards.catalogue.datasets import NETWORK, DataSet
from dashboards.export.formats import FORMATS
from sensors.detectors import LEVELS

API, STA = "/api/v1", "/sta/v1.1"
Function = Literal["download", "search", "information"]
"""As ISO 19115 has it (CI_OnLineFunctionCode)."""
LABELS = {
    "json": "JSON", "csv": "CSV", "geojson": "GeoJSON", "parquet": "Apache Parquet", "arrow": "Apache Arrow",
}  # fmt: skip


class Distribution(NamedTuple):
    """One way to a data set, or to one of its members."""

    name: str
    """Of this way among those of the data set."""
    title: str
    path: str
    """Behind the address of the server; {id} stands for a station or alert."""
    media_type: str
    protocol: str
    function: Function = "download"
    is_restricted: bool = False
    """For those only who may have what is sensitive."""


def of_data_set(one: DataSet) -> list[Distribution]:
    """Return the ways to a data set."""
    if one.kind == "observations":
        (observed,) = one.properties
        found = [*_series({"property": observed}), _push(f"property:{observed}")]
        thing = quote(observed.replace("'", "''"), safe="")
        path = f"{STA}/ObservedProperties('{thing}')/Datastreams"
        return [*found, Distribution("sensorthings", "SensorThings 1.1", path, "application/json", "OGC:STA")]
    if one.kind == "network":
        return _series({"network": _listed(one.id.removeprefix(NETWORK))})
    if one.kind == "quality":
        return [
            *_windows("/station-windows", {}, "Windows"),
            _json("stations", "Newest verdicts", "/stations"),
            _push("network"),
        ]
    if one.kind == "figures":
        return [_json("figures", "Figures of a station", "/stations/{id}/figures")]
    if one.kind == "hours":
        return [
            _report("station", "Report of a station", "/stations/{id}/report"),
            _report("network", "Report of all stations", "/network/report"),
        ]
    if one.kind == "raw":
        return [
            _raw("raw", "RTCM 3 of a station", "/stations/{id}/raw"),
            _raw("rinex", "RINEX 3.05", "/stations/{id}/rinex"),
        ]
    return [
        _json("alerts", "Alerts", "/alerts"),
        Distribution("geojson", "Map of alerts", f"{API}/alerts.geojson", "application/geo+json", "WWW:LINK"),
        Distribution("atom", "Feed of alerts", f"{API}/alerts.atom", "application/atom+xml", "WWW:LINK"),
        Distribution("cap", "CAP 1.2", f"{API}/alerts/{{id}}.cap.xml", "application/cap+xml", "OASIS:CAP"),
        _push(*(f"level:{level}" for level in LEVELS)),
    ]  # fmt: skip


def of_member(of: DataSet, identity: str) -> list[Distribution]:
    """Return the ways to one series or station."""
    if of.kind in {"observations", "network"}:
        return _series({"datastream": _listed(identity)})
    station = quote(identity, safe="")
    if of.kind == "quality":
        found = _windows("/station-windows", {"station": _listed(identity)}, "Windows")
        return [*found, _push(f"station:{identity}")]
    return [
        one._replace(path=one.path.replace("{id}", station)) for one in of_data_set(of) if "{id}" in one.path
    ]


def _series(chosen: dict[str, str]) -> list[Distribution]:
    return [*_windows("/observations", chosen, "Samples"), *_windows("/windows", chosen, "Windows")]


def _windows(path: str, chosen: dict[str, str], title: str) -> list[Distribution]:
    name = path.removeprefix("/")
    return [
        Distribution(
            f"{name}-{form}",
            f"{title} as {LABELS[form]}",
            f"{API}{path}?{urlencode({**chosen, 'format': form})}",
            known.media_type.partition(";")[0],
            "WWW:LINK",
        )
        for form, known in FORMATS.items()
    ]


def _json(name: str, title: str, path: str) -> Distribution:
    return Distribution(name, title, f"{API}{path}", "application/json", "WWW:LINK", "search")


def _report(name: str, title: str, path: str) -> Distribution:
    return Distribution(name, title, f"{API}{path}?format=html", "text/html", "WWW:LINK", "information")


def _raw(name: str, title: str, path: str) -> Distribution:
    return Distribution(
        name, title, f"{API}{path}", "application/octet-stream", "WWW:LINK", is_restricted=True
    )


def _push(*channels: str) -> Distribution:
    path = f"{API}/push?{urlencode({'channel': ','.join(map(_listed, channels))})}"
    return Distribution("push", "What comes, as server-sent events", path, "text/event-stream", "WWW:LINK")


def _listed(name: str) -> str:
    """Return a name as lists of a query have it."""
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"') else name
