"""What the routes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response
from starlette.requests import HTTPConnection

from connectors.caster.session_book import Sessions
from dashboards.access.access import Access
from dashboards.catalogue.config import CatalogueConfig
from dashboards.fallback import Fallback
from dashboards.live import LiveFeed, LiveHub
from dashboards.metrics import Metrics
from dashboards.problems import ProblemError
from dashboards.sensitivity import DECIMALS
from storage.store import Store
from streams.bus import CommandSink, ReceiptSink
from streams.call_links import CallLinks
from streams.cap.areas import NamedArea
from streams.cap.config import CapConfig
from streams.definitions import PrivacyDefinition
from streams.regions import region_of
from streams.stream_state import StreamState, StreamStates

T = TypeVar("T")

PREFIX = "/api/v1"
MAX_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class CapSource:
    """How alerts become messages of the Common Alerting Protocol."""

    config: CapConfig = field(default_factory=CapConfig)
    areas: Sequence[NamedArea] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the program that the API shows."""

    store: Store
    commands: CommandSink
    hub: LiveHub
    feed: LiveFeed
    streams: StreamStates
    metrics: Metrics
    alive: Callable[[], str]
    clock_us: Callable[[], int]
    access: Access
    version: str
    fallback: Fallback | None = None
    regional: tuple[str, ...] = ()
    sessions: Callable[[], Sessions] = lambda: Sessions("")
    privacy: PrivacyDefinition = field(default_factory=PrivacyDefinition)
    told: Callable[[], Iterable[StreamState]] = tuple
    receipts: ReceiptSink | None = None
    links: CallLinks | None = None
    cap: CapSource = field(default_factory=CapSource)
    public_url: str = ""
    webhooks: Sequence[str] = ()
    station_decimals: int = DECIMALS
    """Of degrees, in what those are told of stations who may not change them."""
    networks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Datastreams of the networks that the configuration names."""
    catalogue: CatalogueConfig = field(default_factory=CatalogueConfig)
    observation_brokers: Sequence[str] = ()
    """Where observations are created over MQTT."""

    def every_stream(self) -> list[StreamState]:
        """Return the incoming streams of this process, and of those that it hears of."""
        return [*self.streams, *self.told()]

    def region_of(self, identity: str) -> str:
        """Return the region of a thing or datastream; those of here may have a colon of their own."""
        return region_of(identity) if identity.startswith(self.regional) else ""


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list; `next` continues it when given back as `after`, null at the end."""

    items: list[Any]
    next: str | None = None


def json_response(answer: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer, encoded."""
    return Response(msgspec.json.encode(answer), status, headers, media_type="application/json")


def url_of(context: Context, request: Request) -> str:
    """Return where people reach this, without a slash at the end."""
    return (context.public_url or str(request.base_url)).rstrip("/")


def ask(function: Callable[[], T]) -> T:
    """Ask the store; what it says about a cursor, a limit or a range becomes a 400."""
    try:
        return function()
    except ValueError as error:
        text = str(error)
        raise ProblemError(400, f"{text[:1].upper()}{text[1:]}.") from None


def found(row: T | None, kind: str, identity: str) -> T:
    """Return the row, or say that there is none."""
    if row is None:
        raise ProblemError(
            404, f"There is no {kind} {identity[:80]!r}: /api/v1/{kind}s lists those there are."
        )
    return row


def known_parameters_only(connection: HTTPConnection) -> None:
    """Refuse a parameter that the route does not know: a misspelt one must not be passed over."""
    asked = connection.scope["route"].dependant
    known = {one.alias for part in (asked, *asked.dependencies) for one in part.query_params}
    for name in connection.query_params:
        if name not in known:
            known_text = ", ".join(sorted(known)) or "none"
            raise ProblemError(400, f"The parameter {name[:40]!r} is not known here; known: {known_text}.")
