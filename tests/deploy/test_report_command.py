"""`groundswell report` as a person calls it, on the folder of a run that is over."""

from __future__ import annotations

import csv
import json

import pytest

from deploy.data_folder import database
from deploy.refusal import Refusal
from deploy.report import Asked, run_report
from storage.sqlite import SqliteStore
from tests.dashboards.test_api_reports import FULL_US, SECONDS, fill
from tests.program import groundswell


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    store = SqliteStore(database(folder))
    fill(store)
    store.close()
    return folder


def asked(folder, station=None, begin=None, end=None, **outputs):
    return Asked(folder, station, begin, end, **outputs)


def test_the_program_writes_all_forms_of_a_station(folder, tmp_path):
    done = groundswell(
        *(
            "report",
            "--data",
            folder,
            "--station",
            "HERE",
            "--from",
            "2025-10-09T08",
            "--to",
            "2025-10-09T12",
        ),
        *("--html", tmp_path / "a.html", "--json", tmp_path / "a.json", "--csv", tmp_path / "tables"),
        *("--language", "zh"),
    )
    assert any(line.split()[:1] == ["HERE"] for line in done.stdout.splitlines())
    told = json.loads((tmp_path / "a.json").read_bytes())
    assert (told["station_id"], told["epochs"]) == ("HERE", SECONDS)
    assert "周跳" in (tmp_path / "a.html").read_text("utf-8")
    tables = {p.name for p in (tmp_path / "tables").iterdir()}
    assert tables == {"signals.csv", "minutes.csv", "gaps.csv", "reasons.csv", "sky.csv"}


def test_the_network_is_told_the_worst_first(folder, tmp_path, capsys):
    run_report(asked(folder, json=tmp_path / "n.json", html=tmp_path / "n.html", csv=tmp_path))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = [words[0] for words in lines if words and words[0] in {"HERE", "TH"}]
    assert names == ["TH", "HERE"]
    told = json.loads((tmp_path / "n.json").read_bytes())
    assert [row["epochs"] for row in told["stations"]] == [SECONDS - 20, SECONDS]
    with (tmp_path / "stations.csv").open() as file:
        assert [row["station_id"] for row in csv.DictReader(file)] == ["TH ERE", "HERE"]
    assert "TH ERE" in (tmp_path / "n.html").read_text("utf-8")


def test_a_range_has_its_hours(folder, tmp_path):
    run_report(asked(folder, "HERE", end="2025-10-09T09:00", json=tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_bytes())["epochs"] == 40
    assert FULL_US == 1_760_000_400_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"station": "NOBODY"}, "no station 'NOBODY'"),
        ({"end": "2020-01-01"}, "nothing is kept of any station from 2019-12-31"),
        ({"station": "HERE", "end": "2020-01-01"}, "choose another range with --from and --to"),
        ({"begin": "soon"}, "is no time"),
        ({"begin": "2026-01-01", "end": "2025-01-01"}, "is not behind --from"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_to_do(folder, changes, words):
    with pytest.raises(Refusal, match=words):
        run_report(asked(folder, **changes))


def test_a_folder_without_a_run_and_a_file_that_cannot_be_written(folder, tmp_path):
    with pytest.raises(Refusal, match="nothing is kept in"):
        run_report(asked(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="cannot write"):
        run_report(asked(folder, json=tmp_path / "file" / "a.json"))
