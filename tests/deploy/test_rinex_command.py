"""`groundswell rinex` as a person calls it: names, headers, damage, the archive; RTKLIB on what it writes."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zstandard

from deploy.recordings import Archive, Files
from deploy.refusal import Refusal
from deploy.rinex import run_rinex
from deploy.rinex_command import Source, write_rinex
from deploy.rinex_files import Output, given_site
from gnss.rinex.names import parse_name
from gnss.rinex.navigation import read_navigation
from gnss.rinex.observation import read_observations
from gnss.rinex.site import site_of
from gnss.time import SECOND_US
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from streams.records import RawChunk
from tests.gnss.rinex.values import rinex_3
from tests.program import groundswell

STR17 = "rtcm3/swift/week-rollover-STR17.rtcm3"
STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
PLACE_M = (-4467074.3576, 2683011.9038, -3667008.2844)
"""Message 1006 of STR24."""
CONF = """
pos1-posmode=single
pos1-frequency=l1+l2
pos1-elmask=10
pos1-ionoopt=dual-freq
pos1-tropopt=saas
pos1-sateph=brdc
pos1-navsys=45
out-solformat=xyz
"""


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is missing: install Debian's package rtklib")
    return found


def make(source: Path, out: Path, **options) -> None:
    """Write files in this process: the kernels are loaded once."""
    station = options.pop("station", None)
    write_rinex(Source([source], options.pop("date_us", None), station, None, None, None, None),
                Output(out, **options))  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def hours(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hours")
    make(data / STR24, folder, station="STR200AUS")
    return folder


def test_a_capture_becomes_hourly_files_with_standard_names(data, tmp_path) -> None:
    done = groundswell("rinex", data / STR24, "--out", tmp_path / "deep/out", "--station", "str200aus")
    assert names(tmp_path / "deep/out") == [
        "STR200AUS_S_20181952300_01H_01S_MO.rnx",
        "STR200AUS_S_20181952300_01H_MN.rnx",
        "STR200AUS_S_20181960000_01H_01S_MO.rnx",
        "STR200AUS_S_20181960000_01H_MN.rnx",
    ]
    assert all(parse_name(name) is not None for name in names(tmp_path / "deep/out"))
    assert "591 epochs of 45 satellites" in done.stdout
    assert "belong to no valid frame: 208 bytes" in done.stdout
    head = read_observations(
        (tmp_path / "deep/out/STR200AUS_S_20181952300_01H_01S_MO.rnx").read_bytes()
    ).header
    assert head.marker_name == "STR200AUS"
    assert head.position_m == pytest.approx(PLACE_M, abs=0.2)
    again = groundswell(
        "rinex", data / STR24, "--out", tmp_path / "deep/out", "--station", "STR2", check=False
    )
    assert again.returncode == 0  # STR200XXX: another name
    assert len(names(tmp_path / "deep/out")) == 8


def test_nothing_is_replaced_without_force(data, hours) -> None:
    before = {name: (hours / name).stat().st_mtime_ns for name in names(hours)}
    with pytest.raises(Refusal, match="--force"):
        make(data / STR24, hours, station="STR200AUS")
    assert before == {name: (hours / name).stat().st_mtime_ns for name in names(hours)}
    make(data / STR24, hours, station="STR200AUS", force=True)
    after = {name: (hours / name).stat().st_mtime_ns for name in names(hours)}
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in after)


def test_packed_in_and_out_days_and_intervals(data, hours, tmp_path) -> None:
    content = (data / STR24).read_bytes()
    (tmp_path / "ABCD00CHN0.rtcm3.gz").write_bytes(gzip.compress(content, 1))
    (tmp_path / "ABCD00CHN0.rtcm.zst").write_bytes(
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + zstandard.compress(content[:500_000])
        + b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + zstandard.compress(content[500_000:])
    )  # fmt: skip
    for name in ("ABCD00CHN0.rtcm3.gz", "ABCD00CHN0.rtcm.zst"):
        out = tmp_path / name[-3:]
        make(tmp_path / name, out, period_s=86_400, interval_s=30.0, packed=True, navigation=False)
        assert names(out) == [
            "ABCD00CHN_S_20181950000_01D_30S_MO.rnx.gz",
            "ABCD00CHN_S_20181960000_01D_30S_MO.rnx.gz",
        ]
        few = [rinex_3(gzip.decompress((out / one).read_bytes()).decode("ascii")) for one in names(out)]
        many = [rinex_3(path.read_text()) for path in sorted(hours.glob("*_MO.rnx"))]
        for ours, every in zip(few, many, strict=True):
            assert {k: v[0] for k, v in ours.items()} == {
                k: v[0] for k, v in every.items() if k[0] % (30 * SECOND_US) == 0
            }
            assert len(ours) > 5_000


def test_a_damaged_capture_gives_what_can_be_read_and_says_what_is_lost(data, tmp_path, capsys) -> None:
    content = bytearray((data / STR24).read_bytes())
    content[500_000:600_000] = np.random.default_rng(1).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
    (tmp_path / "DAMA.gz").write_bytes(gzip.compress(bytes(content), 1)[:800_000])
    make(tmp_path / "DAMA.gz", tmp_path / "out", period_s=86_400)
    told = capsys.readouterr().out
    assert "DAMA.gz cannot be read any further" in told
    assert "belong to no valid frame" in told
    found = read_observations((tmp_path / "out/DAMA00XXX_S_20181950000_01D_01S_MO.rnx").read_bytes())
    assert found.problems == ()
    assert 300 < len(found.epochs) < 591
    assert not list((tmp_path / "out").glob(".*"))


RINEX_LINE = f"{'     3.04           OBSERVATION DATA    M':60}RINEX VERSION / TYPE\n".encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no valid RTCM 3 frame"),
        (b"this is no capture\n" * 100, "no valid RTCM 3 frame"),
        (RINEX_LINE, "RINEX file already"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_sentence_and_exit_code_2(tmp_path, content: bytes, why: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Refusal, match=why):
        make(tmp_path / "file", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "station", "data", "begin", "end", "why"),
    [
        ("nothing-here", None, None, None, None, "cannot read nothing-here"),
        (None, None, None, None, None, "name captures, or an archive"),
        ("nothing-here", None, "data", None, None, "name captures, or an archive"),
        (None, "A", "data", None, None, "name one with --station, --from and --to"),
        (None, "A", "data", "2018-07-14", "2018-07-15", "nothing is kept in"),
        (None, "A", "data", "yesterday", "2018-07-15", "is no time"),
        ("nothing-here", None, None, "2018-07-15", "2018-07-14", "is not behind"),
        ("nothing-here", "ABCDE", None, None, None, "nine characters"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path, file: str | None, station: str | None, data: str | None, begin: str, end: str, why: str
) -> None:
    folder = None if data is None else tmp_path / data
    files = [] if file is None else [Path(file)]
    with pytest.raises(Refusal, match=why):
        write_rinex(Source(files, None, station, None, folder, begin, end), Output(tmp_path / "out"))
    assert not (tmp_path / "data").exists()


def test_a_refusal_is_one_sentence_and_exit_code_2(tmp_path) -> None:
    (tmp_path / "notes").write_text("this is no capture")
    done = groundswell("rinex", tmp_path / "notes", "--out", tmp_path / "out", check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("groundswell: nothing was written: no valid RTCM 3 frame was found")
    assert done.stdout == ""


def test_sites() -> None:
    assert site_of("alph00chn0.rtcm3").marker == "ALPH00CHN"
    assert site_of("week-rollover.rtcm3").marker == "WEEK00XXX"
    assert site_of("a-1").marker == "A1XX00XXX"
    assert given_site("ALPH").marker == "ALPH00XXX"
    assert given_site("alph12chn").marker == "ALPH12CHN"
    with pytest.raises(Refusal):
        given_site("ALPH00CHN0")


# --- the archive of an installation ---------------------------------------------------------------------


def archived(folder: Path, content: bytes, station_id: str, begin_us: int) -> None:
    """Keep a capture as an installation does, a piece each second; as if the process still ran."""
    store = SqliteStore(folder / "groundswell.sqlite")
    archive = RawArchive(folder / "raw", store)
    step = 1200
    for i in range(0, len(content), step):
        received_us = begin_us + i * 1134 * SECOND_US // len(content)
        archive.add(
            RawChunk(station_id=station_id, payload=content[i : i + step], received_at_us=received_us)
        )
        store.commit((), None, now_us=0, raw_segments=archive.due(received_us))
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    store.close()


def test_the_archive_gives_the_same_epochs_as_the_capture(data, hours, tmp_path, capsys) -> None:
    content = (data / STR24).read_bytes()
    begin_us = 1_531_612_191_000_000 + SECOND_US  # 2018-07-14T23:49:51Z: GPS 23:50:09
    archived(tmp_path / "data", content, "STR200AUS", begin_us)
    before = {path: path.read_bytes() for path in (tmp_path / "data/raw").rglob("*.zst")}
    config = tmp_path / "groundswell.toml"
    config.write_text(f'[server]\ndata = "{tmp_path / "data"}"\n')
    asked = ("2018-07-14T23:00", "2018-07-15T02:00:00+01:00")
    source = Source([], None, "STR200AUS", config, None, *asked)
    write_rinex(source, Output(tmp_path / "out"))
    assert names(tmp_path / "out") == names(hours)
    for name in names(hours):
        ours, theirs = (
            (folder / name).read_bytes().split(b"END OF HEADER", 1) for folder in (tmp_path / "out", hours)
        )
        assert ours[1] == theirs[1]
    assert before == {path: path.read_bytes() for path in (tmp_path / "data/raw").rglob("*.zst")}
    assert "cannot be read" not in capsys.readouterr().out
    short = Source([], None, "STR200AUS", None, tmp_path / "data", "2018-07-14T23:55", "2018-07-15T00:00")
    write_rinex(short, Output(tmp_path / "short"))
    found = [
        read_observations(path.read_bytes()).epochs.time_us for path in (tmp_path / "short").glob("*MO.rnx")
    ]
    assert sum(map(len, found)) == 300
    with pytest.raises(Refusal, match="nothing is archived of station 'B'"):
        Archive(tmp_path / "data", "B", begin_us, begin_us + SECOND_US)


def test_a_damaged_object_costs_its_segment_only(data, tmp_path, capsys) -> None:
    content = (data / STR24).read_bytes()
    begin_us = 1_531_612_192_000_000
    archived(tmp_path / "data", content, "A", begin_us)
    path = max((tmp_path / "data/raw").rglob("*.zst"), key=lambda p: p.stat().st_size)
    packed = bytearray(path.read_bytes())
    packed[100_000] ^= 255
    path.write_bytes(packed)
    with_damage = Archive(tmp_path / "data", "A", begin_us, begin_us + 3600 * SECOND_US)
    try:
        run_rinex(with_damage, site_of("A"), Output(tmp_path / "out", period_s=86_400))
    finally:
        with_damage.close()
    assert "cannot be read, restore the file" in capsys.readouterr().out
    found = [read_observations(path.read_bytes()) for path in (tmp_path / "out").glob("*MO.rnx")]
    assert 1134 - 13 <= sum(len(file.epochs) for file in found) < 1134


# --- other programs -------------------------------------------------------------------------------------


@pytest.mark.integration
def test_observations_equal_convbins(data, tmp_path) -> None:
    command = [needed("convbin"), "-r", "rtcm3", "-tr", "2018/07/14", "23:50:00", "-v", "3.04", "-os"]
    command += ["-o", "obs", "-n", "nav", str(data / STR17)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    make(data / STR17, tmp_path / "out")
    ours: dict = {}
    for path in sorted((tmp_path / "out").glob("*_MO.rnx")):
        ours |= rinex_3(path.read_text(), every=3)
    theirs = rinex_3((tmp_path / "obs").read_text(), every=3)
    midnight_us = 1_531_612_800 * SECOND_US
    compared = 0
    for key, (value, _) in theirs.items():
        if key[0] >= midnight_us:
            continue  # its week is wrong behind the roll-over
        limit = 0.13 if key[2][0] == "S" else 0.0011
        assert abs(ours[key][0] - value) <= limit, key
        compared += 1
    assert compared > 50_000
    assert len({key[0] for key in ours}) == 376


@pytest.mark.integration
def test_rtklib_computes_the_stations_place_from_both_files(hours, tmp_path) -> None:
    (tmp_path / "conf").write_text(CONF)
    for observations in sorted(hours.glob("*_MO.rnx")):
        navigation = str(observations).replace("_01S_MO", "_MN")
        command = [needed("rnx2rtkp"), "-k", "conf", "-o", "pos", str(observations), navigation]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        lines = [line.split() for line in (tmp_path / "pos").read_text().splitlines() if line[:1] != "%"]
        places = np.array([[float(v) for v in line[2:5]] for line in lines])
        assert len(places) > 500
        assert np.linalg.norm(np.median(places, axis=0) - PLACE_M) < 4.0
        assert np.median([int(line[6]) for line in lines]) >= 20


def test_navigation_files_hold_all_systems(hours) -> None:
    found = [read_navigation(path.read_bytes()) for path in sorted(hours.glob("*_MN.rnx"))]
    assert [file.problems for file in found] == [(), ()]
    letters = {one.system.letter for file in found for one in file.ephemerides}
    assert letters >= {"G", "R", "E", "C"}


def test_several_files_are_put_in_order_and_an_epoch_is_written_once(data, hours, tmp_path, capsys) -> None:
    content = (data / STR24).read_bytes()
    (tmp_path / "b").write_bytes(content[:700_000])
    (tmp_path / "a").write_bytes(content[600_000:])
    run_rinex(
        Files([tmp_path / "a", tmp_path / "b"], None), given_site("STR200AUS"), Output(tmp_path / "out")
    )
    assert "came before" in capsys.readouterr().out
    for path in sorted((tmp_path / "out").glob("*_MO.rnx")):
        whole = read_observations((hours / path.name).read_bytes()).epochs.time_us
        assert (
            len(set(whole.tolist()) - set(read_observations(path.read_bytes()).epochs.time_us.tolist())) <= 1
        )
