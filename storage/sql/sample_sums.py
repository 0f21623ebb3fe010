"""What the samples of a datastream come to over a bucket: added up, and shown as a window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storage.rows import Aggregate, ObservationWindow

Sums = tuple[Any, ...]
"""A row of a rollup, in the order of `read_sample_rollup`."""
_GOOD, _ANY, _FLAGS = 2, 7, 12
_N, _SUM, _MIN, _MAX, _LAST = range(5)
"""Places in each of the two groups: of samples with flag 1, and of all that have a value."""
_decode = msgspec.json.Decoder(dict[int, int]).decode


def of_rows(found: Iterable[Sums], flags: Iterable[tuple[int, int, int, int]]) -> list[Sums]:
    """Return sums as a rollup holds them, from `sample_sums` and `sample_flags`."""
    counts: dict[tuple[int, int], dict[int, int]] = {}
    for key, begin_us, flag, n in flags:
        counts.setdefault((key, begin_us), {})[flag] = n
    return [(*row[:_FLAGS], msgspec.json.encode(counts[row[0], row[1]]).decode()) for row in found]


def added(rows: Sequence[Sums], begin_us: int) -> Sums:
    """Return the sums of a longer bucket from those of its parts, of one datastream and oldest first."""
    if len(rows) == 1:
        return (rows[0][0], begin_us, *rows[0][2:])
    counter: Counter[int] = Counter()
    for row in rows:
        counter.update(_decode(row[_FLAGS]))
    flags = msgspec.json.encode(counter).decode()
    return (rows[0][0], begin_us, *_group(rows, _GOOD), *_group(rows, _ANY), flags)


def window(row: Sums, aggregates: Sequence[Aggregate], *, only_good: bool) -> ObservationWindow:
    """Return sums as they are shown."""
    group = row[_GOOD:_ANY] if only_good else row[_ANY:_FLAGS]
    n, total = group[_N], group[_SUM]
    values: dict[Aggregate, float | None] = {
        "mean": total / n if n else None,
        "min": group[_MIN],
        "max": group[_MAX],
        "sum": total,
        "count": n,
        "last": group[_LAST],
    }
    return ObservationWindow(
        start_us=row[1], values={name: values[name] for name in aggregates}, flags=_decode(row[_FLAGS])
    )


def _group(rows: Sequence[Sums], at: int) -> tuple[Any, ...]:
    some = [row[at : at + 5] for row in rows if row[at]]
    if not some:
        return (0, None, None, None, None)
    counts, sums, lows, highs, lasts = zip(*some, strict=True)
    return sum(counts), sum(sums), min(lows), max(highs), lasts[-1]
