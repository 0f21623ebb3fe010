"""Observations that are created: they go the way of all samples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import Request

from dashboards.api.context import Context
from dashboards.problems import ProblemError
from dashboards.sta import bodies
from dashboards.sta.asking import Asking
from dashboards.sta.samples import Sample, batch_of
from storage.sta_query import SITE, Row
from streams.bus import SampleSink

log = structlog.get_logger()
STORE_S = 10.0
AHEAD_US = 86_400_000_000
EARLIEST_US = 946_684_800_000_000
"""2000-01-01: before it, and further ahead than a day, nothing was measured."""


class Observing(Asking):
    """Takes observations, for one request.

    Parameters
    ----------
    samples
        Takes them; None: this process takes none.
    """

    def __init__(self, context: Context, request: Request, samples: SampleSink | None) -> None:
        super().__init__(context, request)
        self._samples = samples

    async def create_observations(self, body: Any) -> list[str]:
        """Create observations of data arrays; return their ids, in order."""
        if not isinstance(body, list):
            raise ProblemError(400, "CreateObservations takes a list of datastreams with their data arrays.")
        samples: list[Sample] = []
        for part in body:
            found = bodies.known(part, ("Datastream", "components", "dataArray"), "A data array")
            series, thing = await self._series(bodies.linked(found.get("Datastream"), "Datastream"))
            components, rows = found.get("components"), found.get("dataArray")
            if not isinstance(components, list) or not isinstance(rows, list):
                raise ProblemError(
                    400, "A data array has components, a list of names, and dataArray, a list of rows."
                )
            for row in rows:
                if not isinstance(row, list) or len(row) != len(components):
                    raise ProblemError(400, f"Each row of a data array has {len(components)} values here.")
                values = {str(name): value for name, value in zip(components, row, strict=True)}
                samples.append((series, *self._sample(values, thing)))
        await self._put(samples)
        return [f"{series}~{time_us}" for series, time_us, _, _ in samples]

    async def _observation(self, body: Any, parent: Row | None) -> str:
        if parent is None:
            link = body.get("Datastream") if isinstance(body, dict) else None
            series, thing = await self._series(bodies.linked(link, "Datastream"))
        else:
            series, thing = self._series_of(parent)
        sample = self._sample(body, thing)
        await self._put([(series, *sample)])
        return f"{series}~{sample[0]}"

    async def _series(self, identity: str) -> tuple[str, str]:
        """Return a datastream and its thing."""
        return self._series_of(await self._entity("Datastreams", identity))

    def _series_of(self, row: Row) -> tuple[str, str]:
        if row["kind"] != SITE:
            raise ProblemError(400, "Observations of a station are made of its stream: send it there.")
        identity: str = row["id"]
        if region := self._context.region_of(identity):
            raise ProblemError(400, f"This is measured in the region {region}: send its observations there.")
        return identity, row["thing_key"]

    def _sample(self, body: Any, thing: str) -> tuple[int, float, dict[str, Any] | None]:
        now_us = self._context.clock_us()
        sample = bodies.observation(body, now_us, thing)
        if not EARLIEST_US <= sample[0] <= now_us + AHEAD_US:
            raise ProblemError(400, "phenomenonTime lies before 2000 or in the future: correct the clock.")
        return sample

    async def _put(self, samples: Sequence[Sample]) -> None:
        """Let samples go the way of all: return when they are durable."""
        if self._samples is None:
            raise ProblemError(501, "This process takes no observations: send them to one that gathers.")
        if not samples:
            return
        try:
            async with asyncio.timeout(STORE_S):
                await self._samples.put_samples(batch_of(samples, self._context.clock_us()))
        except Exception as error:
            log.warning("observations cannot be stored", error=repr(error))
            raise ProblemError(
                503,
                "Not confirmed in time: send it again, what has arrived counts once.",
                {"Retry-After": "5"},
            ) from error
