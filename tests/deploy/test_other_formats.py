"""Commands on recordings that are no RTCM 3."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from gnss.systems import System
from gnss.time import GPS_EPOCH_US
from tests.gnss.binex.encode import Satellite, Signal, epoch_record
from tests.gnss.to_rtcm.convbin import convbin, read_rinex
from tests.gnss.ubx.recordings import recording
from tests.program import called

S = 1_000_000


@pytest.fixture
def ubx(tmp_path: Path) -> Path:
    path = tmp_path / "receiver.ubx"
    path.write_bytes(recording("zed-f9p-rawx"))
    return path


def test_decode_tells_what_a_ubx_recording_holds(ubx: Path) -> None:
    told = json.loads(called("decode", ubx, "--summary").stdout)
    assert told["format"] == told["week_from"] == "ubx"
    assert told["bytes"] == ubx.stat().st_size
    assert (told["epochs"], told["observations"]) == (119, 3007)
    assert told["first_epoch"] == "2019-04-12T01:19:03.998Z"
    assert told["received"]["frames"] == 359
    assert told["nmea_sentences"] > 100
    rows = list(csv.DictReader(io.StringIO(called("decode", ubx, "--format", "csv").stdout)))
    assert len(rows) == 3007
    assert {row["satellite"][0] for row in rows} == set("GREC")


def test_score_judges_a_ubx_recording(ubx: Path, tmp_path: Path) -> None:
    done = called("score", ubx, "--json", tmp_path / "report.json")
    assert done.returncode == 0
    assert "3,007" in done.stdout


@pytest.mark.integration
def test_rinex_writes_what_convbin_writes(ubx: Path, tmp_path: Path) -> None:
    done = called("rinex", ubx, "--station", "DUNE00NZL", "--out", tmp_path / "rinex")
    assert done.returncode == 0, done.stderr
    (made,) = (tmp_path / "rinex").iterdir()
    assert made.name == "DUNE00NZL_S_20191020100_01H_01S_MO.rnx"
    observations, _ = convbin(tmp_path, "ubx", ubx.read_bytes())
    ours, theirs = read_rinex(made), read_rinex(observations)
    for key, value in theirs.items():
        assert ours[key].value == pytest.approx(value.value, abs=0.0021), key


def test_binex_is_read_as_well(tmp_path: Path) -> None:
    signals = [Signal(1, 20_000_000_000, 5.0, 450, 100.0), Signal(17, 20_000_001_000, 6.0, 400, 80.0)]
    satellites = [Satellite(System.GPS, number, signals) for number in range(3, 12)]
    path = tmp_path / "station.bnx"
    begin_us = GPS_EPOCH_US + 2038 * 604_800 * S
    path.write_bytes(b"".join(epoch_record(begin_us + i * S, satellites) for i in range(30)))
    told = json.loads(called("decode", path, "--summary").stdout)
    assert (told["format"], told["epochs"], told["observations"]) == ("binex", 30, 540)
    assert told["first_epoch"] == "2019-01-26T23:59:42Z"
