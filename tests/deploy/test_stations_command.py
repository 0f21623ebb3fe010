"""`groundswell stations`: lists into files and into a running program, and changing stations there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.addresses import Addresses
from deploy.cli import app
from deploy.refusal import Refusal
from deploy.service import opened
from deploy.settings_file import load
from deploy.station_lists import COLUMNS, read_list
from deploy.station_toml import StationFile
from streams.passwords import is_password
from tests.program import called, free_port

TABLE = b"""STR;FFMJ00DEU;Frankfurt;RTCM 3.2;1077(1);2;GPS+GLO;EUREF;DEU;50.09;8.66;0;0;;none;B;N;9600;\r
STR;WUH200CHN;Wuhan;RTCM 3.3;1077(1);2;GPS+BDS;IGS;CHN;30.53;114.36;0;0;;none;B;N;5600;\r
STR;A/B;slash;RTCM 3.3;;2;GPS;;CHN;0;0;0;0;;none;B;N;;\r
ENDSOURCETABLE\r
"""
CSV = """\ufeffid;source;name;latitude;longitude;height_m;allow;paused;push_password
A;ntrip://u:p@h:2101/A;Alpha;30.5;114.25;20.5;;;
B;push:;;;;;;true;secret

C;tcp-listen://0.0.0.0:5001;;;;;10.0.0.0/8 192.0.2.1;;
D;tcp-listen://0.0.0.0:5002;;;;;;;
E;tcp://h:1;;north;;;;;
A;tcp://h:1;;;;;;;
F/G;tcp://h:1;;;;;;;
H;tcp://h:1
I;;;;;;;;
"""
FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {"id": "A", "geometry": {"type": "Point", "coordinates": [114.25, 30.5, 20]},
         "properties": {"source": "tcp://h:1", "owner": "x", "antenna": None}},
        {"properties": {"id": "B", "source": "tcp://h:2"}, "geometry": None},
        {"properties": {"id": "C"}, "geometry": {"type": "LineString", "coordinates": []}},
        {"properties": {"id": "D"}},
        7,
    ],
}  # fmt: skip
FILE = """# ours
[server]
data = "d"   # here

[[station]]  # the first
id = "A"
source = "env:SOURCE_OF_A"
name = "Old"   # as it was called

[[station]]
source = "tcp://h:9"
id = "B"
latitude = 1.0
longitude = 2

[caster]
users = { rover = "x" }"""


# --- lists ----------------------------------------------------------------------------------------------


def test_a_csv_file_is_read_line_by_line():
    listing = read_list(CSV.encode())
    assert [one.id for one in listing.stations] == ["A", "B", "C"]
    assert listing.stations[0].values == {
        "source": "ntrip://u:p@h:2101/A", "name": "Alpha", "latitude": 30.5, "longitude": 114.25,
        "height_m": 20.5,
    }  # fmt: skip
    assert listing.stations[1].values == {"source": "push:", "paused": True, "push_password": "secret"}
    assert listing.stations[2].values["allow"] == ["10.0.0.0/8", "192.0.2.1"]
    words = [
        "line 6: everybody could send in its place",
        "line 7: latitude 'north' does not serve",
        "line 8: there is another station A",
        "line 9: station id 'F/G' does not serve",
        "line 10: it has 2 cells",
        "line 11: station I has no source",
    ]
    assert [error[: len(word)] for error, word in zip(listing.errors, words, strict=True)] == words


def test_features_are_read():
    listing = read_list(json.dumps(FEATURES).encode())
    assert [(one.id, one.values) for one in listing.stations] == [
        ("A", {"source": "tcp://h:1", "longitude": 114.25, "latitude": 30.5, "height_m": 20.0}),
        ("B", {"source": "tcp://h:2"}),
    ]
    assert [error.partition(":")[0] for error in listing.errors] == ["feature 3", "feature 4", "feature 5"]
    assert listing.notes == ["properties that mean nothing here: owner"]


def test_a_sourcetable_needs_its_caster():
    assert all("has no source" in error for error in read_list(TABLE).errors[:2])
    listing = read_list(TABLE, "ntrip://u:p@h:2101/", promises=True)
    assert [one.values["source"] for one in listing.stations] == [
        "ntrip://u:p@h:2101/FFMJ00DEU",
        "ntrip://u:p@h:2101/WUH200CHN",
    ]
    assert listing.stations[1].values["messages"] == "1077(1)"
    assert listing.errors[0].startswith("mountpoint 'A/B': station id 'A/B' does not serve")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n", "the header of the list has 'a'"),
        (b"source\n", "has no id; write some of id,source,"),
        (b"id,id\n", "names a column twice"),
        (b"", "the header of the list has no id"),
        (b"\xff\xfe", "no UTF-8"),
        (b"{}", "no GeoJSON"),
        (b'{"features": 1}', "no GeoJSON"),
        (b'{"features": ' + b"[" * 100_000, "no GeoJSON"),
    ],
)
def test_what_is_no_list(content, words):
    with pytest.raises(Refusal, match=words):
        read_list(content)


PARTS = st.sampled_from(
    [
        *(name.encode() for name in COLUMNS),
        *(b",", b";", b"\n", b'"', b"A", b"tcp://h:1", b"STR;", b"{", b"[", b"1", b"]}"),
        *(b'{"features": [', b'{"properties": {"id": "A", "source": "tcp://h:1"}}'),
    ]
)


@given(st.lists(PARTS | st.binary(max_size=6), max_size=40).map(b"".join))
def test_any_bytes_are_a_list_or_a_refusal(content):
    with contextlib.suppress(Refusal):
        listing = read_list(content, "ntrip://h:1")
        assert all(one.values["source"] for one in listing.stations)


# --- files ----------------------------------------------------------------------------------------------


def imported(*arguments: str | Path):
    done = called("stations", "import", *arguments)
    return done.returncode, done.stdout, done.stderr


def test_a_file_is_changed_where_it_must_and_the_same_list_again_changes_nothing(tmp_path):
    file, wanted = tmp_path / "groundswell.toml", tmp_path / "list.csv"
    file.write_text(FILE)
    file.chmod(0o640)
    wanted.write_text(
        'id,source,name,latitude,longitude\nA,tcp://h:1,New "name",,\nB,tcp://h:9,,3.5,2\nC,push:,,,\n'
        "Z-1,ntrip://u:p@h/Z,,,\n".replace('New "name"', '"New ""name"""')
    )
    code, out, err = imported(wanted, "--toml", file, "--dry-run")
    assert code == 1
    assert file.read_text() == FILE
    assert "1 would be added, 2 would be changed, 0 as they were, 1 not taken" in out
    assert "ntrip://u:***@h/Z" in out
    assert "line 4: everybody could push it" in err
    assert imported(wanted, "--toml", file)[1].endswith("1 added, 2 changed, 0 as they were, 1 not taken\n")
    text = file.read_text()
    assert 'name = "New \\"name\\""   # as it was called\n' in text
    assert 'source = "env:SOURCE_OF_A"\n' in text
    assert "latitude = 3.5\nlongitude = 2\n" in text
    assert text.startswith(FILE[:40])
    assert text.endswith('\n\n[[station]]\nid = "Z-1"\nsource = "ntrip://u:p@h/Z"\n')
    assert file.stat().st_mode & 0o777 == 0o640
    again = imported(wanted, "--toml", file)[1]
    assert again.endswith("0 added, 0 changed, 3 as they were, 1 not taken\n")
    assert file.read_text() == text


def test_a_new_file_is_a_configuration_that_only_its_user_reads(tmp_path):
    file, wanted = tmp_path / "new.toml", tmp_path / "list.csv"
    wanted.write_text(CSV)
    assert imported(wanted, "--toml", file)[0] == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert [station.id for station in load(file).station] == ["A", "B", "C"]
    assert load(file).station[1].push_password == "secret"


@pytest.mark.parametrize(
    "text",
    ['station = [{ id = "A", source = "tcp://h:1" }]', "[[station]]\n", "[station]\nid = 1", "x = ["],
)
def test_a_file_that_is_written_in_another_way_stays_as_it_is(tmp_path, text):
    file, wanted = tmp_path / "groundswell.toml", tmp_path / "list.csv"
    file.write_text(text)
    wanted.write_text("id,source\nB,tcp://h:1\n")
    code, _, err = imported(wanted, "--toml", file)
    assert (code, file.read_text()) == (2, text)
    assert err.count("\n") == 1


VALUES = st.fixed_dictionaries(
    {"source": st.text(max_size=12)},
    optional={
        "name": st.text(max_size=12),
        "latitude": st.floats(-90, 90),
        "paused": st.booleans(),
        "allow": st.lists(st.text(max_size=5), max_size=3),
    },
)


@given(st.lists(st.tuples(st.sampled_from("ABCD"), VALUES), max_size=6))
@example(
    puts=[
        ("C", {"source": "", "name": "", "allow": ["\x85"]}),
        ("C", {"source": "", "name": "", "allow": []}),
    ]
)
def test_what_is_put_into_a_file_stands_in_it(tmp_path_factory, puts):
    path = tmp_path_factory.mktemp("toml") / "f.toml"
    path.write_text(FILE, encoding="utf-8")
    expected = {table["id"]: table for table in tomllib.loads(FILE)["station"]}
    file = StationFile(path)
    for identity, values in puts:
        file.put(identity, values)
        expected.setdefault(identity, {"id": identity}).update(values)
    file.write()
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {table["id"]: table for table in told["station"]} == expected
    assert told["caster"] == {"users": {"rover": "x"}}


# --- a running program ----------------------------------------------------------------------------------


async def test_a_running_program_takes_stations_from_a_list_and_one_by_one(tmp_path):
    port = free_port()
    config, wanted = tmp_path / "groundswell.toml", tmp_path / "list.csv"
    config.write_text(
        f'[server]\nhttp = "127.0.0.1:{port}"\ndata = "{tmp_path / "data"}"\n'
        '[[station]]\nid = "A"\nsource = "tcp://127.0.0.1:9"\n'
    )
    wanted.write_text(
        "id,source,name,push_password\nA,tcp://127.0.0.1:9,Alpha,\nB,push:,,secret\nC,push:,,\n"
        "D,ntrip://u:pass@127.0.0.1:9/D,,\n"
    )

    def invoked(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["stations", *words])
        if isinstance(done.exception, Refusal):
            return 2, done.stdout, str(done.exception)
        return done.exit_code, done.stdout, done.stderr

    async def run(*arguments: str | Path) -> tuple[int, str, str]:
        told = await asyncio.to_thread(invoked, *map(str, arguments), "--config", str(config))
        assert "pass@" not in told[1] + told[2]
        return told

    async with opened(load(config), tmp_path / "data", Addresses(("127.0.0.1", port), None)) as service:
        service.edge.connect()
        code, out, err = await run("import", wanted, "--dry-run")
        assert (code, "2 would be added, 1 would be changed" in out) == (1, True), err
        code, out, err = await run("import", wanted, "--by", "Li")
        assert out.endswith("2 added, 1 changed, 0 as they were, 1 not taken\n"), err
        assert "line 4: everybody could push it" in err
        pushed = next(c for c in service.edge.standing.changes if c.id == "B")
        assert pushed.by == "Li"
        assert is_password("secret", pushed.after["push_password_hash"])
        before = len(service.edge.standing.changes)
        assert (await run("import", wanted))[1].endswith("0 added, 0 changed, 3 as they were, 1 not taken\n")
        assert len(service.edge.standing.changes) == before
        wanted.write_text(wanted.read_text().replace("u:pass@", "u:other@"))
        assert "1 changed" in (await run("import", wanted))[1]
        assert "source=ntrip://u:***@127.0.0.1:9/D" in " ".join(out.split())

        assert (await run("pause", "A", "B"))[0] == 0
        _, out, _ = await run("list")
        assert out.count("paused") == 2
        code, out, err = await run("resume", "NONE", "A")
        assert (code, "there is no such station" in err, "Station A is changed." in out) == (1, True, True)
        assert "deleted" in (await run("delete", "D"))[1]
        assert "D" in (await run("import", wanted))[1], "a deleted one is added again"
        assert (
            await run("add", "N", "--source", "tcp://127.0.0.1:9", "--latitude", "1", "--longitude", "2")
        )[0] == 0
        assert "is a station N already" in (await run("add", "N", "--source", "tcp://h:1"))[2]
        assert "give a push_password" in (await run("add", "P", "--source", "push:"))[2]
        assert "does not serve" in (await run("pause", "a/b"))[2]


async def test_sources_of_a_station_are_listed_and_changed(tmp_path):
    port = free_port()
    config = tmp_path / "groundswell.toml"
    config.write_text(
        f'[server]\nhttp = "127.0.0.1:{port}"\ndata = "{tmp_path / "data"}"\n'
        '[[station]]\nid = "A"\nsource = "tcp://127.0.0.1:9"\n'
        '[[station.sources]]\nname = "second"\nsource = "ntrip://u:pass@127.0.0.1:9/A"\nstandby = "cold"\n'
    )

    async def run(*words: str) -> str:
        call = ["stations", "sources", *words, "--config", str(config)]
        done = await asyncio.to_thread(CliRunner().invoke, app, call)
        assert "pass@" not in done.output
        return str(done.exception) if isinstance(done.exception, Refusal) else done.stdout

    async with opened(load(config), tmp_path / "data", Addresses(("127.0.0.1", port), None)) as service:
        service.edge.connect()
        listed = " ".join((await run("list", "A")).split())
        assert listed.index("main") < listed.index("second")
        assert "standby" in listed
        assert "tcp://127.0.0.1:9" in listed
        told = await run("add", "A", "third", "--source", "tcp://127.0.0.1:8", "--place", "2", "--by", "Li")
        assert "Station A is changed.\n" in told
        assert "Station A is changed.\n" in await run("pause", "A", "main")
        assert "paused" in await run("list", "A")
        assert "already.\n" in await run("pause", "A", "main")
        assert "Station A is changed.\n" in await run("resume", "A", "main")
        assert "Station A is changed.\n" in await run("move", "A", "second", "2")
        (station,) = service.edge.standing.changes
        assert [one["name"] for one in station.after["sources"]] == ["second", "third"]
        assert "Station A is changed.\n" in await run("delete", "A", "third")
        assert "there is no source" in await run("delete", "A", "third")
        assert "does not serve" in await run("pause", "A", "a/b")
        await service.runtime.drained()
        assert "gone" in await run("history", "A")
        done = await asyncio.to_thread(CliRunner().invoke, app, ["stations", "list", "--config", str(config)])
        assert "tcp://127.0.0.1:9" in done.stdout


def test_it_is_said_where_stations_go(tmp_path):
    code, _, err = imported(tmp_path / "x.csv")
    assert (code, "--toml FILE or --config FILE.toml" in err) == (2, True)
    assert "cannot read" in imported(tmp_path / "x.csv", "--toml", tmp_path / "f.toml")[2]
