"""Figures for Prometheus, gathered when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboards.fallback import Fallback
from dashboards.live import LiveHub
from storage.store import StorageError, Store
from streams.records import LevelName, StationStateName
from streams.stream_state import StreamState, StreamStates

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STREAM_COUNTERS: tuple[tuple[str, str, Callable[[StreamState], int]], ...] = (
    ("received_bytes", "Bytes received.", lambda s: s.bytes_received),
    ("messages", "Frames of a station, messages of a broker.", lambda s: s.messages_received),
    ("bad_messages", "Messages that could not be used.", lambda s: s.bad_messages),
    ("faults", "Errors of this program that made it begin anew.", lambda s: s.faults),
    ("refused_connections", "Senders that were not let in.", lambda s: s.refused_connections),
    ("overload_drops", "Chunks that were not judged for want of time.", lambda s: s.overload_drops),
    ("bad_samples", "Samples in messages of sensors that could not be used.", lambda s: s.bad_samples),
    ("repeated_samples", "Samples that an answer before had already.", lambda s: s.repeated_samples),
    ("reconnects", "Connections made anew.", lambda s: s.reconnects),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of another part of the program."""

    name: str
    """Without `groundswell_`; that of a counter becomes `..._total`."""
    text: str
    kind: Literal["counter", "gauge"]
    values: Callable[[], Mapping[tuple[str, ...], float]]
    """By the values of the labels; called from any thread."""
    labels: tuple[str, ...] = ()


def exposition(figures: Sequence[Figure], streams: Iterable[StreamState] = ()) -> bytes:
    """Return the text of a process that has figures and incoming streams of its own, and no store."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Some(figures, streams))
    return generate_latest(registry)


class Metrics:
    """All figures of this process.

    Parameters
    ----------
    store, streams, hub
        What is always there.
    figures
        Of what else runs in this process.
    fallback
        What there is while the database is away.
    """

    def __init__(
        self,
        store: Store,
        streams: StreamStates,
        hub: LiveHub,
        figures: Sequence[Figure] = (),
        fallback: Fallback | None = None,
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self.requests = Counter(
            "groundswell_http_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._registry.register(_Figures(store, streams, hub, figures, fallback))

    def render(self) -> bytes:
        """Return the exposition text; blocks on the store."""
        return generate_latest(self._registry)


class _Figures(Collector):
    def __init__(
        self,
        store: Store,
        streams: StreamStates,
        hub: LiveHub,
        figures: Sequence[Figure],
        fallback: Fallback | None,
    ) -> None:
        self._store = store
        self._fallback = fallback
        self._streams = streams
        self._hub = hub
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield from self._stored()
        yield from _incoming(list(self._streams))
        yield GaugeMetricFamily("groundswell_live_viewers", "Viewers of the live stream.", len(self._hub))
        dropped = self._hub.dropped_viewers
        yield CounterMetricFamily("groundswell_live_dropped_viewers", "Viewers that were too slow.", dropped)
        yield from map(_family, self._figures)

    def _stored(self) -> Iterator[Metric]:
        if self._fallback is not None:
            try:
                counts = None if self._fallback.away() else self._store.counts()
            except StorageError:
                counts = None
            away = float(counts is None)
            yield GaugeMetricFamily("groundswell_database_away", "1 while it does not answer.", away)
            if counts is None:
                yield _by_level(self._fallback.memory.open_by_level())
                return
        else:
            counts = self._store.counts()
        stations = GaugeMetricFamily("groundswell_stations", "Stations by verdict.", labels=["state"])
        for state in get_args(StationStateName):
            stations.add_metric([state], counts.stations_by_state.get(state, 0))
        yield stations
        yield _by_level(counts.alerts_open)
        for name, text, value in (
            ("things", "Monitored sites.", counts.things),
            ("datastreams", "Registered datastreams.", counts.datastreams),
            ("deliveries_pending", "Webhook deliveries on their way.", counts.deliveries_pending),
            ("deliveries_given_up", "Webhook deliveries given up.", counts.deliveries_given_up),
            ("journal_messages", "Messages since the last snapshot.", counts.journal_messages),
            ("database_bytes", "Size of the database.", counts.database_bytes),
        ):
            yield GaugeMetricFamily(f"groundswell_{name}", text, value)


class _Some(Collector):
    def __init__(self, figures: Sequence[Figure], streams: Iterable[StreamState]) -> None:
        self._figures, self._streams = figures, streams

    def collect(self) -> Iterable[Metric]:
        yield from _incoming(list(self._streams))
        yield from map(_family, self._figures)


def _by_level(alerts_open: Mapping[str, int]) -> Metric:
    alerts = GaugeMetricFamily("groundswell_alerts_open", "Alerts not closed, by level.", labels=["level"])
    for level in get_args(LevelName):
        alerts.add_metric([level], alerts_open.get(level, 0))
    return alerts


def _incoming(states: Sequence[StreamState]) -> Iterator[Metric]:
    up = GaugeMetricFamily("groundswell_stream_up", "1 while data arrive.", labels=["stream", "kind"])
    for state in states:
        up.add_metric([state.id, state.kind], float(state.phase == "streaming"))
    yield up
    for name, text, figure in _STREAM_COUNTERS:
        family = CounterMetricFamily(f"groundswell_stream_{name}", text, labels=["stream", "kind"])
        for state in states:
            family.add_metric([state.id, state.kind], figure(state))
        yield family
    text = "Samples and messages that were used in another way than they were sent."
    noted = CounterMetricFamily("groundswell_stream_notes", text, labels=["stream", "kind", "what"])
    for state in states:
        for what, count in state.notes.copy().items():
            noted.add_metric([state.id, state.kind, what], count)
    yield noted


def _family(figure: Figure) -> Metric:
    make = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    family = make(f"groundswell_{figure.name}", figure.text, labels=figure.labels)
    for labels, value in figure.values().items():
        family.add_metric(labels, value)
    return family
