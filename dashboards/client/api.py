"""The client itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar
from urllib.parse import quote, unquote

import httpx
import msgspec
import pyarrow as pa

from dashboards.answers import (
    AlertAnswer,
    DatastreamAnswer,
    ObservationAnswer,
    QualityAnswer,
    StationAnswer,
    ThingAnswer,
)
from dashboards.client.errors import check
from dashboards.client.follow import Gap, Update, follow
from dashboards.client.table import Table
from dashboards.client.where import Where, time_text
from streams.records import AlertStateName, StationStateName

T = TypeVar("T")
PAGE = 1_000
TIMEOUT_S = 60.0
"""For an answer to begin, and between its pieces."""
_ARROW = "application/vnd.apache.arrow.stream"


class Client:
    """Asks a server. Not for two threads at once.

    Parameters
    ----------
    url
        Where the server is, as `http://127.0.0.1:8080`.
    token
        Sent with each question; None: what everybody may know.
    transport
        Of httpx, for who needs another one.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._base = f"{url.rstrip('/')}/api/v1"
        self._http = httpx.Client(
            base_url=self._base,
            headers={} if token is None else {"authorization": f"Bearer {token}"},
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- what there is --------------------------------------------------------------------------------

    def stations(self, *, state: StationStateName | None = None) -> Iterator[StationAnswer]:
        """Yield stations by id, with their latest verdicts."""
        return self._pages("/stations", StationAnswer, {"state": state})

    def station(self, station_id: str) -> StationAnswer:
        """Return one station."""
        return self._one(f"/stations/{_part(station_id)}", StationAnswer)

    def things(self) -> Iterator[ThingAnswer]:
        """Yield sites by id."""
        return self._pages("/things", ThingAnswer, {})

    def datastreams(self, *, thing: str | None = None) -> Iterator[DatastreamAnswer]:
        """Yield datastreams by id, of one thing or of all, each with its newest sample."""
        return self._pages("/datastreams", DatastreamAnswer, {"thing": thing})

    def datastream(self, datastream_id: str) -> DatastreamAnswer:
        """Return one datastream with its newest sample."""
        return self._one(f"/datastreams/{_part(datastream_id)}", DatastreamAnswer)

    def alerts(self, *, state: AlertStateName | None = None) -> Iterator[AlertAnswer]:
        """Yield alerts as they are now, the newest first."""
        return self._pages("/alerts", AlertAnswer, {"state": state})

    def samples(
        self, datastream_id: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[ObservationAnswer]:
        """Yield samples of one datastream with the flags of each test, oldest first."""
        path = f"/datastreams/{_part(datastream_id)}/observations"
        return self._pages(path, ObservationAnswer, {"start": time_text(start), "end": time_text(end)})

    def quality(
        self, station_id: str, *, start: datetime, end: datetime, window: str = "1min"
    ) -> list[QualityAnswer]:
        """Return a station's quality by windows with the reasons, oldest first; at most 10,000 windows."""
        asked = {"start": time_text(start), "end": time_text(end), "window": window}
        answer = self._http.get(f"/stations/{_part(station_id)}/quality", params=asked)
        check(answer)
        return msgspec.json.decode(answer.content, type=_Page[QualityAnswer]).items

    # --- many at once ---------------------------------------------------------------------------------

    def observations(self, where: Where = Where(), *, details: bool = False) -> Table:
        """Return every sample of many datastreams, by time."""
        return self._table("observations", where, {"details": details or None})

    def windows(
        self,
        where: Where = Where(),
        *,
        window: str = "1h",
        aggregate: Sequence[str] = ("mean", "min", "max", "count"),
        quality: Literal["good", "all"] = "good",
        gaps: bool = False,
        details: bool = False,
    ) -> Table:
        """Return windows of many datastreams, by time: aggregates, coverage, and samples by flag.

        Parameters
        ----------
        window
            As `5min`, `1h`, `1d`.
        aggregate
            mean, min, max, sum, count, last, and percentiles such as p5, p50, p99.9.
        gaps
            With windows in which nothing came.
        details
            With units and places.
        """
        asked = {
            "window": window,
            "aggregate": ",".join(aggregate),
            "quality": quality,
            "gaps": gaps or None,
            "details": details or None,
        }
        return self._table("windows", where, asked)

    def station_windows(
        self, where: Where = Where(), *, window: str = "1h", gaps: bool = False, details: bool = False
    ) -> Table:
        """Return the quality of many stations by windows, by time."""
        asked = {"window": window, "gaps": gaps or None, "details": details or None}
        return self._table("station-windows", where, asked)

    def batches(self, where: Where = Where(), *, details: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the samples of many datastreams, by time, as they come: for what is larger than memory."""
        with self._reader("observations", where, {"details": details or None}) as reader:
            yield from reader

    # --- as it happens --------------------------------------------------------------------------------

    def follow(
        self, channels: Sequence[str], *, after: str | None = None, others: Sequence[str] = ()
    ) -> Iterator[Update | Gap]:
        """Yield what happens in channels, as it happens, without end.

        A stream that is cut goes on where it was, so nothing is missing and nothing comes twice; where that
        is not possible a `Gap` says which time to ask for. Leave the loop to end it.

        Parameters
        ----------
        channels
            `network`, `region:ID`, `station:ID`, `thing:ID`, `property:ID`, `level:red` (docs/push.md).
        after
            The id of the last update that was dealt with; None: from now on.
        others
            Further servers over the same Kafka, as `http://10.0.0.2:8080`, for when this one is away.

        Raises
        ------
        ApiError
            It is refused, and trying again does not help.
        """
        servers = [self._base, *(f"{one.rstrip('/')}/api/v1" for one in others)]
        return follow(self._http, channels, after, servers)

    # --- what stations sent ---------------------------------------------------------------------------

    def raw(self, station_id: str, *, start: datetime, end: datetime | None = None) -> Iterator[bytes]:
        """Yield a station's stream as it was received, for at most a day."""
        asked = {"from": time_text(start), "to": time_text(end)}
        path = f"/stations/{_part(station_id)}/raw"
        with self._http.stream("GET", path, params=_given(asked)) as answer:
            check(answer)
            yield from answer.iter_bytes()

    def rinex(
        self,
        station_id: str,
        at: datetime,
        *,
        folder: Path | str = ".",
        period: Literal["1h", "1d"] = "1h",
        kind: Literal["observation", "navigation"] = "observation",
        interval_s: float | None = None,
        hatanaka: bool = False,
    ) -> Path:
        """Write the RINEX file of the hour or day that a time lies in; return its path.

        It is called as the server names it. One that is there is replaced once the new one is whole.
        """
        asked = {
            "from": time_text(at), "period": period, "kind": kind, "interval_s": interval_s,
            "hatanaka": hatanaka or None,
        }  # fmt: skip
        path = f"/stations/{_part(station_id)}/rinex"
        with self._http.stream("GET", path, params=_given(asked)) as answer:
            check(answer)
            name = unquote(answer.headers["content-disposition"].rpartition("''")[2])
            target = Path(folder) / Path(name).name
            beside = target.with_name(f".{target.name}.part")
            try:
                with beside.open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
                return beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)

    # --- inside ---------------------------------------------------------------------------------------

    @contextmanager
    def _reader(self, what: str, where: Where, asked: Mapping[str, Any]) -> Iterator[pa.RecordBatchReader]:
        every = _given({**where.parameters(), **asked})
        with self._http.stream("GET", f"/{what}", params=every, headers={"accept": _ARROW}) as answer:
            check(answer)
            with pa.ipc.open_stream(io.BufferedReader(_Pieces(answer.iter_bytes()))) as reader:
                yield reader

    def _table(self, what: str, where: Where, asked: Mapping[str, Any]) -> Table:
        with self._reader(what, where, asked) as reader:
            return Table(reader.read_all())

    def _one(self, path: str, kind: type[T]) -> T:
        answer = self._http.get(path)
        check(answer)
        return msgspec.json.decode(answer.content, type=kind)

    def _pages(self, path: str, kind: type[T], asked: Mapping[str, Any]) -> Iterator[T]:
        decode = msgspec.json.Decoder(_Page[kind]).decode  # type: ignore[valid-type]
        after: str | None = None
        while True:
            answer = self._http.get(path, params=_given({**asked, "after": after, "limit": PAGE}))
            check(answer)
            page = decode(answer.content)
            yield from page.items
            after = page.next
            if after is None:
                return


class _Page(msgspec.Struct, Generic[T]):
    items: list[T]
    next: str | None


class _Pieces(io.RawIOBase):
    """Bytes that come piece by piece, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _part(identity: str) -> str:
    """Return an id as a part of a path."""
    return quote(identity, safe="")
