"""What came of the samples that series promise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from dashboards.service.figures import PropertyRow, Sensors, SeriesRow, share
from sensors.model import ObservedProperty
from storage.service import SeriesSums

MOST_SERIES = 1_000
"""That are told one by one, the worst of them."""


def sensors(
    rows: Sequence[SeriesSums],
    properties: Mapping[str, ObservedProperty],
    length_s: float,
    region_of: Callable[[str], str],
) -> tuple[Sensors, list[SeriesRow]]:
    """Return the figures of all and by property, and the worst series.

    Of a series so many samples are expected as its period fits into the time; of one without a period none.
    """
    groups: dict[str, list[tuple[SeriesSums, int]]] = defaultdict(list)
    series: list[SeriesRow] = []
    for row in rows:
        observed = properties.get(row.property_id)
        period_s = row.period_s or (0.0 if observed is None else observed.sampling_period_s)
        expected = int(length_s / period_s) if period_s > 0 else 0
        groups[row.property_id].append((row, expected))
        series.append(
            SeriesRow(
                datastream_id=row.datastream_id,
                property_id=row.property_id,
                region=region_of(row.datastream_id),
                samples=row.samples,
                expected=expected or None,
                completeness=share(min(row.samples, expected), expected),
                good_share=share(row.good, row.samples),
            )
        )
    series.sort(key=_worst_first)
    every = [pair for some in groups.values() for pair in some]
    told = Sensors(
        series=len(rows),
        silent=sum(row.samples == 0 for row in rows),
        samples=sum(row.samples for row in rows),
        completeness=_completeness(every),
        properties=[_property(name, groups[name], properties.get(name)) for name in sorted(groups)],
    )
    return told, series[:MOST_SERIES]


def _property(
    name: str, some: Sequence[tuple[SeriesSums, int]], observed: ObservedProperty | None
) -> PropertyRow:
    samples = sum(row.samples for row, _ in some)
    return PropertyRow(
        property_id=name,
        name=name if observed is None else observed.name,
        name_zh="" if observed is None else observed.name_zh,
        series=len(some),
        silent=sum(row.samples == 0 for row, _ in some),
        samples=samples,
        expected=sum(expected for _, expected in some),
        completeness=_completeness(some),
        good_share=share(sum(row.good for row, _ in some), samples),
        suspect_share=share(sum(row.suspect for row, _ in some), samples),
        failed_share=share(sum(row.failed for row, _ in some), samples),
        missing_share=share(sum(row.missing for row, _ in some), samples),
    )


def _completeness(some: Sequence[tuple[SeriesSums, int]]) -> float | None:
    """Return the share that came; what a series has beyond its own does not make up for another."""
    have = sum(min(row.samples, expected) for row, expected in some)
    return share(have, sum(expected for _, expected in some))


def _worst_first(row: SeriesRow) -> tuple[float, float, str]:
    return (
        row.completeness if row.completeness is not None else 2.0,
        row.good_share if row.good_share is not None else 2.0,
        row.datastream_id,
    )
