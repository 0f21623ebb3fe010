"""A stored event once more: the same rules make the same alerts at the same times, others make others."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from deploy.data_folder import database
from deploy.refusal import Refusal
from deploy.rehearsal_rules import RulesFile, read_rules, rules_of
from deploy.rehearsing import Wanted, Watched, rehearse
from sensors.simulate import TideGauge, Tsunami
from storage.by_receipt import ByReceipt
from storage.postgres import PostgresStore
from storage.sqlite import SqliteReader, SqliteStore
from tests.deploy.installation import (
    BEGIN,
    HOUR,
    MINUTE,
    SETTINGS,
    S,
    command,
    crack,
    duty,
    live,
    one_by_one,
    samples,
    settings,
)
from tests.program import called

START, END = BEGIN + 36 * HOUR, BEGIN + 52 * HOUR
GAUGE, CRACK = "gauge.water_level", "slope.crack"


@pytest.fixture(scope="module")
def recording(data):
    """Tohoku's tsunami at Nuku'alofa, a sample a minute."""
    with gzip.open(data / "tidegauge/nukualofa_tohoku_tsunami_detided.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    stamps = [datetime.fromisoformat(row["time"]).replace(tzinfo=UTC) for row in rows]
    times = np.array([int(stamp.timestamp()) for stamp in stamps], np.int64) * S
    keep = (times >= BEGIN + 28 * HOUR) & (times < END + HOUR)
    return samples(GAUGE, times[keep], np.array([float(row["height"]) for row in rows])[keep])


@pytest.fixture(scope="module")
def memory():
    """What the gauge had kept for three days, sent together: a tsunami is in it."""
    times = BEGIN - 40 * HOUR + np.arange(400) * MINUTE
    gauge = TideGauge(1, Tsunami(int(times[200]), 0.6, 1500, decay_s=3000))
    values = [gauge.value(int(at)) for at in times]
    return samples(GAUGE, times, values, np.full(len(times), BEGIN + 45 * HOUR + 7))


def people():
    """Somebody on duty for everything, and a silence over the crack."""
    contacts = [{"channel": "voice", "to": "voice:li"}]
    levels = {"blue": {"steps": [{"to": ["person:li"]}], "deadline_s": 600.0}}
    return [
        command("put", "person/li", BEGIN, name="Li", contacts=contacts),
        command("put", "plan/all", BEGIN + 1, levels=levels, hold_s=1800.0),
        command(
            "put", "silence/works", BEGIN + 36 * HOUR, site="slope", begin_us=BEGIN + 37 * HOUR,
            end_us=BEGIN + 40 * HOUR,
        ),
    ]  # fmt: skip


def come(recording, memory):
    return [*one_by_one(recording, crack(), memory), *people()]


def everything(outcome):
    return sorted((pair.verdict, pair.either.rule, pair.either.historic) for pair in outcome.pairs)


@pytest.fixture(scope="module")
def installation(recording, memory, tmp_path_factory):
    """The folder of an installation that had all that."""
    folder = tmp_path_factory.mktemp("installation")
    store = SqliteStore(database(folder))
    try:
        steps = live(store, settings(), come(recording, memory), duty)
    finally:
        store.close()
    return folder, steps


@pytest.fixture
def store(installation):
    made = SqliteReader(database(installation[0]))
    yield made
    made.close()


def test_unchanged_rules_make_what_came_step_for_step(store, installation):
    outcome = rehearse(store, settings(), Wanted(START, END))
    came = {step.rule for step in installation[1] if START <= step.at_us < END}
    assert {"sea_level", "crack", "no_data"} <= came
    assert everything(outcome) == [
        ("same", "crack", False),
        ("same", "no_data", False),
        ("same", "sea_level", False),
        ("same", "sea_level", True),
    ]
    changes = {
        (one.either.rule, one.either.historic): [s.change for s in one.came.steps] for one in outcome.pairs
    }
    assert changes["crack", False][0] == "opened"
    assert {"unsilenced", "acknowledged", "closed"} <= set(changes["crack", False])
    assert changes["sea_level", False][:1] == ["opened"]
    assert {"acknowledged", "commented"} <= set(changes["sea_level", False])
    assert (outcome.failures, outcome.last_failure) == ({}, "")


@pytest.mark.integration
def test_postgresql_tells_the_same(recording, memory, postgres_server):
    url = postgres_server.database()
    store = PostgresStore(url)
    try:
        live(store, settings(), come(recording, memory), duty, seed=2)
        outcome = rehearse(store, settings(), Wanted(START, END))
    finally:
        store.close()
        postgres_server.drop(url)
    assert [one[0] for one in everything(outcome)] == ["same"] * 4


def test_other_rules_show_what_they_would_have_changed(store, tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(f"""
        [rule."{GAUGE}/sea_level"]
        parameters = {{ floor_m = 0.12, yellow_m = 0.12 }}

        [rule."{CRACK}/crack"]
        off = true

        [datastream."{CRACK}"]
        promise = {{ period_s = 300.0, grace_s = 600.0, level = "orange" }}
    """)
    outcome = rehearse(store, settings(), Wanted(START, END, read_rules(file)))
    found = {(pair.either.rule, pair.either.historic): pair for pair in outcome.pairs}
    crack_pair, silent = found["crack", False], found["no_data", False]
    assert (crack_pair.verdict, crack_pair.rehearsed, crack_pair.difference) == (
        "only_came", None, "would not have come",
    )  # fmt: skip
    assert (silent.verdict, silent.rehearsed.highest) == ("changed", "orange")
    assert silent.difference == "20 min earlier; orange instead of blue"
    tsunami = found["sea_level", False]
    assert tsunami.verdict == "changed"
    assert tsunami.rehearsed.opened_us > tsunami.came.opened_us


def test_networks_are_rules_and_stay_away_where_members_do(tmp_path):
    file = tmp_path / "networks.toml"
    file.write_text(f"""
        [[network]]
        id = "sea"
        kind = "confirmation"
        members = ["{GAUGE}", "{CRACK}"]
        parameters = {{ travel_s = 100000.0 }}
    """)
    read = read_rules(file)
    rules = rules_of(settings(), [], read)
    assert ("network", "sea") in rules.registry.base
    assert Watched.of(rules).sites == {"gauge", "slope"}
    one = rules_of(settings(), [], read, ["slope"])
    assert ("network", "sea") not in one.registry.base
    assert Watched.of(one).sites == {"slope"}


def test_rules_of_a_configuration_stand_for_those_of_the_same_sites(store, tmp_path):
    file = tmp_path / "other.toml"
    file.write_text("""
        [server]
        http = "127.0.0.1:1"
        [[thing]]
        id = "slope"
        longitude = 110.0
        latitude = 30.0
          [[thing.datastream]]
          property = "crack"
          detectors = { crack = { rate_per_h = [0.01, 0.05, 0.2, 0.5], silence_end_s = 7200.0 } }
    """)
    outcome = rehearse(store, settings(), Wanted(START, END, read_rules(file), sites=["slope"]))
    found = {pair.either.rule: pair for pair in outcome.pairs}
    assert set(found) == {"crack", "no_data"}
    assert found["no_data"].verdict == "only_came"
    assert "red instead of" in found["crack"].difference


def test_time_is_what_counts_and_not_how_it_is_read(store, monkeypatch):
    whole = rehearse(store, settings(), Wanted(START, END))
    monkeypatch.setattr("deploy.rehearsing.ByReceipt", partial(ByReceipt, most_rows=97))
    assert rehearse(store, settings(), Wanted(START, END)).pairs == whole.pairs


def test_what_came_late_can_be_rehearsed_as_if_it_had_come_in_time(store):
    begin = BEGIN - 41 * HOUR
    asked = Wanted(begin, begin + 10 * HOUR, is_in_time=True)
    (pair,) = rehearse(store, settings(), asked).pairs
    assert (pair.verdict, pair.either.rule, pair.either.historic) == ("only_rehearsed", "sea_level", False)


def test_an_event_that_goes_on_at_the_start_is_read_from_its_begin(store):
    start = BEGIN + 43 * HOUR
    outcome = rehearse(store, settings(), Wanted(start, END))
    assert outcome.read_from_us < START - 24 * HOUR
    assert {pair.verdict for pair in outcome.pairs} == {"same"}
    blind = rehearse(store, settings(), Wanted(start, END, warm_up_s=600.0))
    assert blind.read_from_us == start - 600 * S
    assert {"began_before"} <= {pair.verdict for pair in blind.pairs}


def test_nothing_of_the_store_changes(installation):
    path = database(installation[0])
    before = hashlib.sha256(path.read_bytes()).digest()
    reader = SqliteReader(path)
    rehearse(reader, settings(), Wanted(START, END))
    with pytest.raises(Exception, match="readonly"):
        reader._connection.execute("DELETE FROM samples")
    reader.close()
    assert hashlib.sha256(path.read_bytes()).digest() == before


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path, installation):
    file = tmp_path / "groundswell.toml"
    file.write_text(f'[server]\ndata = "{installation[0]}"\n{SETTINGS}')
    return file


ASKED = ("--start", "2011-03-11T12:00", "--end", "2011-03-12T04:00")


def test_the_command_prints_tables_json_and_a_page(config, tmp_path):
    page = tmp_path / "out" / "page.html"
    shown = called("replay-event", "--config", config, *ASKED, "--html", page)
    assert shown.returncode == 0, shown.stderr
    assert "4 the same" in shown.stdout
    assert "no_data" in shown.stdout
    html = page.read_text()
    assert html.count("<rect") > 8
    assert "would have come: " in html
    told = called("replay-event", "--config", config, *ASKED, "--json")
    made = json.loads(told.stdout)
    assert made["counts"] == {
        "same": 4, "changed": 0, "only_came": 0, "only_rehearsed": 0, "began_before": 0,
    }  # fmt: skip
    assert made["alerts"][0]["came"] == made["alerts"][0]["rehearsed"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--start", "2011-03-12", "--end", "2011-03-12"), "is not behind --start"),
        ((*ASKED, "--site", "moon"), "there is no site 'moon'; choose one of gauge, slope"),
        ((*ASKED, "--data", "/nowhere"), "nothing is kept in /nowhere yet"),
        (("--start", "noon", "--end", "2011-03-12"), "is no time"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_in_words(config, more, words):
    done = called("replay-event", "--config", config, *more)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rules"),
        ("[rule]\nx = 1", "is no table of tables"),
        ("[bule.x]\ny = 1", "there is no key bule here"),
        ("[[thing]]\nid = 'a'", "cannot read the rules"),
        ("[rule.'slope.crack/crack']\nparameters = {rate = 1}", "correct that parameter"),
        ("[rule.'slope.moon/crack']\noff = true", "there is no datastream 'slope.moon'"),
        ("[plan.a]\nlevels = {pink = {}}", "cannot be changed so"),
    ],
)
def test_wrong_rules_are_refused_in_words(config, tmp_path, text, words):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    done = called("replay-event", "--config", config, *ASKED, "--rules", file)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_file_that_is_not_there_is_said():
    with pytest.raises(Refusal, match="cannot read the rules"):
        read_rules(Path("/nowhere.toml"))
    assert RulesFile(Path("x")).objects == {}
