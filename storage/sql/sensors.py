"""Questions about things, datastreams and their samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, get_args

import msgspec
import numpy as np

from sensors.model import Datastream, ObservedProperty, Thing
from storage import paging
from storage.rows import (
    Aggregate,
    Box,
    DatastreamRow,
    Observation,
    ObservationWindow,
    Page,
    ReceivedSamples,
    SamplePlace,
    Waveform,
)
from storage.sql import sample_sums
from storage.sql.boxes import sides
from storage.sql.levels import SAMPLES
from storage.sql.packing import unpacked_flags
from storage.sql.sample_extras import unpacked
from storage.sql.summing import Summing

MOST_VALUES = 200_000
"""Of the waveforms of a page."""
_AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)


class SensorQueries(Summing):
    """The sensor part of `storage.store.Store`."""

    _flags: Callable[[Any, list[str]], dict[str, int]] = staticmethod(unpacked_flags)
    """Returns the flag of each test, from what stands in a row and the names of the tests."""

    def things(self, *, after: str | None = None, limit: int = 100) -> Page[Thing]:
        """Return things by id."""
        paging.check_limit(limit)
        start = ("",) if after is None else paging.decode_cursor("things", after, (str,))
        asked = {"after": start[0], "limit": limit + 1}
        with self._reading() as connection:
            rows = connection.execute(self._queries["things"], asked).fetchall()
        items = [msgspec.json.decode(definition, type=Thing) for _, definition in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("things", (items[-1].id,)) if more else None)

    def thing(self, thing_id: str) -> Thing | None:
        """Return one thing."""
        with self._reading() as connection:
            row = connection.execute(self._queries["thing"], {"id": thing_id}).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Thing)

    def observed_properties(self) -> list[ObservedProperty]:
        """Return the observed properties by id."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["observed_properties"]).fetchall()
        return [msgspec.json.decode(definition, type=ObservedProperty) for (definition,) in rows]

    def datastreams(
        self, *, thing_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[DatastreamRow]:
        """Return registered datastreams by id, of one thing or of all."""
        paging.check_limit(limit)
        start = ("",) if after is None else paging.decode_cursor("datastreams", after, (str,))
        asked: dict[str, object] = {"after": start[0], "limit": limit + 1}
        name = "datastreams"
        if thing_id is not None:
            name, asked["thing_id"] = "datastreams_of_thing", thing_id
        with self._reading() as connection:
            rows = connection.execute(self._queries[name], asked).fetchall()
        items = [self._datastream(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("datastreams", (items[-1].id,)) if more else None)

    def datastream(self, datastream_id: str) -> DatastreamRow | None:
        """Return one registered datastream."""
        with self._reading() as connection:
            row = connection.execute(self._queries["datastream"], {"id": datastream_id}).fetchone()
        return None if row is None else self._datastream(row)

    def observations(
        self,
        datastream_id: str,
        start_us: int,
        end_us: int,
        *,
        limit: int = 1_000,
        after: str | None = None,
        box: Box | None = None,
    ) -> Page[Observation]:
        """Return samples, oldest first."""
        paging.check_limit(limit)
        if after is not None:
            (last_us,) = paging.decode_cursor("observations", after, (int,))
            start_us = max(start_us, int(last_us) + 1)
        asked: dict[str, object] = {
            "id": datastream_id, "start_us": start_us, "end_us": end_us, "limit": limit + 1,
        }  # fmt: skip
        with self._reading() as connection:
            if box is not None:
                query = self._queries["observations_within"]
                rows = connection.execute(query, {**asked, **sides(box)}).fetchall()
                places = [(row[0], *row[7:]) for row in rows]
            else:
                rows = connection.execute(self._queries["observations"], asked).fetchall()
                last_us = rows[-1][0] if rows else start_us
                asked = {"id": datastream_id, "start_us": start_us, "last_us": last_us}
                places = connection.execute(self._queries["places"], asked).fetchall()
        of_time = {
            time_us: SamplePlace(longitude=longitude, latitude=latitude, height_m=height_m)
            for time_us, longitude, latitude, height_m in places
        }
        tests: dict[str, list[str]] = {}
        items = [self._observation(row, tests, of_time.get(row[0])) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("observations", (items[-1].time_us,)) if more else None)

    def waveforms(
        self, datastream_id: str, start_us: int, end_us: int, *, limit: int = 100, after: str | None = None
    ) -> Page[Waveform]:
        """Return waveforms, oldest first."""
        paging.check_limit(limit)
        if after is not None:
            (last_us,) = paging.decode_cursor("waveforms", after, (int,))
            start_us = max(start_us, int(last_us) + 1)
        asked: dict[str, object] = {
            "id": datastream_id, "start_us": start_us, "end_us": end_us, "limit": limit + 1,
        }  # fmt: skip
        with self._reading() as connection:
            found = connection.execute(self._queries["waveform_lengths"], asked).fetchall()
            if not found:
                return Page([])
            ends = accumulate(length for _, length in found[:limit])
            fit = max(1, sum(end <= MOST_VALUES for end in ends))
            asked["last_us"] = found[fit - 1][0]
            rows = connection.execute(self._queries["waveforms"], asked).fetchall()
        items = [
            Waveform(time_us=time_us, step_us=step_us, values=unpacked(frame, length))
            for time_us, step_us, length, frame in rows
        ]
        more = len(found) > len(items)
        return Page(items, paging.encode_cursor("waveforms", (items[-1].time_us,)) if more else None)

    def values_at(self, times_us: Mapping[str, Sequence[int]]) -> dict[str, dict[int, float | None]]:
        """Return the stored values of datastreams at times; times without a sample are absent."""
        found = {}
        with self._reading() as connection:
            named = {"ids": json.dumps(list(times_us))}
            known = dict(connection.execute(self._queries["series_keys"], named).fetchall())
            for name in [name for name in times_us if name in known]:
                times = times_us[name]
                asked = {
                    "id": name,
                    "times": json.dumps(times),
                    "start_us": min(times, default=0),
                    "end_us": max(times, default=0) + 1,
                }
                found[name] = dict(connection.execute(self._queries["values_at"], asked).fetchall())
        return found

    def received_samples(
        self,
        datastream_ids: Sequence[str],
        start_us: int,
        end_us: int,
        *,
        received_from_us: int,
        received_before_us: int,
        limit: int,
    ) -> ReceivedSamples:
        """Return samples of some datastreams that were measured in a time and received in another."""
        paging.check_limit(limit)
        with self._reading() as connection:
            named = {"ids": json.dumps(list(datastream_ids))}
            keys = dict(connection.execute(self._queries["series_keys"], named).fetchall())
            asked = {
                "keys": json.dumps(list(keys.values())),
                "start_us": start_us,
                "end_us": end_us,
                "received_from_us": received_from_us,
                "received_before_us": received_before_us,
                "limit": limit,
            }
            rows = connection.execute(self._queries["received_samples"], asked).fetchall()
        place = {keys[name]: number for number, name in enumerate(datastream_ids) if name in keys}
        key, time_us, value, received_at_us, revision = zip(*rows, strict=True) if rows else [()] * 5
        return ReceivedSamples(
            np.fromiter(map(place.__getitem__, key), np.int32, len(rows)),
            np.array(time_us, np.int64),
            np.array(value, np.float64),  # None becomes NaN
            np.array(received_at_us, np.int64),
            np.array(revision, np.int64) < 0,
        )

    def observation_windows(
        self,
        datastream_id: str,
        start_us: int,
        end_us: int,
        window_s: int,
        aggregates: Sequence[Aggregate],
        *,
        only_good: bool = True,
    ) -> list[ObservationWindow]:
        """Return samples by windows, oldest first."""
        for name in aggregates:
            if name not in _AGGREGATES:
                known = ", ".join(_AGGREGATES)
                raise ValueError(f"there is no aggregate {name!r}: use one of {known}")
        length_us = paging.window_us(start_us, end_us, window_s)
        with self._reading() as connection:
            sums = self._window_sums(connection, SAMPLES, datastream_id, start_us, end_us, length_us)
        return [sample_sums.window(row, aggregates, only_good=only_good) for row in sums]

    def _observation(
        self, row: tuple[Any, ...], tests: dict[str, list[str]], place: SamplePlace | None = None
    ) -> Observation:
        names = row[3]
        if names not in tests:
            tests[names] = msgspec.json.decode(names, type=list[str])
        return Observation(
            time_us=row[0],
            value=row[1],
            flag=row[2],
            test_flags=self._flags(row[4], tests[names]),
            revision=row[5],
            received_at_us=row[6],
            place=place,
        )

    def _datastream(self, row: tuple[Any, ...]) -> DatastreamRow:
        definition = msgspec.json.decode(row[0], type=Datastream)
        latest = None if row[1] is None else self._observation(row[1:], {})
        return DatastreamRow(**msgspec.structs.asdict(definition), latest=latest)
