"""What the reports of a station come to over a bucket: added up, and shown as a window."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.rows import QualityWindow
from storage.sql import latencies
from storage.sql.packing import CN0_SCALE, LENGTH_SCALE, STATES, TIME_SCALE

Sums = tuple[Any, ...]
"""A row of a rollup, in the order of `read_station_rollup`."""
(
    _KEY, _BEGIN, _REPORTS, _EPOCHS, _EXPECTED, _OBSERVATIONS, _OBSERVATIONS_EXPECTED, _LATENCY_N,
    _LATENCY_SUM, _LATENCY_MAX, _LATENCY_MEDIAN, _LATENCY_P95, _JITTER_N, _JITTER_SUM, _CN0_N, _CN0_SUM,
    _SLIPS, _MULTIPATH_N, _MULTIPATH_SQUARES, _FRAMES, _BAD_FRAMES, _SCORE_N, _SCORE_SUM, _SCORE_MIN,
    _STATE, _GOOD_S, _UNKNOWN_S, _DEGRADED_S, _BAD_S, _REASONS, _LATENCIES,
) = range(31)  # fmt: skip
_ADDED = (
    _REPORTS, _EPOCHS, _EXPECTED, _OBSERVATIONS, _LATENCY_N, _JITTER_N, _CN0_N, _SLIPS, _MULTIPATH_N, _FRAMES,
    _BAD_FRAMES, _SCORE_N, _GOOD_S, _UNKNOWN_S, _DEGRADED_S, _BAD_S,
)  # fmt: skip
_ADDED_IF_THERE = (
    _OBSERVATIONS_EXPECTED, _LATENCY_SUM, _JITTER_SUM, _CN0_SUM, _MULTIPATH_SQUARES, _SCORE_SUM,
)  # fmt: skip
_decode = msgspec.json.Decoder(dict[str, int]).decode


def of_rows(
    found: Iterable[Sums],
    reasons: Iterable[tuple[int, int, int, int]],
    values: Sequence[NDArray[np.int64]],
) -> list[Sums]:
    """Return sums as a rollup holds them.

    Parameters
    ----------
    found
        Of `report_sums`.
    reasons
        Key, bucket, list of codes and reports of `report_reasons`.
    values
        The latencies of each, in any order.
    """
    codes: dict[tuple[int, int], dict[int, int]] = {}
    for key, begin_us, names, reports in reasons:
        codes.setdefault((key, begin_us), {})[names] = reports
    rows = []
    for row, some in zip(found, values, strict=True):
        some.sort()
        one = list(row)
        one[_LATENCY_MEDIAN], one[_LATENCY_P95] = latencies.nearest_ranks(some)
        one[_LATENCIES] = latencies.packed(some)
        if (named := codes.get((row[_KEY], row[_BEGIN]))) is not None:
            one[_REASONS] = msgspec.json.encode(named).decode()
        rows.append(tuple(one))
    return rows


def added(rows: Sequence[Sums], begin_us: int) -> Sums:
    """Return the sums of a longer bucket from those of its parts, which are of one station."""
    if len(rows) == 1:
        one = rows[0]
        return (one[_KEY], begin_us, *one[2:])
    columns = list(zip(*rows, strict=True))
    total: list[Any] = [None] * len(columns)
    total[_KEY], total[_BEGIN] = columns[_KEY][0], begin_us
    for i in _ADDED:
        total[i] = sum(columns[i])
    for i in _ADDED_IF_THERE:
        known = [value for value in columns[i] if value is not None]
        total[i] = sum(known) if known else None
    total[_LATENCY_MAX] = max((v for v in columns[_LATENCY_MAX] if v is not None), default=None)
    total[_SCORE_MIN] = min((v for v in columns[_SCORE_MIN] if v is not None), default=None)
    total[_STATE] = max(columns[_STATE])
    ordered = latencies.joined(columns[_LATENCIES])
    total[_LATENCY_MEDIAN], total[_LATENCY_P95] = latencies.nearest_ranks(ordered)
    total[_LATENCIES] = latencies.packed(ordered)
    if some := [text for text in columns[_REASONS] if text is not None]:
        counter: Counter[str] = Counter()
        for text in some:
            counter.update(_decode(text))
        total[_REASONS] = msgspec.json.encode(counter).decode()
    return tuple(total)


def names_of(rows: Iterable[Sums]) -> list[int]:
    """Return the numbers of the lists of codes that stand in these sums."""
    return sorted({int(name) for row in rows if row[_REASONS] is not None for name in _decode(row[_REASONS])})


def window(row: Sums, names: Mapping[int, Sequence[str]]) -> QualityWindow:
    """Return sums as they are shown; `names` are the codes by their list's number."""
    reasons: dict[str, int] = {}
    if row[_REASONS] is not None:
        counter: Counter[str] = Counter()
        for name, reports in _decode(row[_REASONS]).items():
            for code in set(names[int(name)]):
                counter[code] += reports
        reasons = dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
    epochs, expected, squares = row[_EPOCHS], row[_EXPECTED], row[_MULTIPATH_SQUARES]
    return QualityWindow(
        start_us=row[_BEGIN],
        reports=row[_REPORTS],
        epochs=epochs,
        epochs_expected=expected,
        completeness=epochs / expected if expected else None,
        observations=row[_OBSERVATIONS],
        observations_expected=row[_OBSERVATIONS_EXPECTED],
        latency_mean_s=_mean(row[_LATENCY_SUM], row[_LATENCY_N], TIME_SCALE),
        latency_median_s=_shown(row[_LATENCY_MEDIAN], TIME_SCALE),
        latency_p95_s=_shown(row[_LATENCY_P95], TIME_SCALE),
        latency_max_s=_shown(row[_LATENCY_MAX], TIME_SCALE),
        jitter_s=_mean(row[_JITTER_SUM], row[_JITTER_N], TIME_SCALE),
        cn0_dbhz=_mean(row[_CN0_SUM], row[_CN0_N], CN0_SCALE),
        slips=row[_SLIPS],
        multipath_m=None if squares is None else math.sqrt(squares / row[_MULTIPATH_N]) / LENGTH_SCALE,
        frames=row[_FRAMES],
        bad_frames=row[_BAD_FRAMES],
        score_min=row[_SCORE_MIN],
        score_mean=_mean(row[_SCORE_SUM], row[_SCORE_N], 1),
        state=STATES[row[_STATE]],
        seconds_by_state={STATES[i]: row[_GOOD_S + i] for i in range(4) if row[_GOOD_S + i]},
        reasons=reasons,
    )


def _mean(total: float | None, n: int, scale: int) -> float | None:
    return None if total is None else total / n / scale


def _shown(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale
