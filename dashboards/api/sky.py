"""What a station sees now: satellites by direction, with C/N0 by signal."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, found, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.page_answers import SkyAnswer, SkySatellite
from dashboards.present import time_of
from storage.rows import StationRow
from streams.sky_watch import Place, SeenSatellite, SkyWatch

State = Literal["live", "waiting", "full", "none"]


def router(context: Context, watch: SkyWatch | None) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    watch
        Knows what stations see that somebody looks at; None: no streams come here.
    """
    routes = APIRouter(
        prefix=PREFIX, tags=["Stations"], dependencies=[needs(Action.READ), Depends(known_parameters_only)]
    )

    def place_of(row: StationRow) -> Place | None:
        """Return the place as everybody is told it: no direction tells more of it."""
        if row.longitude is None or row.latitude is None:
            return None
        return round(row.longitude, context.station_decimals), round(row.latitude, context.station_decimals)

    @routes.get("/stations/{station_id}/sky", responses=schemas.one(SkyAnswer))
    def sky(station_id: str) -> Response:
        """Where satellites are over a station at its newest epoch, and how strong each signal is.

        The first question lets this server follow the station's stream, and it does so for 15 s after the
        last one: ask each second while somebody looks.
        """
        if watch is None:
            return json_response(_answer("none"))
        now_us = context.clock_us()
        if not watch.go_on(station_id, now_us):
            row = found(context.store.station(station_id), "station", station_id)
            if not watch.begin(station_id, place_of(row), now_us):
                return json_response(_answer("full"))
        seen = watch.sky(station_id)
        if seen is None:
            return json_response(_answer("waiting", trouble=watch.trouble))
        return json_response(
            _answer("live", seen.time_us, [_satellite(one) for one in seen.satellites], watch.trouble)
        )

    return routes


def _answer(
    state: State, time_us: int | None = None, satellites: list[SkySatellite] | None = None, trouble: str = ""
) -> SkyAnswer:
    time = None if time_us is None else time_of(time_us)
    return SkyAnswer(state=state, time=time, satellites=satellites or [], trouble=trouble)


def _satellite(one: SeenSatellite) -> SkySatellite:
    return SkySatellite(
        name=f"{one.system.letter}{one.satellite:02d}",
        azimuth_deg=None if one.azimuth_deg is None else round(one.azimuth_deg, 1),
        elevation_deg=None if one.elevation_deg is None else round(one.elevation_deg, 1),
        cn0_dbhz={code: round(cn0_dbhz, 1) for code, cn0_dbhz in one.cn0_dbhz.items()},
    )
