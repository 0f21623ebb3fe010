"""Periods of one station made into a longer one: hours to a day, days to a month.

Sums add, so they stay exact. What cannot be had from parts exactly, and how it is had instead:

- percentiles of the latency are means of the parts' percentiles, weighted by their counts, and
  `Latencies.exact` is False then;
- rows of minutes become rows of hours in a period of more than two days (see `gnss.reports.hours`);
- sky tracks of a period of more than two days are those of its last day.

Combining is associative for periods in the order of time, up to the rounding of sums and up to the rows of
an hour that was itself cut between periods of hours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise

import numpy as np

from gnss.quality.period import (
    ElevationFigures,
    Latencies,
    PositionFigures,
    ReasonFigures,
    SignalFigures,
    SkyTrack,
    StationPeriod,
)
from gnss.quality.score import default_limits
from gnss.reports.hours import HOUR_S, combine_minutes
from gnss.time import DAY_US, SECOND_US, iso_z

LONG_US = 2 * DAY_US
"""A longer period has rows of hours, and the sky of its last day only."""
_THEN = " → "


def combine(periods: Sequence[StationPeriod]) -> StationPeriod:
    """Return the periods of one station as one.

    Time between the periods that none of them covers is unknown: it is counted so in `state_seconds` and told
    in `problems`, and it is no gap, as nobody looked.

    Parameters
    ----------
    periods
        In any order; they may touch, but not overlap.

    Raises
    ------
    ValueError
        There is no period, they are of several stations, or two of them cover the same time.
    """
    if not periods:
        raise ValueError("There is no period to combine: give at least one.")
    if len(stations := sorted({period.station_id for period in periods})) > 1:
        raise ValueError(f"Periods of several stations ({', '.join(stations)}): combine each station alone.")
    parts = sorted(periods, key=lambda period: (period.begin_us, period.end_us))
    if len(parts) == 1:
        return parts[0]
    holes = _holes(parts)
    first, last = parts[0], parts[-1]
    is_long = last.end_us - first.begin_us > LONG_US
    rows_s = max(HOUR_S if is_long else 0.0, *(part.rows_s for part in parts))
    states: dict[str, float] = {}
    usable = Counter[str]()
    messages = Counter[int]()
    for part in parts:
        for state, seconds in part.state_seconds.items():
            states[state] = states.get(state, 0.0) + seconds
        usable.update(part.usable_epochs)
        messages.update(part.messages)
    if holes:
        states["unknown"] = states.get("unknown", 0.0) + sum(end - begin for begin, end in holes) / SECOND_US
    return StationPeriod(
        station_id=first.station_id,
        begin_us=first.begin_us,
        end_us=last.end_us,
        interval_s=min(part.interval_s for part in parts),
        source="; ".join(_distinct(name for part in parts for name in part.source.split("; "))),
        epochs=sum(part.epochs for part in parts),
        epochs_expected=sum(part.epochs_expected for part in parts),
        usable_epochs=dict(usable),
        state_seconds=states,
        score=_score(parts),
        signals=_signals([part.signals for part in parts]),
        elevation=_elevation([part.elevation for part in parts]),
        minutes=combine_minutes([part.minutes for part in parts], rows_s),
        sky=_sky([part.sky for part in parts], last.end_us - DAY_US if is_long else first.begin_us),
        latency=_latency([part.latency for part in parts if part.latency is not None]),
        late_epochs=sum(part.late_epochs for part in parts),
        out_of_order_epochs=sum(part.out_of_order_epochs for part in parts),
        frames=sum(part.frames for part in parts),
        bad_frames=sum(part.bad_frames for part in parts),
        messages=dict(sorted(messages.items())),
        gaps=_join(gap for part in parts for gap in part.gaps),
        clock_jumps=sorted(jump for part in parts for jump in part.clock_jumps),
        position=_position([part.position for part in parts if part.position is not None]),
        reasons=_reasons(reason for part in parts for reason in part.reasons),
        metadata=_metadata([part.metadata for part in parts]),
        problems=_distinct(
            [
                *(problem for part in parts for problem in part.problems),
                *(f"Nothing is known from {iso_z(begin)} to {iso_z(end)}." for begin, end in holes),
            ]
        ),
        rows_s=rows_s,
    )


def _holes(parts: Sequence[StationPeriod]) -> list[tuple[int, int]]:
    holes = []
    for before, after in pairwise(parts):
        if after.begin_us < before.end_us:
            raise ValueError(
                f"Two periods of {after.station_id} cover {iso_z(after.begin_us)}: leave one of them out."
            )
        if after.begin_us > before.end_us:
            holes.append((before.end_us, after.begin_us))
    return holes


def _distinct(some: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(some))


def _score(parts: Sequence[StationPeriod]) -> float | None:
    """Return the mean, weighted by the time that was judged."""
    scored = [
        (part.score, math.fsum(s for state, s in part.state_seconds.items() if state != "unknown"))
        for part in parts
        if part.score is not None
    ]
    judged_s = math.fsum(seconds for _, seconds in scored)
    return math.fsum(score * seconds for score, seconds in scored) / judged_s if judged_s > 0 else None


def _signals(some: Sequence[SignalFigures]) -> SignalFigures:
    names = [field.name for field in fields(SignalFigures)]
    rows = {name: np.concatenate([getattr(part, name) for part in some]) for name in names}
    key = rows["system"].astype(np.int64) * 256 + rows["signal"]
    kinds, row_of = np.unique(key, return_inverse=True)
    sums = {}
    for name, values in rows.items():
        sums[name] = np.zeros(len(kinds), values.dtype)
        np.add.at(sums[name], row_of, values)
    sums["system"] = (kinds // 256).astype(np.uint8)
    sums["signal"] = (kinds % 256).astype(np.uint8)
    return SignalFigures(**sums)


def _elevation(some: Sequence[ElevationFigures]) -> ElevationFigures:
    return ElevationFigures(
        cn0_sum=np.sum([part.cn0_sum for part in some], axis=0),
        cn0_count=np.sum([part.cn0_count for part in some], axis=0),
        multipath_squares=np.sum([part.multipath_squares for part in some], axis=0),
        multipath_count=np.sum([part.multipath_count for part in some], axis=0),
    )


def _sky(some: Sequence[SkyTrack], begin_us: int) -> SkyTrack:
    names = [field.name for field in fields(SkyTrack)]
    rows = {name: np.concatenate([getattr(part, name) for part in some]) for name in names}
    order = np.lexsort((rows["satellite"], rows["system"], rows["time_us"]))
    order = order[rows["time_us"][order] >= begin_us]
    return SkyTrack(**{name: values[order] for name, values in rows.items()})


def _latency(some: Sequence[Latencies]) -> Latencies | None:
    some = [part for part in some if part.count > 0]
    if len(some) < 2:
        return some[0] if some else None
    count = sum(part.count for part in some)

    def mean(values: Iterable[float]) -> float:
        return math.fsum(v * part.count for v, part in zip(values, some, strict=True)) / count

    return Latencies(
        count=count,
        median_s=mean(part.median_s for part in some),
        p95_s=mean(part.p95_s for part in some),
        p99_s=mean(part.p99_s for part in some),
        max_s=max(part.max_s for part in some),
        jitter_s=mean(part.jitter_s for part in some),
        exact=False,
    )


def _position(some: Sequence[PositionFigures]) -> PositionFigures | None:
    """Return the figures against the reference of the last part: others are offsets from another place."""
    some = [part for part in some if part.count > 0]
    if not some:
        return None
    reference = some[-1].reference
    some = [part for part in some if part.reference == reference]
    count = sum(part.count for part in some)

    def mean(values: Iterable[float]) -> float:
        return math.fsum(v * part.count for v, part in zip(values, some, strict=True)) / count

    def axis(offsets: Sequence[float], deviations: Sequence[float]) -> tuple[float, float]:
        offset = mean(offsets)
        pairs = zip(offsets, deviations, strict=True)
        return offset, math.sqrt(mean(sd * sd + (m - offset) ** 2 for m, sd in pairs))

    east = axis([p.east_m for p in some], [p.east_sd_m for p in some])
    north = axis([p.north_m for p in some], [p.north_sd_m for p in some])
    up = axis([p.up_m for p in some], [p.up_sd_m for p in some])
    return PositionFigures(count, east[0], north[0], up[0], east[1], north[1], up[1], reference)


def _join(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(gaps):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _reasons(some: Iterable[ReasonFigures]) -> list[ReasonFigures]:
    found: dict[str, ReasonFigures] = {}
    for reason in some:
        known = found.get(reason.code)
        found[reason.code] = reason if known is None else _both(known, reason)
    return sorted(found.values(), key=lambda reason: (-reason.seconds, reason.code))


def _both(one: ReasonFigures, other: ReasonFigures) -> ReasonFigures:
    last = max(one, other, key=lambda reason: (reason.last_us, reason.first_us, reason.text, reason.check))
    worst = max(one, other, key=_badness)
    return ReasonFigures(
        code=one.code,
        seconds=one.seconds + other.seconds,
        first_us=min(one.first_us, other.first_us),
        last_us=last.last_us,
        text=last.text,
        check=last.check,
        worst_value=worst.worst_value,
        threshold=worst.threshold,
    )


def _badness(reason: ReasonFigures) -> tuple[float, float]:
    if reason.worst_value is None or not math.isfinite(reason.worst_value):
        return -math.inf, -math.inf if reason.threshold is None else reason.threshold
    limit = default_limits().get(reason.code)
    sign = -1.0 if limit is not None and limit.bad < limit.degraded else 1.0
    value = reason.worst_value if limit is not None else abs(reason.worst_value)
    return sign * value, -math.inf if reason.threshold is None else sign * reason.threshold


def _metadata(some: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what was told; where it changed, one after the other."""
    told: dict[str, list[str]] = {}
    for metadata in some:
        for name, value in metadata.items():
            values = told.setdefault(name, [])
            for one in value.split(_THEN):
                if not values or values[-1] != one:
                    values.append(one)
    return {name: _THEN.join(values) for name, values in told.items()}
