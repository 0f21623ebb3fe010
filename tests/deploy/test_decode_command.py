"""`groundswell decode` and `score` on real captures, as a person calls them."""

import csv
import io
import json
import subprocess
from collections import Counter

import pytest

from tests.program import GROUNDSWELL, called, groundswell


@pytest.mark.parametrize(
    ("name", "frames", "epochs"),
    [
        ("swift/week-rollover-STR17.rtcm3", 9384, 1126),
        ("swift/week-rollover-STR24.rtcm3", 6857, 1134),
        ("asv/fw206mrtk_rtcm", 4996, 700),
    ],
)
def test_summaries(data, name, frames, epochs):
    capture = data / "rtcm3" / name
    summary = json.loads(groundswell("decode", capture, "--summary", "--date", "2019-04-07").stdout)
    assert summary["bytes"] == capture.stat().st_size
    assert (summary["frames"], summary["bad_frames"], summary["epochs"]) == (frames, 0, epochs)
    assert summary["week_from"] == "date"
    assert sum(summary["messages"].values()) == frames
    if "rollover" in name:
        assert summary["first_epoch"][:10] == "2019-04-06"
        assert summary["last_epoch"][:10] == "2019-04-07"
        assert summary["last_epoch"].endswith("Z")


def test_no_epoch_of_the_week_rollover_falls_into_july(data):
    capture = data / "rtcm3/swift/week-rollover-STR17.rtcm3"
    done = groundswell("decode", capture, "--format", "csv", "--date", "2019-04-06")
    days, epochs = Counter(), set()
    for row in csv.DictReader(io.StringIO(done.stdout)):
        days[row["epoch"][:10]] += 1
        epochs.add(row["epoch"])
    assert set(days) == {"2019-04-06", "2019-04-07"}
    assert len(epochs) == 1126
    assert "week from: date" in done.stderr


def test_the_three_formats_tell_the_same(data):
    capture = data / "rtcm3/asv/imu_rtcm"
    rows = list(csv.DictReader(io.StringIO(groundswell("decode", capture, "--format", "csv").stdout)))
    objects = [
        json.loads(line) for line in groundswell("decode", capture, "--format", "json").stdout.splitlines()
    ]
    table = groundswell("decode", capture).stdout.splitlines()
    assert len(rows) == len(objects) == len(table) - 1 > 1000
    for row, thing in zip(rows, objects, strict=True):
        assert row == {k: "" if v is None else str(v) for k, v in thing.items()}
    assert table[0].split()[:3] == ["epoch", "satellite", "signal"]


def test_score_prints_a_verdict_with_latency_unknown_and_not_bad(data):
    text = groundswell("score", data / "rtcm3/swift/week-rollover-STR24.rtcm3").stdout
    assert "latency" in text
    assert "unknown: a capture has no receiving times" in text
    assert "at the end: good" in text
    assert "1134 of 1134" in text


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_a_reader_may_leave_early(data, output):
    command = [GROUNDSWELL, "decode", data / "rtcm3/asv/fw206mrtk_rtcm", "--format", output]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as decode:
        assert decode.stdout.readline()
        decode.stdout.close()
        assert decode.stderr.read().startswith("week from: ")
        assert decode.stderr.read() == ""
    assert decode.returncode == 0


def test_a_file_without_frames_is_not_replayed_in_silence(tmp_path):
    (tmp_path / "notes.txt").write_text("this is no capture")
    arguments = ("--station", "A", "--speed", "max", "--data", tmp_path / "data")
    done = groundswell("replay", tmp_path / "notes.txt", *arguments, check=False)
    assert done.returncode == 2
    assert "notes.txt holds no RTCM 3 frames" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "nothing-here.rtcm3"),
        ("decode", "nothing-here.rtcm3", "--summary"),
        ("score", "nothing-here.rtcm3"),
        ("stations", "--data", "nothing-here"),
        ("run", "--config", "nothing-here.toml"),
        ("replay", "nothing-here.rtcm3", "--station", "A", "--speed", "max", "--data", "{folder}"),
        ("replay", "nothing-here.rtcm3", "--station", "../A"),
        ("replay", "nothing-here.rtcm3", "--station", "A", "--speed", "fast"),
        ("decode", "nothing-here.rtcm3", "--date", "yesterday"),
        ("demo", "--http", "nowhere"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_code_2(tmp_path, arguments):
    done = called(*(a.format(folder=tmp_path) for a in arguments))
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("groundswell: ")
    assert "Traceback" not in done.stderr
    assert len(lines[-1]) > 40


def test_noise_is_refused_in_words(tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(256)) * 100)
    done = groundswell("decode", noise, check=False)
    assert done.returncode == 2
    assert "is it an RTCM 3 capture?" in done.stderr
    summary = json.loads(groundswell("decode", noise, "--summary").stdout)
    assert (summary["frames"], summary["epochs"], summary["first_epoch"]) == (0, 0, None)


def test_the_version_is_that_of_the_package():
    assert groundswell("version").stdout.strip().count(".") == 2
