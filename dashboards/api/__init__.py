"""The ASGI app: the API under `/api/v1`, health, metrics, and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fastapi import Depends, FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.caster.session_book import Sessions
from connectors.http_intake import PATH
from connectors.oidc.provider import Provider
from dashboards import problems
from dashboards.access.access import Access
from dashboards.api import (
    alerts,
    call_receipts,
    calls,
    catalogue,
    chains,
    changes,
    device_commands,
    live,
    network,
    operations,
    pages,
    provider_sign_in,
    push,
    raw,
    recent_hours,
    reports,
    schemas,
    sensors,
    service_report,
    sign_in,
    sky,
    stac,
    station_sources,
    stations,
    tokens,
    warnings,
    windows,
)
from dashboards.api import rehearsals as rehearsals_routes
from dashboards.api import sessions as sessions_routes
from dashboards.api import webhooks as webhooks_routes
from dashboards.api.call_receipts import Callbacks
from dashboards.api.context import PREFIX, CapSource, Context
from dashboards.api.door import Door
from dashboards.api.guard import Guard
from dashboards.api.needs import NamedOrClosed
from dashboards.catalogue.config import CatalogueConfig
from dashboards.fallback import Fallback, database_needed
from dashboards.live import LiveFeed, LiveHub
from dashboards.metrics import Figure, Metrics
from dashboards.push.figures import figures_of
from dashboards.push.hub import PushHub
from dashboards.rehearsals import RehearsalDesk
from dashboards.sensitivity import DECIMALS
from dashboards.sta import routes as sensorthings
from dashboards.sta import write_routes
from storage.raw_reader import RawReader
from storage.store import Store
from streams.bus import CommandSink, ReceiptSink, SampleSink
from streams.call_links import CallLinks
from streams.definitions import PrivacyDefinition
from streams.sky_watch import SkyWatch
from streams.stream_state import StreamState, StreamStates


def create_app(
    store: Store,
    *,
    commands: CommandSink,
    hub: LiveHub,
    feed: LiveFeed,
    streams: StreamStates,
    version: str,
    alive: Callable[[], str],
    clock_us: Callable[[], int],
    figures: Sequence[Figure] = (),
    access: Access,
    fallback: Fallback | None = None,
    regional: tuple[str, ...] = (),
    sessions: Callable[[], Sessions] = lambda: Sessions(""),
    privacy: PrivacyDefinition = PrivacyDefinition(),
    told: Callable[[], Iterable[StreamState]] = tuple,
    posting: ASGIApp | None = None,
    samples: SampleSink | None = None,
    receipts: ReceiptSink | None = None,
    links: CallLinks | None = None,
    cap: CapSource = CapSource(),
    public_url: str = "",
    webhooks: Sequence[str] = (),
    callbacks: Callbacks | None = None,
    station_decimals: int = DECIMALS,
    networks: Mapping[str, Sequence[str]] = {},
    raw_reader: RawReader | None = None,
    about: CatalogueConfig = CatalogueConfig(),
    provider: Provider | None = None,
    push_hub: PushHub | None = None,
    observation_brokers: Sequence[str] = (),
    sky_watch: SkyWatch | None = None,
    rehearsals: RehearsalDesk | None = None,
) -> FastAPI:
    """Return the app. Its `state.snapshot.remember` is to be called now and then where there is a fallback.

    Parameters
    ----------
    store
        Read in a thread pool.
    commands
        Where acknowledgements go.
    hub, feed
        The live stream; whoever runs the app also runs `dashboards.live.run_live(feed, hub, clock_us)`,
        adds `feed.listen` to the runtime's viewers, and calls `hub.close()` before the server stops.
    streams
        The incoming streams of this process.
    version
        Of the program.
    alive
        Returns what is wrong with the pipeline in one sentence, or an empty text.
    clock_us
        Microseconds of UTC since 1970.
    figures
        Of what else runs in this process, for `/metrics`.
    access
        Who may do what.
    fallback
        What there is while the database is away; None: it is in this process, and nothing goes without it.
    regional
        How ids begin that come from regions below.
    sessions
        Returns the book of who gets streams of casters now.
    privacy
        What is told and kept of rovers unless a command said otherwise.
    told
        Returns the incoming streams of other processes, as they tell.
    posting
        Answers sensors that post samples; None: this process takes none.
    samples
        Takes observations that are created; None: this process takes none.
    receipts
        Where answers to calls go; None: this process takes none.
    links
        Knows the signed links by which people answer; None: none serves.
    cap
        How alerts become messages of the Common Alerting Protocol.
    public_url
        Where people reach this, for links; empty: where they asked.
    webhooks
        Names of the subscribers of alerts.
    callbacks
        What gateways' calls need; None: nobody takes them here.
    station_decimals
        Of degrees, in what those are told of stations who may not change them.
    networks
        Datastreams of the networks that the configuration names.
    raw_reader
        The archive of what stations sent; None: this process has none.
    about
        What the catalogue says of the data as a whole.
    provider
        By which people may sign in; None: with a password alone.
    push_hub
        Events by channel; whoever runs the app also runs `dashboards.push.hub.run_push(push_hub, clock_us)`,
        and calls `push_hub.close()` before the server stops. None: this process has none.
    observation_brokers
        MQTT brokers at which observations of SensorThings are created.
    sky_watch
        Knows what stations see that somebody looks at; None: no streams come to this process.
    rehearsals
        Makes and keeps rehearsals; None: this process does not.
    """
    app = FastAPI(
        title="Groundswell",
        version=version,
        description="GNSS reference stations and Earth sensors: verdicts, observations, alerts.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
        dependencies=[Depends(NamedOrClosed())],
    )
    unshown = Figure(
        "live_failures",
        "Batches and updates not shown.",
        "counter",
        lambda: {(): feed.failures},
    )
    too_often = Figure(
        "http_too_often",
        "Requests refused since their address or account asked too often.",
        "counter",
        lambda: {("read",): access.read_rates.refused, ("write",): access.write_rates.refused},
        ("kind",),
    )
    pushed = [] if push_hub is None else figures_of(push_hub)
    context = Context(
        store=store,
        commands=commands,
        hub=hub,
        feed=feed,
        streams=streams,
        metrics=Metrics(store, streams, hub, [*figures, unshown, too_often, *pushed], fallback),
        alive=alive,
        clock_us=clock_us,
        access=access,
        version=version,
        fallback=fallback,
        regional=regional,
        sessions=sessions,
        privacy=privacy,
        told=told,
        receipts=receipts,
        links=links,
        cap=cap,
        public_url=public_url,
        webhooks=webhooks,
        station_decimals=station_decimals,
        networks=networks,
        catalogue=about,
        observation_brokers=observation_brokers,
    )
    library = catalogue.Library(context, has_raw=raw_reader is not None)
    app.state.hub, app.state.push_hub = hub, push_hub
    app.state.access = access
    snapshot = app.state.snapshot = live.Snapshot(context)
    problems.install(app)
    schemas.install(app)
    needed = [Depends(database_needed(fallback))]
    for routes in (
        stations.router(context),
        reports.router(context),
        service_report.router(context),
        sensors.router(context),
        windows.router(context),
        raw.router(context, raw_reader),
        recent_hours.router(context),
        sky.router(context, sky_watch),
        network.router(context),
        catalogue.router(context, library),
        stac.router(library),
    ):
        app.include_router(routes, dependencies=needed)
    for routes in (
        warnings.router(context),  # before the alerts, whose ids would take in its endings
        alerts.router(context),
        calls.router(context),
        calls.page_router(context),
        changes.router(context),
        sign_in.router(access, None if provider is None else provider.config.name),
        tokens.router(context),
        chains.router(context),
        webhooks_routes.router(context),
        station_sources.router(context),
        device_commands.router(context),
        operations.streams_router(context),
        sessions_routes.router(context),
        live.router(context, snapshot),
        rehearsals_routes.router(context, rehearsals),
        operations.health_router(context),
    ):
        app.include_router(routes)
    if push_hub is not None:
        app.include_router(push.router(context, push_hub))
    app.include_router(sensorthings.router(context))
    app.include_router(write_routes.router(context, samples))
    if posting is not None:
        app.router.routes.append(Route(PATH, posting))
    if callbacks is not None:
        app.include_router(call_receipts.router(callbacks))
    if provider is not None:
        app.include_router(provider_sign_in.router(access, provider))
    pages.install(app)
    app.add_middleware(Door, access=access)
    app.add_middleware(Guard, requests=context.metrics.requests)
    return app
