"""A program to be killed: keeps rounds, and says `n` when round n is durable.

Arguments: folder, rounds, and the URL of a PostgreSQL database when it is not SQLite, or `waiting`: SQLite in
which rows stand beside their tables first.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

from storage.keeper import StoreKeeper
from storage.postgres import PostgresStore
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore, arrivals
from streams.embedded import Round
from streams.records import (
    AlertTransition,
    AlertTransitions,
    FlaggedSamples,
    RawBatch,
    RawChunk,
    StationReport,
    StationReports,
)

T0 = 1_700_000_000_000_000
S = 1_000_000
SAMPLES = 50
WAITING = "waiting"
STATIONS = ("A", "B")


def round_(k: int) -> Round:
    """Return round k, always the same: 2 chunks, 2 reports, 50 samples, an alert each tenth round."""
    now_us = T0 + 3 * k * S
    chunks = [
        RawChunk(station_id=i, payload=random.Random(f"{i}{k}").randbytes(900), received_at_us=now_us - 1)
        for i in STATIONS
    ]
    reports = [
        StationReport(
            station_id=i,
            epoch_us=now_us,
            received_at_us=now_us,
            state="good",
            score=90,
            reasons=[],
            epochs=1,
            epochs_expected=1,
            observations=1,
            observations_expected=1,
            satellites=1,
            latency_s=0.1,
            jitter_s=0.0,
            cn0_dbhz=45.0,
            slips=0,
            multipath_m=0.1,
            frames=1,
            bad_frames=0,
        )
        for i in STATIONS
    ]
    times = now_us + np.arange(SAMPLES, dtype=np.int64)
    samples = FlaggedSamples(
        datastream_ids=["d"],
        series=np.zeros(SAMPLES, np.int32),
        time_us=times,
        value=np.full(SAMPLES, float(k)),
        received_at_us=times,
        revision=np.zeros(SAMPLES, np.int32),
        tests=["spike"],
        flags=np.ones((SAMPLES, 1), np.uint8),
        flag=np.ones(SAMPLES, np.uint8),
    )
    transitions = [
        AlertTransition(
            alert_id=f"a{k}",
            number=1,
            state="open",
            level="red",
            rule="r",
            subject_id="d",
            title="t",
            onset_us=now_us,
            opened_at_us=now_us,
            at_us=now_us,
            change="opened",
        )
    ] * (k % 10 == 0)
    outputs = [StationReports(reports=reports), samples, AlertTransitions(transitions=transitions)]
    snapshots = {"p": [str(k).encode()]} if k % 7 == 0 else None
    return Round(now_us, [RawBatch(chunks=chunks)], outputs, [str(k).encode()], snapshots)


def main(folder: str, rounds: int, url: str = "") -> None:
    """Keep the rounds from the first on."""
    waits = url == WAITING
    if waits:
        arrivals.LARGE_ROWS, arrivals.REST_S, arrivals.HOLD_S = 0, 0.01, 0.02
    database = Path(folder) / "store.db"
    store = PostgresStore(url) if url and not waits else SqliteStore(database, behind=waits)
    keeper = StoreKeeper(store, RawArchive(Path(folder) / "raw", store), ["w"])
    for k in range(rounds):
        keeper.keep(round_(k))
        if waits:
            store.tidy()
        sys.stdout.write(f"{k}\n")
        sys.stdout.flush()
    keeper.close()
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
