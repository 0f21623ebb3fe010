"""Many stations in one table: what comes out for one never depends on the others, nor on the cut."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gnss.epoch_columns import EpochColumns
from gnss.observations import Observations
from gnss.quality.judgements import Judgements
from gnss.quality.memory import BYTES_A_STATION
from gnss.quality.table import ROOM, QualityTable
from tests.gnss.quality.one_station import column_of

LATENCY_US = 200_000


def joined(parts: list[tuple[int, int, Observations]]) -> EpochColumns:
    """Epochs (station, time, observations) as columns, in this order."""
    columns = [column_of(t_us, t_us + LATENCY_US, o, 5, 0) for _, t_us, o in parts]
    count = np.array([len(o) for _, _, o in parts], np.int32)
    names = [f.name for f in fields(EpochColumns) if f.name != "observations"]
    both: dict[str, Any] = {n: np.concatenate([getattr(c, n) for c in columns]) for n in names}
    both["station"] = np.array([s for s, _, _ in parts], np.int32)
    both["first"] = np.cumsum(count, dtype=np.int64) - count
    cells = {
        n: np.concatenate([getattr(o, n) for _, _, o in parts]) for n in Observations.__slots__ if n != "row"
    }
    row = np.repeat(np.arange(len(parts), dtype=np.int32), count)
    return EpochColumns(observations=Observations(row=row, **cells), **both)


def plan(new_sky: Any, stations: int, seconds: int) -> list[list[tuple[int, int, Observations]]]:
    """Epochs of stations with troubles of their own, second by second."""
    skies = [new_sky(seed=k + 1) for k in range(stations)]
    random = np.random.default_rng(4)
    epochs = []
    for i in range(seconds):
        now = []
        for k, sky in enumerate(skies):
            if k % 3 == 1 and i % 17 == 5:
                continue
            if k % 3 == 2 and i % 11 == 0:
                sky.cycles[random.integers(0, len(sky), 3)] += 4
            now.append((k, sky.time_us(i), sky.at(i)))
        epochs.append(now)
    return epochs


def run(table: QualityTable, calls: list[list[tuple[int, int, Observations]]]) -> dict[int, list[bytes]]:
    rows = {k: table.add(1.0) for k in sorted({k for call in calls for k, _, _ in call})}
    found: dict[int, list[bytes]] = {k: [] for k in rows}
    back = {s: k for k, s in rows.items()}
    for call in calls:
        out = table.observe(joined([(rows[k], t_us, o) for k, t_us, o in call]))
        collect(out, back, found)
    return found


def collect(out: Judgements, back: dict[int, int], found: dict[int, list[bytes]]) -> None:
    for judged in out:
        row = judged.copy()
        row["station"] = k = back[int(judged["station"])]
        found[k].append(row.tobytes())


@pytest.mark.parametrize("seconds_a_call", [7, 40, 200])
def test_the_cut_into_calls_changes_nothing(new_sky: Any, seconds_a_call: int) -> None:
    seconds = plan(new_sky, 7, 200)
    one = run(QualityTable(), seconds)
    calls = [
        [epoch for second in seconds[at : at + seconds_a_call] for epoch in second]
        for at in range(0, len(seconds), seconds_a_call)
    ]
    assert run(QualityTable(), calls) == one
    by_station = [sorted(call, key=lambda epoch: epoch[0]) for call in calls]
    assert run(QualityTable(), by_station) == one, "each station's epochs together, over minutes"


def test_a_station_is_judged_the_same_alone(new_sky: Any) -> None:
    seconds = plan(new_sky, 3, 120)
    together = run(QualityTable(), seconds)
    alone = run(QualityTable(), [[e for e in second if e[0] == 2] for second in seconds])
    assert alone[2] == together[2]


def test_rows_are_given_again_and_the_table_grows(new_sky: Any) -> None:
    table = QualityTable()
    for _ in range(3):
        rows = [table.add(1.0) for _ in range(ROOM + 5)]
        assert len(set(rows)) == ROOM + 5
        for s in rows:
            table.remove(s)
    assert len(table.memory.station) == 8 * ROOM
    fresh = run(QualityTable(), plan(new_sky, 2, 70))
    used = QualityTable()
    run(used, plan(new_sky, 4, 70))
    for s in range(ROOM):
        if used.memory.station["used"][s]:
            used.remove(s)
    assert run(used, plan(new_sky, 2, 70)) == fresh, "nothing is left of the station before"


def test_what_stations_have_stays_while_the_table_grows(new_sky: Any) -> None:
    calls = plan(new_sky, 2, 70)
    tables = QualityTable(), QualityTable()
    rows = [[table.add(1.0), table.add(1.0)] for table in tables]
    made: list[list[bytes]] = [[], []]
    for i, call in enumerate(calls):
        if i == 40:
            late = [tables[1].add(1.0) for _ in range(9 * ROOM)]
            assert not set(late) & set(rows[1])
            assert len(tables[1].memory.station) == 64 * ROOM
        for table, mine, found in zip(tables, rows, made, strict=True):
            out = table.observe(joined([(mine[k], t_us, o) for k, t_us, o in call]))
            found.append(out["values"].tobytes() + out["score"].tobytes())
    assert made[0] == made[1]


def test_a_snapshot_fits_any_row(new_sky: Any) -> None:
    seconds = plan(new_sky, 2, 150)
    expected = run(QualityTable(), seconds)
    table = QualityTable()
    rows = {0: table.add(1.0), 1: table.add(1.0)}
    found: dict[int, list[bytes]] = {0: [], 1: []}
    for i, second in enumerate(seconds):
        if i == 77:
            states = {k: table.snapshot(s) for k, s in rows.items()}
            assert max(map(len, states.values())) < 40_000
            table = QualityTable()
            table.add(30.0)
            rows = {1: table.add(5.0), 0: table.add(5.0)}
            for k, s in rows.items():
                table.restore(s, states[k])
        out = table.observe(joined([(rows[k], t_us, o) for k, t_us, o in second]))
        collect(out, {s: k for k, s in rows.items()}, found)
    assert found == expected


def test_memory_of_a_station_is_bounded() -> None:
    assert BYTES_A_STATION <= 64_000
