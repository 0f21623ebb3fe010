"""Alerts for other systems: messages of the Common Alerting Protocol, an Atom feed, and GeoJSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards.access.permissions import Action
from dashboards.alert_memory import AlertMemory
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, ask, found, known_parameters_only, url_of
from dashboards.api.etags import unless_known
from dashboards.api.needs import needs
from dashboards.api.writes import may_write
from dashboards.fallback import HEADERS, AwayError, away_problem, from_store
from dashboards.places import MOST_PLACES, Places
from dashboards.problems import ProblemError
from dashboards.warnings import FEED_TYPE, MAP_TYPE, Warned, alert_map, feed
from storage.store import AlertHistory, Page
from streams.cap.areas import NamedArea, Place, area_around
from streams.cap.document import MEDIA_TYPE, Surroundings, document
from streams.cap.messages import current, messages
from streams.records import AlertStateName

MOST_ENTRIES = 500
"""Of a page: for each, all steps of its life are read."""
State = Annotated[AlertStateName | None, Query(description="Only those in this state.")]
After = Annotated[str | None, Query(description="As in the link to the next page.")]
Limit = Annotated[int, Query(ge=1, le=MOST_ENTRIES)]


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Alerts"], dependencies=needed)
    store, cap = context.store, context.cap
    coarse = Places(store, context.clock_us, context.station_decimals)
    exact = Places(store, context.clock_us, None)

    def places_for(request: Request) -> Places:
        return exact if may_write(request, context) else coarse

    @lru_cache(MOST_PLACES)
    def area_of(place: Place) -> NamedArea | None:
        return area_around(cap.areas, place)

    def warned(history: AlertHistory, place_of: Callable[[str], Place]) -> Warned:
        place = place_of(history.alert.subject_id)
        told = messages(history.transitions) if cap.config.tells(history.alert.rule) else []
        return Warned(history, place, area_of(place), current(told))

    async def page(places: Places, state: AlertStateName | None, after: str | None, limit: int) -> _Found:
        """Return alerts with their places, from memory while the database is away."""

        def stored() -> Page[Warned]:
            rows = ask(lambda: store.alerts(state=state, after=after, limit=limit))
            histories = [one for row in rows.items if (one := store.alert(row.alert_id)) is not None]
            return Page([warned(one, places.find) for one in histories], rows.next)

        try:
            return _Found(await from_store(context.fallback, stored), {})
        except AwayError:
            memory = _memory(context)
            held = ask(lambda: memory.alerts(state=state, after=after, limit=limit))
            items = [warned(one, places.remembered) for one in held.items]
            return _Found(Page(items, held.next), HEADERS)

    @routes.get("/alerts.atom", responses=schemas.files(FEED_TYPE))
    async def atom(request: Request, state: State = None, after: After = None, limit: Limit = 50) -> Response:
        """Alerts as a feed, the newest opening first, each with a link to its CAP message.

        Left out is what calls nobody: alerts about sensors, from late data, or silenced.
        """
        got = await page(places_for(request), state, after, limit)
        following = None
        if got.page.next is not None:
            chosen = {} if state is None else {"state": state}
            following = urlencode({**chosen, "limit": limit, "after": got.page.next})
        body = feed(cap.config, got.page.items, url_of(context, request), request.url.query, following)
        return unless_known(request, body, FEED_TYPE, got.headers)

    @routes.get("/alerts.geojson", responses=schemas.files(MAP_TYPE))
    async def on_the_map(
        request: Request, state: State = None, after: After = None, limit: Limit = 100
    ) -> Response:
        """Alerts as points on the map, WGS 84; `next` continues the list when given back as `after`."""
        got = await page(places_for(request), state, after, limit)
        return unless_known(request, alert_map(got.page.items, got.page.next), MAP_TYPE, got.headers)

    @routes.get("/alerts/{alert_id}.cap.xml", responses=schemas.files(MEDIA_TYPE))
    async def message(
        request: Request,
        alert_id: str,
        number: Annotated[int | None, Query(ge=1, description="Of a step; else how things are now.")] = None,
    ) -> Response:
        """One alert as a message of the Common Alerting Protocol 1.2, in Chinese and English.

        A step may be an Alert, an Update, a Cancel, or the Ack of who answered; others are no messages.
        """
        places = places_for(request)

        def stored() -> Warned | None:
            history = store.alert(alert_id)
            return None if history is None else warned(history, places.find)

        headers = {}
        try:
            one = found(await from_store(context.fallback, stored), "alert", alert_id)
        except AwayError:
            history = _memory(context).alert(alert_id)
            if history is None:
                raise away_problem() from None
            one, headers = warned(history, places.remembered), HEADERS
        told = one.message
        if number is not None and told is not None:
            steps = messages(one.history.transitions)
            told = next((each for each in steps if each.step.number == number), None)
        if told is None:
            raise ProblemError(404, _why_not(one, number))
        web = f"{url_of(context, request)}/"
        body = document(cap.config, one.history.transitions, told, Surroundings(one.place, one.area, web))
        return unless_known(request, body, MEDIA_TYPE, headers)

    return routes


class _Found:
    def __init__(self, page: Page[Warned], headers: dict[str, str]) -> None:
        self.page, self.headers = page, headers


def _memory(context: Context) -> AlertMemory:
    assert context.fallback is not None, "only a fallback lets the database be away"
    if not context.fallback.memory.complete:
        raise away_problem()
    return context.fallback.memory


def _why_not(one: Warned, number: int | None) -> str:
    alert = one.history.alert
    if one.message is not None:
        return (
            f"Step {number} of alert {alert.alert_id} is no message: leave `number` out for the newest one."
        )
    return (
        f"Alert {alert.alert_id} calls nobody, so that there is no message of it: it was found in late data, "
        "is silenced, or is about a sensor. /api/v1/alerts has it."
    )
