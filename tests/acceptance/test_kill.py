"""`kill -9` in the middle of a replay, restart, replay again: the store equals an undisturbed run's."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
import zstandard

from tests.program import groundswell, running

pytestmark = pytest.mark.acceptance


def test_a_killed_replay_leaves_the_same_store(tmp_path, data):
    capture = data / "rtcm3/swift/week-rollover-STR17.rtcm3"
    replay = (capture, "--station", "STR1", "--speed", "max", "--date", "2019-04-07")
    groundswell("replay", *replay, "--data", tmp_path / "whole", timeout=300)
    whole = contents(tmp_path / "whole")
    assert len(whole["station_epochs"]) == 1126

    killed_in_the_middle = 0
    for delay in (0.0, 0.4, 1.0):
        with running(
            tmp_path / "cut", "replay", capture, "--station", "STR1", "--speed", "200", "--date", "2019-04-07"
        ) as program:
            program.wait_for("the first rows", lambda: rows(tmp_path / "cut/data") > 0, 60)
            time.sleep(delay)
            program.kill()
        killed_in_the_middle += 0 < rows(tmp_path / "cut/data") < 1126
    assert killed_in_the_middle, "no kill fell into the middle of a replay"
    groundswell("replay", *replay, "--data", tmp_path / "cut/data", timeout=300)
    again = contents(tmp_path / "cut/data")
    for table, expected in whole.items():
        assert again[table] == expected, table
    assert raw(tmp_path / "cut/data") == raw(tmp_path / "whole") == capture.read_bytes()


def reading(folder: Path):
    base = folder / "groundswell.sqlite"
    return contextlib.closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True, timeout=5))


def rows(folder: Path) -> int:
    try:
        with reading(folder) as connection:
            return int(connection.execute("select count(*) from station_epochs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def contents(folder: Path) -> dict[str, list[tuple]]:
    with reading(folder) as connection:
        return {
            table: sorted(connection.execute(f"select * from {table}").fetchall())
            for table in ("station_epochs", "station_latest", "alerts", "alert_transitions", "samples")
        }


def raw(folder: Path) -> bytes:
    stream = b""
    for part in sorted(folder.glob("raw/**/*.zst")):
        with part.open("rb") as file:
            stream += zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    return stream
