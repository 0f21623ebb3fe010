"""Sparkplug B: births, data and deaths of edge nodes and their devices, on spBv1.0/#.

Data name their metrics by numbers (aliases) that the birth told, so the reader remembers, for each node, what
its last birth said. When a node or a device dies all its metrics have no value any more, until it is born
again. After a restart of this program, or when a birth was missed, data with aliases cannot be read: they are
counted, and the node is asked to be born again, as it is when the numbers of its messages have a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from sensors.payloads import Reply, Rows, UnusableError, printable, register
from sensors.payloads.mapping import FormatMapping, Reader
from sensors.payloads.paths import Namer, checked, namer, part_of_id
from sensors.payloads.sparkplug.metrics import Metric, Payload, read_payload, write_payload
from sensors.payloads.times import Clock

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
MOST_NODES = 5_000
MOST_METRICS = 10_000
"""Of a node and its devices."""
MOST_KNOWN = 300_000
"""Names and aliases of all nodes: some tens of megabytes."""
_LONGEST_NAME = 500
_OWN = ("bdSeq", "Node Control/", "Device Control/", "Node Info/")
"""Metrics of the protocol itself begin so."""
_SEQ = 256
ASK_AGAIN_S, ASK_AGAIN_MOST_S = 60.0, 3600.0
"""Between two questions to a node that is not born: the double each time."""
ASKED_PER_S, ASKED_AT_ONCE = 20.0, 500.0
"""Questions to all nodes: whoever makes up names of nodes gets no flood for it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a birth said of a metric."""

    name: str
    datatype: int
    unit: str


@dataclass(slots=True)
class _Node:
    """What is known of a node: its metrics and its devices', by device and alias or name."""

    birth: int | None = None
    """Number of its last birth (bdSeq), which its death has as well."""
    seq: int | None = None
    metrics: dict[tuple[str, int | str], _Known] = field(default_factory=dict)
    streams: dict[str, dict[str, None]] = field(default_factory=dict)
    """Datastreams that had a value, by device."""

    n_streams: int = 0
    ask_from_us: int = 0
    """When it may be asked for its birth (again)."""
    asked: int = 0
    """How often it was, since its last birth."""

    @property
    def size(self) -> int:
        """How much it makes us remember."""
        return len(self.metrics) + self.n_streams

    def had(self, device: str, stream: str) -> None:
        """Remember that a datastream had a value, while there are not too many."""
        if stream not in self.streams.get(device, {}) and self.n_streams < MOST_METRICS:
            self.streams.setdefault(device, {})[stream] = None
            self.n_streams += 1

    def end(self, device: str) -> list[str]:
        """Forget the datastreams of a device, or of all where it is empty, and return them."""
        devices = [device] if device else [*self.streams]
        ended = [stream for one in devices for stream in self.streams.pop(one, {})]
        self.n_streams -= len(ended)
        return ended


class SparkplugMapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    topic: str = f"{NAMESPACE}/#"
    datastream: str = "{group}.{source}.{metric}"
    """Datastream id: `{source}` is the node, or the node and the device with a dot between them; `{group}`,
    `{node}`, `{device}`, `{metric}`. Spaces become `_`, and slashes dots."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Datastream id of each metric that is wanted, by its name; others are left out."""
    rebirth: bool = True
    """Ask nodes for their birth where it is needed (NCMD, Node Control/Rebirth)."""

    def open(self) -> Reader:
        """Return a reader that remembers what births said."""
        return Reader(self, Births(self).read)

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message, which alone can be read only where metrics have their names."""
        Births(self).read(rows, payload, clock)

    @cached_property
    def _otherwise(self) -> Namer | None:
        return None if self.values else namer(self.datastream)

    @cached_property
    def _namers(self) -> dict[str, Namer]:
        return {name: namer(text) for name, text in self.values.items()}

    def stream(self, levels: list[str], fields: dict[str, str], metric: str) -> str:
        """Return the datastream of a metric; empty: nobody wants it.

        Raises
        ------
        UnusableError
            It can have none.
        """
        name_of = self._namers.get(metric, self._otherwise)
        if name_of is None:
            return ""
        named = {key: part_of_id(text) for key, text in {**fields, "metric": metric}.items()}
        return checked(name_of(levels, named, named))


class Births:
    """What the births of a connection's nodes said; bounded in nodes, and in metrics of each."""

    def __init__(self, mapping: SparkplugMapping) -> None:
        self._mapping = mapping
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._known = 0
        """Names and aliases of all nodes."""
        self._may_ask, self._may_ask_at_us = ASKED_AT_ONCE, 0

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message."""
        levels = rows.topic.split("/")
        if len(levels) == 3 and levels[:2] == [NAMESPACE, "STATE"]:
            return
        if not 4 <= len(levels) <= 5 or levels[0] != NAMESPACE or not all(levels):
            raise UnusableError(f"this is no topic of Sparkplug B; it begins {NAMESPACE}/GROUP/TYPE/NODE")
        group, kind, edge, device = levels[1], levels[2], levels[3], levels[4:]
        if kind in {"NCMD", "DCMD"}:
            return
        if kind not in {f"{'D' if device else 'N'}{what}" for what in ("BIRTH", "DATA", "DEATH")}:
            raise UnusableError(f"{printable(kind)} is no type of message")
        found = read_payload(payload, self._mapping.max_rows)
        node = self._node(group, edge)
        size = node.size
        try:
            self._read(rows, node, levels, kind, found, clock)
        finally:
            self._known += node.size - size
            self._forget_oldest()

    def _read(
        self, rows: Rows, node: _Node, levels: list[str], kind: str, found: Payload, clock: Clock
    ) -> None:
        group, edge, device = levels[1], levels[3], "".join(levels[4:])
        if kind.endswith("DEATH"):
            self._die(rows, node, device, found, clock)
            return
        is_complete = self._follow(rows, node, found, kind)
        if kind.endswith("BIRTH"):
            _forget(node, device)
            if not device:
                node.birth, node.asked, is_complete = _birth_number(found), 0, True
        source = f"{edge}.{device}" if device else edge
        fields = {"group": group, "node": edge, "device": device, "source": source}
        for metric in found.metrics:
            try:
                known = _known(node, device, metric, is_birth=kind.endswith("BIRTH"))
                stream = self._add(rows, metric, known, fields, levels, found, clock)
                if stream:
                    node.had(device, stream)
            except _UnknownAliasError as error:
                rows.refuse(str(error))
                is_complete = False
            except UnusableError as error:
                rows.refuse(str(error))
        if not is_complete:
            self._ask(rows, node, group, edge, clock.received_at_us)

    def _ask(self, rows: Rows, node: _Node, group: str, edge: str, now_us: int) -> None:
        """Ask a node for its birth, unless that was done lately."""
        passed_s = max(now_us - self._may_ask_at_us, 0) / 1e6
        self._may_ask = min(ASKED_AT_ONCE, self._may_ask + passed_s * ASKED_PER_S)
        self._may_ask_at_us = now_us
        # A clock that was set back by more than the longest wait is no reason to wait for it.
        is_early = now_us < node.ask_from_us <= now_us + round(ASK_AGAIN_MOST_S * 1e6)
        if not self._mapping.rebirth or is_early or self._may_ask < 1:
            return
        self._may_ask -= 1
        wait_s = min(ASK_AGAIN_S * 2.0 ** min(node.asked, 20), ASK_AGAIN_MOST_S)
        node.ask_from_us, node.asked = now_us + round(wait_s * 1e6), node.asked + 1
        rows.replies.append(rebirth(group, edge, now_us))

    def _add(
        self,
        rows: Rows,
        metric: Metric,
        known: _Known,
        fields: dict[str, str],
        levels: list[str],
        payload: Payload,
        clock: Clock,
    ) -> str:
        """Add a metric's sample; return its datastream, which is empty where there is no sample."""
        if known.name.startswith(_OWN):
            return ""
        stream = self._mapping.stream(levels, fields, known.name)
        if not stream:
            return ""
        shown = f"metric {printable(known.name)}"
        if (kind := metric.kind(known.datatype)) != "number":
            if kind == "table":
                raise UnusableError(f"{shown} is a table, which is not read")
            if not metric.is_null:
                rows.note("silent", f"{shown} is no number")
            return ""
        value = self._mapping.in_unit(rows, stream, metric.value(known.datatype), known.unit, shown)
        time_ms = payload.time_ms if metric.time_ms is None else metric.time_ms
        if time_ms is None:
            time_us, doubt = clock.arrival(rows), None
        else:
            time_us, doubt = clock.choose(min(time_ms, 2**52) * 1000, f"the time of {shown}")
        rows.add(stream, time_us, value if math.isfinite(value) else math.nan, doubt)
        return stream

    def _node(self, group: str, edge: str) -> _Node:
        """Return what is known of a node, which is now the newest one."""
        node = self._nodes.pop((group, edge), None) or _Node()
        self._nodes[group, edge] = node
        return node

    def _forget_oldest(self) -> None:
        """Forget the nodes that were heard longest ago, while there are too many."""
        while len(self._nodes) > 1 and (len(self._nodes) > MOST_NODES or self._known > MOST_KNOWN):
            self._known -= self._nodes.pop(next(iter(self._nodes))).size

    def _die(self, rows: Rows, node: _Node, device: str, payload: Payload, clock: Clock) -> None:
        """Say of each metric that it has no value from now on: a death's own time is that of a connection."""
        if not device and node.birth is not None and _birth_number(payload) not in {None, node.birth}:
            rows.note("silent", "this death is of an earlier birth")
            return
        streams = node.end(device)
        now_us = clock.arrival(rows)
        rows.most = max(rows.most, len(streams))
        for stream in streams:
            rows.add(stream, now_us, math.nan)
        if not device:
            node.seq = None

    def _follow(self, rows: Rows, node: _Node, payload: Payload, kind: str) -> bool:
        """Count messages of a node that did not come; return whether none is missing."""
        if payload.seq is None:
            return True
        before, node.seq = node.seq, payload.seq
        if kind == "NBIRTH" or before is None or payload.seq == (before + 1) % _SEQ:
            return True
        rows.note("lost", f"message {payload.seq} follows {before}; some in between did not come")
        return False


class _UnknownAliasError(UnusableError):
    """The birth that told what a number stands for was not seen."""


def rebirth(group: str, node: str, at_us: int) -> Reply:
    """Return the command that asks a node for its birth; to be published with QoS 0."""
    return Reply(f"{NAMESPACE}/{group}/NCMD/{node}", write_payload(at_us // 1000, {REBIRTH: True}))


def _known(node: _Node, device: str, metric: Metric, *, is_birth: bool) -> _Known:
    """Return what is known of a metric, and remember what a birth tells of it."""
    if len(metric.name) > _LONGEST_NAME:
        raise UnusableError(f"a metric's name has {len(metric.name)} characters")
    if is_birth:
        known = _Known(metric.name, metric.datatype, metric.unit)
        for key in _keys(metric):
            if (device, key) not in node.metrics and len(node.metrics) >= 2 * MOST_METRICS:
                raise UnusableError(f"the node has more than {MOST_METRICS} metrics; the rest are left out")
            node.metrics[device, key] = known
        return known
    for key in _keys(metric):
        if (found := node.metrics.get((device, key))) is not None:
            datatype = metric.datatype or found.datatype
            return found if datatype == found.datatype else _Known(found.name, datatype, found.unit)
    if metric.name:
        return _Known(metric.name, metric.datatype, metric.unit)
    raise _UnknownAliasError(
        f"alias {metric.alias} is not known: the birth of this node was not seen, so it is asked for it"
    )


def _keys(metric: Metric) -> Iterator[int | str]:
    if metric.alias is not None:
        yield metric.alias
    if metric.name:
        yield metric.name


def _forget(node: _Node, device: str) -> None:
    """Forget what an earlier birth said: of a node, that of its devices as well."""
    if not device:
        node.metrics.clear()
        node.end("")
        return
    node.metrics = {key: known for key, known in node.metrics.items() if key[0] != device}


def _birth_number(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == "bdSeq" and metric.content is not None and isinstance(metric.content[1], int):
            return metric.content[1]
    return None


register("sparkplug", SparkplugMapping)
