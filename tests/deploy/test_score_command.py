"""`groundswell score` as a person calls it: what it prints, writes and refuses."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from deploy.refusal import Refusal
from deploy.score import Outputs, registered_station, run_score
from tests.program import called, groundswell

STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
ESBC = "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz"
ESBC_NAV = "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz"


@pytest.fixture(scope="module")
def a_day(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    outputs = ("--json", folder / "a.json", "--html", folder / "a.html", "--csv", folder / "tables")
    done = groundswell("score", data / ESBC, "--nav", data / ESBC_NAV, *outputs)
    return folder, done.stdout


def test_a_capture_is_told_in_words_and_figures(data):
    text = groundswell("score", data / STR24).stdout
    lines = text.splitlines()
    assert any(line.split()[:4] == ["epochs", "1134", "of", "1134"] for line in lines)
    assert "unknown: a capture has no receiving times" in text
    assert "verdict: good" in text
    assert "at the end: good" in text
    assert any(line.split()[:2] == ["receiver", "TRIMBLE"] for line in lines)
    row = next(line.split() for line in lines if line.split()[:2] == ["G", "1C"])
    assert row[2] == "14,480"
    assert row[5:7] == ["100.0", "%"]
    assert any("Wait." in line for line in lines)
    assert "no valid frame: 208 bytes" in text


def test_a_day_of_rinex_is_written_in_all_forms_with_the_same_figures(a_day):
    folder, text = a_day
    told = json.loads((folder / "a.json").read_bytes())
    assert (told["epochs"], told["epochs_expected"], told["interval_s"]) == (2880, 2880, 30.0)
    assert "2880 of 2880" in text
    assert told["verdict"]["state"] == "good"
    assert len(told["minutes"]["time"]) == 1441
    assert told["position"]["reference"] == "RINEX header"
    assert "unknown: an observation file has no receiving times" in text
    with (folder / "tables/signals.csv").open() as file:
        rows = {(row["system"], row["signal"]): row for row in csv.DictReader(file)}
    for one in told["signals"]:
        row = rows[one["system"], one["signal"]]
        assert int(row["observations"]) == one["observations"]
        shown = f"{one['observations']:,}"
        assert any(line.split()[:3] == [one["system"], one["signal"], shown] for line in text.splitlines())
    page = (folder / "a.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "ESBC00DNK" in page


def test_the_page_speaks_chinese(data, tmp_path):
    assert (
        called("score", data / STR24, "--html", tmp_path / "deep/a.html", "--language", "zh").returncode == 0
    )
    assert "多路径" in (tmp_path / "deep/a.html").read_text()


def test_a_file_without_ephemerides_says_what_could_not_be_judged(data):
    text = called("score", data / "rinex/REYK00ISL_R_20192701000_01H_30S_MO.rnx").stdout
    assert "No ephemerides" in text
    assert "could not be judged" in text
    assert "120 of 120" in text


def test_a_damaged_capture_is_judged_and_says_what_is_lost(data, tmp_path):
    content = bytearray((data / STR24).read_bytes())
    content[500_000:600_000] = np.random.default_rng(1).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
    (tmp_path / "damaged").write_bytes(content)
    text = called("score", tmp_path / "damaged").stdout
    assert "they belong to no valid frame" in text
    assert "of 1134" in text
    gaps = next(line for line in text.splitlines() if line.startswith("gaps"))
    assert "none" not in gaps


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"this is no capture\n" * 100, "no valid RTCM 3 frame was found"),
        (b"     3.04           N: GNSS NAV DATA    M: MIXED            RINEX VERSION / TYPE\n", "navigation"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence_and_exit_code_2(tmp_path, content, why):
    (tmp_path / "file").write_bytes(content)
    done = called("score", tmp_path / "file", "--json", tmp_path / "a.json")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("groundswell: ")
    assert why in line
    assert done.stdout == ""
    assert not (tmp_path / "a.json").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = groundswell("score", data / STR24, "--json", tmp_path / "file/a.json", check=False)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_hands_over_to_one_function(data, tmp_path, capsys):
    run_score(data / STR24, [], None, Outputs(json=tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_bytes())["epochs"] == 1134
    assert "1134 of 1134" in capsys.readouterr().out


CONFIG = """
[[station]]
id = "STR24"
source = "tcp://receiver.example:5015"
receiver = "TRIMBLE ALLOY"
antenna = "%s"
"""


def test_a_capture_is_held_against_the_registry(data, tmp_path):
    config = tmp_path / "groundswell.toml"
    config.write_text(CONFIG % "LEIAR25.R4 LEIT", encoding="utf-8")
    options = "--station", "STR24", "--config", config
    text = called("score", data / STR24, *options).stdout
    assert "The stream tells the receiver" in text
    assert "the registry TRIMBLE ALLOY." in text
    assert "at the end: degraded, score 60" in text


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--station", "STR24"), "--station and --config go together"),
        (("--config", "groundswell.toml"), "--station and --config go together"),
        (("--station", "OTHER", "--config", "groundswell.toml"), "has no station 'OTHER'; it has STR24"),
        (("--station", "STR24", "--config", "nowhere.toml"), "cannot read the configuration nowhere.toml"),
    ],
)
def test_a_registry_that_is_not_there_is_one_sentence(data, tmp_path, monkeypatch, options, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "groundswell.toml").write_text(CONFIG % "x", encoding="utf-8")
    named = dict(zip(options[::2], options[1::2], strict=True))
    path = named.get("--config")
    with pytest.raises(Refusal, match=re.escape(why)):
        registered_station(named.get("--station"), Path(path) if path else None)
