"""Routes of what stations sent: the bytes as they came, and RINEX files made of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Response

from dashboards import present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, found, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.parameters import time_us
from dashboards.api.streaming import Streams, as_file, until_stopped
from dashboards.problems import ProblemError
from gnss.assembly.assembled import Assembled
from gnss.assembly.table import EpochTable
from gnss.rinex.convert import (
    MESSAGES,
    FilePlan,
    FirstPass,
    Lines,
    Navigation,
    SecondPass,
    Wanted,
    interval_of,
)
from gnss.rinex.names import FileName, format_name, period_begin_us
from gnss.rinex.site import site_of
from gnss.rinex.unpack import compact
from gnss.rinex.write_header import header_text
from gnss.rinex.write_navigation import write_navigation
from storage.raw_pieces import LATE_US, STEP_BYTES, archived, assembled
from storage.raw_reader import RawReader

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
MOST_COMPACT_BYTES = 128_000_000
"""Of a file that is to be compacted, which is done as a whole."""
_PERIODS_S = {"1h": 3_600, "1d": 86_400}
_RINEX, _COMPACT, _RTCM = "text/plain; charset=ascii", "application/octet-stream", "application/octet-stream"


def router(context: Context, raw: RawReader | None) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    raw
        The archive; None: this process has none.
    """
    needed = [needs(Action.SENSITIVE, "What a station sent"), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Raw data"], dependencies=needed)
    streams = Streams()

    def checked(station_id: str) -> RawReader:
        if raw is None:
            raise ProblemError(
                404,
                "What stations send is not kept by this process: ask the one that gathers their streams, or "
                "name an archive in [archive] of the configuration.",
            )
        found(context.store.station(station_id), "station", station_id)
        return raw

    @routes.get("/stations/{station_id}/raw", responses=schemas.files(_RTCM))
    async def raw_bytes(
        station_id: str,
        begin: Annotated[str, Query(alias="from", description="ISO 8601 with offset.")] = "",
        end: Annotated[
            str | None, Query(alias="to", description="Not included; an hour later. At most a day.")
        ] = None,
    ) -> Response:
        """The station's stream as it was received in a time, byte for byte."""
        reader = await anyio.to_thread.run_sync(checked, station_id)
        from_us = time_us(begin, "from")
        until_us = from_us + HOUR_US if end is None else time_us(end, "to")
        if not from_us < until_us <= from_us + DAY_US:
            raise ProblemError(400, "Give a to that is later than from, by at most a day.")
        name = f"{station_id}_{present.time_of(from_us):%Y%m%dT%H%M%SZ}.rtcm3"
        pieces = _bytes(reader, station_id, from_us, until_us)
        return await streams.answer(until_stopped(pieces, lambda: context.hub.closed), _RTCM, as_file(name))

    @routes.get("/stations/{station_id}/rinex", responses=schemas.files("text/plain", _COMPACT))
    async def rinex(
        station_id: str,
        at: Annotated[
            str, Query(alias="from", description="ISO 8601 with offset: any time in the file's hour or day.")
        ] = "",
        period: Annotated[Literal["1h", "1d"], Query(description="Of the file, in GPS time.")] = "1h",
        kind: Annotated[Literal["observation", "navigation"], Query()] = "observation",
        interval_s: Annotated[
            float | None, Query(ge=0.02, le=3600, description="Only epochs at multiples of it.")
        ] = None,
        hatanaka: Annotated[bool, Query(description="Observations in the compact form (.crx).")] = False,
    ) -> Response:
        """A RINEX 3.05 file of an hour or a day, made of what was received."""
        if hatanaka and kind == "navigation":
            raise ProblemError(400, "Only observations have a compact form: leave hatanaka out.")
        reader = await anyio.to_thread.run_sync(checked, station_id)
        period_s = _PERIODS_S[period]
        begin_us = period_begin_us(time_us(at, "from"), period_s)

        def prepared() -> tuple[_File, FileName]:
            file = _File(reader, station_id, begin_us, period_s, interval_s, context.clock_us())
            if kind == "navigation":
                return file, file.site.file(begin_us, period_s, None, "MN")
            plan, every_s = file.plan()
            return file, file.site.file(plan.begin_us, period_s, every_s, "MO", compact=hatanaka)

        file, name = await anyio.to_thread.run_sync(prepared, limiter=streams.working)
        if kind == "navigation":
            pieces = file.navigation()
        else:
            pieces = file.compacted() if hatanaka else file.observations()
        return await streams.answer(
            until_stopped(pieces, lambda: context.hub.closed),
            _COMPACT if hatanaka else _RINEX,
            as_file(_text_of(name)),
        )

    return routes


class _File:
    """One RINEX file of the archive."""

    def __init__(
        self,
        reader: RawReader,
        station_id: str,
        begin_us: int,
        period_s: int,
        interval_s: float | None,
        made_us: int,
    ) -> None:
        self.site = site_of(station_id)
        end_us = period_begin_us(begin_us + period_s * 1_000_000 + 2_000_000, period_s)
        self._wanted = Wanted(self.site.marker, period_s, interval_s, begin_us, end_us)
        self._reader, self._station_id, self._begin_us, self._made_us = reader, station_id, begin_us, made_us
        self._segments = reader.segments(station_id, begin_us - LATE_US, end_us + LATE_US)
        self._plan: FilePlan | None = None
        if not self._segments:
            raise _nothing(station_id)

    def plan(self) -> tuple[FilePlan, float | None]:
        """Return what the file will hold, and the interval of its epochs."""
        first = FirstPass(self._wanted)
        for epochs, reference_us, _ in self._epochs():
            first.take(epochs, reference_us)
        plans = first.plans()
        if not plans:
            raise _nothing(self._station_id)
        self._plan = plans[0]
        return plans[0], self._wanted.interval_s or interval_of(plans)

    def observations(self) -> Generator[bytes]:
        """Yield the file; `plan` was called."""
        assert self._plan is not None
        yield header_text(self._plan.header, self._plan.contents, self._made_us)
        second = SecondPass(self._wanted, [self._plan])
        for epochs, reference_us, _ in self._epochs():
            for item in second.take(epochs, reference_us):
                if isinstance(item, Lines):
                    yield item.text

    def compacted(self) -> Generator[bytes]:
        """Yield the file in its compact form, all at once."""
        text = bytearray()
        for piece in self.observations():
            text += piece
            if len(text) > MOST_COMPACT_BYTES:
                raise ProblemError(
                    400, "The file is too long to be compacted: ask for an hour, or a longer interval_s."
                )
        yield compact(bytes(text))

    def navigation(self) -> Generator[bytes]:
        """Yield the file of ephemerides."""
        second = SecondPass(self._wanted, [])
        items = [item for epochs, near_us, _ in self._epochs() for item in second.take(epochs, near_us)]
        ephemerides = [
            one
            for item in [*items, *second.finish()]
            if isinstance(item, Navigation)
            for one in item.ephemerides
        ]
        try:
            yield write_navigation(ephemerides, self._made_us).text
        except ValueError:
            raise _nothing(self._station_id, "no ephemeris") from None

    def _epochs(self) -> Iterator[tuple[Assembled, int, float]]:
        pieces = archived(self._reader, self._segments, self._begin_us, lambda _: None)
        return assembled(EpochTable(MESSAGES), pieces)


def _bytes(reader: RawReader, station_id: str, from_us: int, until_us: int) -> Generator[bytes]:
    piece, is_empty = bytearray(), True
    for chunk in reader.read(station_id, from_us, until_us):
        piece += chunk.payload
        is_empty = False
        if len(piece) >= STEP_BYTES:
            yield bytes(piece)
            piece.clear()
    if is_empty:
        raise _nothing(station_id)
    yield bytes(piece)


def _text_of(name: FileName) -> str:
    try:
        return format_name(name)
    except ValueError:  # an interval that a name cannot say
        return format_name(replace(name, interval_s=None))


def _nothing(station_id: str, what: str = "nothing") -> ProblemError:
    return ProblemError(
        404, f"Of station {station_id[:80]!r} {what} is kept of this time: ask for another, /docs says how."
    )
