"""Stations of a network divided among instances get the verdicts that they get together."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from gnss.simulate import Fault, FaultKind, SimulatedSky, SimulatedStation
from sensors.model import Station
from streams import codec
from streams.partitions import pieces
from streams.processors.score_stations import ScoreStations
from streams.records import (
    EphemerisMessages,
    NetworkShare,
    RawBatch,
    RawChunk,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)

SECOND_US = 1_000_000
T0_US = 1_760_000_010 * SECOND_US
SECONDS = 460
NAMES = [f"WH{k:02d}" for k in range(7)]
PARTS = 3
Kept = StationReport | StationFigures | StationPeriodRecord


@pytest.fixture(scope="module")
def seconds() -> list[list[RawChunk]]:
    """What comes in each second: most stations slip at times from the fourth minute on."""
    sky = SimulatedSky()
    stations = []
    for k, _ in enumerate(NAMES):
        begin_us = T0_US + 200 * SECOND_US
        kind: FaultKind = "slips" if k < 5 else "jamming"
        faults = [Fault(kind, begin_us, begin_us + 120 * SECOND_US, 3.0)]
        stations.append(SimulatedStation(k, 114.0 + k / 10, 30.5, 40.0, k, faults, sky=sky))
    made = []
    for i in range(SECONDS):
        chunks = []
        for name, station in zip(NAMES, stations, strict=True):
            emission = station.emit(T0_US + i * SECOND_US)
            received_us = emission.epoch_us + round(emission.delay_s * SECOND_US)
            chunks.append(
                RawChunk(station_id=name, payload=b"".join(emission.frames), received_at_us=received_us)
            )
        made.append(sorted(chunks, key=lambda chunk: chunk.received_at_us or 0))
    return made


def fresh() -> ScoreStations:
    return ScoreStations([Station(id=name, name=name) for name in NAMES])


def kept(outputs: Iterable[Record]) -> Iterator[Kept]:
    for batch in outputs:
        if isinstance(batch, StationReports):
            yield from batch.reports
            yield from batch.figures
        elif isinstance(batch, StationPeriods):
            yield from batch.periods


def by_key(records: Iterable[Kept]) -> dict[tuple[object, ...], Kept]:
    found: dict[tuple[object, ...], Kept] = {}
    for one in records:
        times = {"epoch_us", "time_us", "begin_us"}.intersection(one.__struct_fields__)
        key = type(one), one.station_id, *(getattr(one, name) for name in times)
        assert key not in found
        found[key] = one
    return found


def run(processor: ScoreStations, chunks: list[RawChunk]) -> list[Record]:
    made = list(processor.on_batch(RawBatch(chunks=chunks))) if chunks else []
    now_us = max((chunk.received_at_us or 0 for chunk in chunks), default=0)
    return made + (list(processor.on_time(now_us)) if now_us else [])


def travelled(batch: Record) -> Record:
    (message,) = pieces(batch)
    return codec.decode(message)


@pytest.mark.parametrize("late", [0, 20])
def test_the_division_of_a_network_changes_nothing(seconds: list[list[RawChunk]], late: int) -> None:
    """Each instance is told what the others have to say, `late` seconds after they said it."""
    alone = fresh()
    together = [record for chunks in seconds for record in kept(run(alone, chunks))]
    together += kept(alone.on_end())

    parts = [fresh() for _ in range(PARTS)]
    part_of = {name: zlib.crc32(name.encode()) % PARTS for name in NAMES}
    assert len(set(part_of.values())) == PARTS
    waiting: list[tuple[int, Record]] = []
    divided: list[Kept] = []
    kinds: set[type[Record]] = set()
    for i, chunks in enumerate(seconds):
        while waiting and waiting[0][0] + late <= i:
            _, batch = waiting.pop(0)
            for part in parts:  # its maker too: Kafka gives it to every partition
                assert not part.on_batch(batch)
        for number, part in enumerate(parts):
            made = run(part, [chunk for chunk in chunks if part_of[chunk.station_id] == number])
            divided += kept(made)
            told = [batch for batch in made if isinstance(batch, EphemerisMessages | NetworkShare)]
            waiting += [(i, travelled(batch)) for batch in told]
            kinds |= {type(batch) for batch in told}
            if i % 100 == 30 * number:  # each is restored at other moments
                again = fresh()
                again.restore(list(part.snapshot()))
                parts[number] = again
    for part in parts:
        divided += kept(part.on_end())
    assert kinds == {EphemerisMessages, NetworkShare}
    expected, found = by_key(together), by_key(divided)
    assert found.keys() == expected.keys()
    assert {key for key, one in found.items() if one != expected[key]} == set()
    reports = [one for one in together if isinstance(one, StationReport)]
    assert any(reason.code == "slips" for one in reports for reason in one.reasons)
    assert np.isfinite(
        alone._table.network.states(np.array([T0_US + 440 * SECOND_US]), np.zeros(1, np.int32))
    ).any()
