"""One call of a table: run the kernels part by part, and give columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.assembly.assembled import Assembled, EpochFrames, OtherFrames
from gnss.assembly.batch import Headers, Scan, Tallies, Visits, scan_batch, sort_batch
from gnss.assembly.blocks import Blocks, copy_rows, rows_of
from gnss.assembly.layout import Plan, Steps, lay_out, plan
from gnss.assembly.memory import Memory
from gnss.assembly.records import CLOSED, OTHER, USED, Records
from gnss.assembly.sorter import Desk
from gnss.epoch_columns import EpochColumns
from gnss.epoch_parts import frame_headers
from gnss.observations import MsmFrames, Observations
from gnss.rtcm import msm_layout
from gnss.rtcm.bits import frozen
from gnss.rtcm.framing import HEADER_BYTES, OVERHEAD_BYTES, FrameIndex
from gnss.rtcm.legacy import is_legacy
from gnss.rtcm.msm import _read_cells

NUMBERS = 4097
"""All message numbers, and -1."""

_NO_OBSERVATIONS = Blocks().columns(0)
_NO_OTHERS = OtherFrames(
    station=np.empty(0, np.int32),
    message=np.empty(0, np.int16),
    epoch_us=np.empty(0, np.int64),
    received_at_us=np.empty(0, np.int64),
    ordinal=np.empty(0, np.int64),
    payload=(),
)
_FRAME_COLUMNS = tuple(f.name for f in fields(MsmFrames) if f.name != "damaged")


class _Part(NamedTuple):
    """What a part of a call brought."""

    buffer: NDArray[np.uint8]
    found: FrameIndex
    picked: MsmFrames
    """Of the closed epochs."""
    closed: Records
    """`CLOSED`."""
    others: OtherFrames


def by_number(numbers: Iterable[int]) -> NDArray[np.bool_]:
    """Return a table of message numbers, shape (4097,), by the number plus 1."""
    table = np.zeros(NUMBERS, np.bool_)
    table[np.array(list(numbers), np.int64) + 1] = True
    return table


def is_observation(number: int) -> bool:
    """Whether messages of a number hold observations: MSM1 to MSM7, and 1001 to 1004, 1009 to 1012."""
    first, last = msm_layout.FIRST_MESSAGE, msm_layout.LAST_MESSAGE
    return is_legacy.py_func(number) or (first <= number <= last and 1 <= number % 10 <= 7)


_OBSERVES = by_number(number for number in range(NUMBERS - 1) if is_observation(number))


def run(memory: Memory, steps: Steps, wanted: NDArray[np.bool_]) -> Assembled:
    """Take the steps; return what they brought. `wanted` is a table of message numbers."""
    whole = plan(memory, steps)
    n_parts = len(whole.parts) - 1
    seen, cells = _NO_OBSERVATIONS, 0
    closed: list[Records] = []
    picked: list[MsmFrames] = []
    others: list[OtherFrames] = []
    for i in range(n_parts):
        part = _run_part(memory, whole, i, wanted)
        needed = cells + int(part.picked.cells.sum())
        if len(seen) < needed:
            likely = needed if i + 1 == n_parts else needed * n_parts // (i + 1) * 17 // 16
            before, seen = seen, memory.blocks.columns(likely)
            if cells:
                copy_rows(before, seen, cells)
        _decode(part, seen, cells, needed)
        part.closed["first"] += cells
        cells = needed
        closed.append(part.closed)
        picked.append(part.picked)
        others.append(part.others)
    epochs = closed[0] if n_parts == 1 else np.concatenate(closed)
    seen = rows_of(seen, 0, cells)
    row = np.arange(len(epochs), dtype=np.int32)
    seen.row[:] = np.repeat(row, epochs["count"])
    return Assembled(
        _epoch_columns(memory, epochs, seen),
        EpochFrames(
            epoch=np.repeat(row, epochs["messages"]),
            message=_column(picked, "message"),
            system=_column(picked, "system"),
            reference_station=_column(picked, "reference_station"),
            clock_steering=_column(picked, "clock_steering"),
            cells=_column(picked, "cells"),
        ),
        _joined(others),
    )


def _run_part(memory: Memory, whole: Plan, which: int, wanted: NDArray[np.bool_]) -> _Part:
    data, visits = lay_out(memory, whole, which)
    buffer = frozen(np.frombuffer(data, np.uint8), np.uint8)
    scan = _empty_scan(len(buffer) // OVERHEAD_BYTES, visits)
    n = scan_batch(buffer, whole.kind, memory.pending, visits, scan)
    index = FrameIndex(scan.start[:n], scan.length[:n], scan.message[:n], bad=0, skipped_bytes=0, consumed=0)
    headers = frame_headers(buffer, index)
    rows = len(headers)
    tallies = Tallies(
        number=memory.number,
        frames=memory.count,
        spilled=np.empty((n, 2), np.int32),
        observes=_OBSERVES,
        wanted=wanted,
        others=np.empty(n, OTHER),
    )
    desk = Desk(
        cells=headers.cells,
        behind=np.empty(rows, np.int32),
        epochs=np.empty(rows, CLOSED),
        picked=np.empty(rows, np.int32),
        used=np.zeros(1, USED),
    )
    kept = np.empty(len(buffer), np.uint8)
    columns = Headers(headers.frame, headers.system, headers.time_ms, headers.more_follow)
    sort_batch(
        buffer, whole.kind, memory.stations, memory.pending, visits, scan, columns, tallies, desk, kept
    )
    memory.keep(visits.slot, kept)
    used = desk.used[0]
    memory.spill(tallies.spilled[: used["spilled"]])
    picked = desk.picked[: used["picked"]]
    return _Part(
        buffer=buffer,
        found=index,
        picked=MsmFrames(**{name: getattr(headers, name)[picked] for name in _FRAME_COLUMNS}),
        closed=desk.epochs[: used["epochs"]].copy(),
        others=_other_frames(memory, tallies.others[: used["others"]], index, data),
    )


def _decode(part: _Part, seen: Observations, begin: int, end: int) -> None:
    """Fill rows with the observations of a part's epochs."""
    picked = part.picked
    _read_cells(
        part.buffer,
        frozen(part.found.start, np.int64),
        frozen(part.found.length, np.int32),
        frozen(picked.frame, np.int32),
        frozen(picked.message, np.int16),
        frozen(picked.system, np.uint8),
        frozen(picked.cells, np.int32),
        seen.row[begin:end],
        seen.system[begin:end],
        seen.satellite[begin:end],
        seen.signal[begin:end],
        seen.range_m[begin:end],
        seen.phase_m[begin:end],
        seen.rate_m_s[begin:end],
        seen.cn0_dbhz[begin:end],
        seen.lock_ms[begin:end],
        seen.lock_indicator[begin:end],
        seen.half_cycle[begin:end],
        seen.flags[begin:end],
        seen.channel[begin:end],
    )


def _empty_scan(most: int, visits: Visits) -> Scan:
    n_visits, n_steps = len(visits.slot), len(visits.end)
    return Scan(
        start=np.empty(most, np.int64),
        length=np.empty(most, np.int32),
        message=np.empty(most, np.int16),
        bad_before=np.empty(most, np.int32),
        first=np.empty(n_visits, np.int64),
        behind=np.empty(n_steps, np.int64),
        bad=np.empty(n_steps, np.int32),
        skipped=np.empty(n_steps, np.int64),
        consumed=np.empty(n_steps, np.int64),
    )


def _epoch_columns(memory: Memory, closed: Records, seen: Observations) -> EpochColumns:
    return EpochColumns(
        station=memory.station_of[closed["slot"]],
        time_us=closed["time_us"].copy(),
        received_at_us=closed["received_at_us"].copy(),
        closed_by=closed["closed_by"].astype(np.uint8),
        first=closed["first"].copy(),
        count=closed["count"].astype(np.int32),
        frames=closed["frames"].astype(np.int32),
        bad_frames=closed["bad_frames"].astype(np.int32),
        begin=closed["begin"].copy(),
        observations=seen,
    )


def _other_frames(memory: Memory, others: Records, index: FrameIndex, data: bytes) -> OtherFrames:
    if not len(others):
        return _NO_OTHERS
    frame = others["frame"]
    begin = index.start[frame] + HEADER_BYTES
    end = begin + index.length[frame]
    return OtherFrames(
        station=memory.station_of[others["slot"]],
        message=index.message[frame],
        epoch_us=others["epoch_us"].copy(),
        received_at_us=others["received_at_us"].copy(),
        ordinal=others["ordinal"].copy(),
        payload=[data[i:j] for i, j in zip(begin.tolist(), end.tolist(), strict=True)],
    )


def _joined(others: list[OtherFrames]) -> OtherFrames:
    some = [one for one in others if len(one)] or others[:1]
    if len(some) == 1:
        return some[0]
    return OtherFrames(
        station=_column(some, "station"),
        message=_column(some, "message"),
        epoch_us=_column(some, "epoch_us"),
        received_at_us=_column(some, "received_at_us"),
        ordinal=_column(some, "ordinal"),
        payload=[payload for one in some for payload in one.payload],
    )


def _column(parts: Sequence[Any], name: str) -> NDArray[Any]:
    columns = [getattr(part, name) for part in parts]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
