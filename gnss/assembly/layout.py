"""The bytes of a call, laid out for the kernels: station by station, in parts that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.assembly.batch import Visits
from gnss.assembly.memory import Memory

PART_BYTES = 1_048_576
"""About 500 stations: enough that a part's own cost does not count, and few enough for a core's cache."""

Int64 = NDArray[np.int64]


class Steps(NamedTuple):
    """What a call does with stations, each of shape (n,); all steps of a call are of one kind."""

    kind: int
    slot: list[int]
    payload: Sequence[bytes]
    received_us: Int64
    reference_us: Int64


class Plan(NamedTuple):
    """The steps in the order in which they are taken: each station is visited once."""

    kind: int
    slot: list[int]
    """Of each visit, in the order in which the call named them."""
    edges: Int64
    """First step of each visit and the number of all, shape (n_visits + 1,)."""
    payload: Sequence[bytes]
    received_us: Int64
    reference_us: Int64
    size: Int64
    """Bytes of each payload, shape (n_steps,)."""
    waiting: Int64
    """Bytes of each visit's station that wait, shape (n_visits,)."""
    parts: list[int]
    """First visit of each part, and the number of visits."""


def plan(memory: Memory, steps: Steps) -> Plan:
    """Bring the steps of each station together, and divide the stations into parts."""
    n = len(steps.slot)
    slot, payload = steps.slot, steps.payload
    received_us, reference_us = steps.received_us, steps.reference_us
    edges = np.arange(n + 1)
    groups: dict[int, list[int]] = {}
    if len(set(slot)) < n:
        for i, one in enumerate(slot):
            groups.setdefault(one, []).append(i)
        order = [i for group in groups.values() for i in group]
        payload, slot = [payload[i] for i in order], list(groups)
        received_us, reference_us = received_us[order], reference_us[order]
        edges = np.cumsum([0, *map(len, groups.values())])
    size = np.fromiter(map(len, payload), np.int64, n)
    waiting = memory.waiting(np.array(slot, np.int64))
    parts = [0, len(slot)]
    if size.sum() + waiting.sum() > PART_BYTES:
        behind = np.cumsum(size)[edges[1:] - 1] + np.cumsum(waiting)
        parts[1:1] = (np.flatnonzero(np.diff(behind // PART_BYTES)) + 1).tolist()
    return Plan(steps.kind, slot, edges, payload, received_us, reference_us, size, waiting, parts)


def lay_out(memory: Memory, plan: Plan, part: int) -> tuple[bytes, Visits]:
    """Join the bytes that wait and the new ones of a part, station by station."""
    first, last = plan.parts[part], plan.parts[part + 1]
    begin, end = int(plan.edges[first]), int(plan.edges[last])
    slot, payload, waiting = plan.slot[first:last], plan.payload[begin:end], plan.waiting[first:last]
    edges, size = plan.edges[first : last + 1] - begin, plan.size[begin:end]
    pieces = payload
    if memory.kept:
        pieces, at = [], edges.tolist()
        for i, one in enumerate(slot):
            pieces.append(memory.kept.get(one, b""))
            pieces += payload[at[i] : at[i + 1]]
    behind = np.cumsum(size) + np.repeat(np.cumsum(waiting), edges[1:] - edges[:-1])
    visits = Visits(
        slot=np.array(slot, np.int64),
        begin=(behind - size)[edges[:-1]] - waiting,
        steps=edges,
        payload=behind - size,
        end=behind,
        received_us=plan.received_us[begin:end],
        reference_us=plan.reference_us[begin:end],
    )
    return b"".join(pieces), visits
