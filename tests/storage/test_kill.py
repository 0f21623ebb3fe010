"""SIGKILL at random moments: what was acknowledged is there, once, and a replay completes the rest."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from storage.postgres import PostgresStore
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from streams.records import RawBatch, RawChunk

WORKER = Path(__file__).with_name("kill_worker.py")
ROOT = Path(__file__).parents[2]
ROUNDS = 120
END = 2**62
AnyStore = SqliteStore | PostgresStore
spec = importlib.util.spec_from_file_location("kill_worker", WORKER)
assert spec is not None
assert spec.loader is not None
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)


def run(folder: Path, kill_after: int | None, rng: random.Random, *url: str) -> int:
    """Run the worker, kill it soon after it said `kill_after`; return the last round it said."""
    program = subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), str(ROUNDS), *url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert program.stdout is not None
    said = -1
    with program:
        for line in program.stdout:
            said = int(line)
            if said == kill_after:
                time.sleep(rng.random() * 0.005)
                program.kill()
    assert (program.returncode == 0) == (kill_after is None)
    return said


def chunks_of(station_id: str) -> list[RawChunk]:
    found = []
    for k in range(ROUNDS):
        (batch,) = worker.round_(k).inputs
        assert isinstance(batch, RawBatch)
        found += [c for c in batch.chunks if c.station_id == station_id]
    return found


def opened(folder: Path, *url: str) -> AnyStore:
    return PostgresStore(*url) if url and url[0] != worker.WAITING else SqliteStore(folder / "store.db")


def check(folder: Path, said: int, done: int, *url: str) -> int:
    """Check the store after a kill; return how many rounds it holds."""
    with closing(opened(folder, *url)) as store:
        samples = store.observations("d", 0, END, limit=100_000).items
        held, rest = divmod(len(samples), worker.SAMPLES)
        assert rest == 0
        assert held >= max(said + 1, done)
        expected = [worker.round_(k) for k in range(held)]
        assert [s.time_us for s in samples] == [t for r in expected for t in r.outputs[1].time_us.tolist()]
        for station_id in worker.STATIONS:
            reports = store.station_reports(station_id, 0, END, limit=10_000).items
            assert [r.epoch_us for r in reports] == [r.now_us for r in expected]
        alerts = [t for r in expected for t in r.outputs[2].transitions]
        assert store.alerts(limit=1000).items == alerts[::-1]
        assert len(store.due_deliveries(END, 1000)) == len(alerts)
        check_snapshot(store, held, done)
        check_archive(folder, store)
    return held


def check_snapshot(store: AnyStore, held: int, done: int) -> None:
    """Snapshot and journal stand for consecutive rounds (a later run begins anew, so not for the last)."""
    (snapshot,) = store.load_snapshots()["p"]
    numbers = [int(message) for message in store.load_journal()]
    assert numbers == list(range(int(snapshot) + 1, int(snapshot) + 1 + len(numbers)))
    assert int(snapshot) + len(numbers) < held
    if done == 0:
        assert int(snapshot) + len(numbers) == held - 1


def check_archive(folder: Path, store: AnyStore) -> None:
    archive = RawArchive(folder / "raw", store)
    for station_id in worker.STATIONS:
        found = list(archive.read(station_id, 0, END))
        assert found == chunks_of(station_id)[: len(found)]
        paths = sorted((folder / "raw" / station_id).rglob("*.zst"))
        plain = b"".join(
            zstandard.ZstdDecompressor()
            .stream_reader(io.BytesIO(p.read_bytes()), read_across_frames=True)
            .read()
            for p in paths
        )
        assert plain == b"".join(c.payload for c in found)


@pytest.mark.parametrize(("seed", "how"), [(1, ()), (2, (worker.WAITING,))])
def test_killed_again_and_again_the_store_is_that_of_an_undisturbed_run(tmp_path, seed, how):
    killed_again_and_again(tmp_path, seed, 4, *how)


@pytest.mark.integration
def test_a_writer_of_postgresql_is_killed_again_and_again(tmp_path, postgres_url):
    killed_again_and_again(tmp_path, 3, 3, postgres_url)


def killed_again_and_again(tmp_path: Path, seed: int, times: int, *url: str) -> None:
    rng = random.Random(seed)
    held = 0
    for _ in range(times):
        kill_after = rng.randrange(2, ROUNDS - 20)
        held = check(tmp_path, run(tmp_path, kill_after, rng, *url), held, *url)
    assert run(tmp_path, None, rng, *url) == ROUNDS - 1
    assert check(tmp_path, ROUNDS - 1, held, *url) == ROUNDS
    with closing(opened(tmp_path, *url)) as store:
        archive = RawArchive(tmp_path / "raw", store)
        for station_id in worker.STATIONS:
            assert list(archive.read(station_id, 0, END)) == chunks_of(station_id)
