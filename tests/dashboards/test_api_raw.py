"""What a station sent, by hour: bytes as they came, and RINEX files, held against the commands' own."""

from __future__ import annotations

from urllib.parse import unquote

import hatanaka
import pytest
from starlette.applications import Starlette

from deploy.archive_settings import ArchiveSettings
from deploy.raw_link import archive_elsewhere
from deploy.raw_service import routes_of
from deploy.recordings import Archive
from deploy.rinex import run_rinex
from deploy.rinex_files import Output
from gnss.rinex.navigation import read_navigation
from gnss.rinex.observation import read_observations
from gnss.rinex.site import site_of
from sensors.model import Station
from storage.objects import ObjectFolder
from storage.raw_archive import RawArchive
from storage.raw_reader import RawReader
from storage.sqlite import SqliteStore
from streams.records import Changes, RawChunk
from tests.beside import listening
from tests.dashboards import country as c
from tests.dashboards.people import ROLES, bearer, everybody, signed_in, token
from tests.dashboards.serving import client_of

STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
CLOSED = {"open_writes": False, "write_token": "correct horse"}
BEARER = {"authorization": "Bearer correct horse"}
STATION = "STR200AUS"
BEGIN_US, LENGTH_S, STEP = 1_531_612_192_000_000, 1134, 1_200
"""2018-07-14T23:49:52Z; the capture goes over midnight."""
LATER = {"from": "2020-04-06T23:50:00Z"}
HOUR = {"from": "2018-07-14T23:55:00Z"}


def received_us(place: int, length: int) -> int:
    return BEGIN_US + place * LENGTH_S * 1_000_000 // length


@pytest.fixture(scope="module")
def recorded(data, tmp_path_factory):
    """A data folder with one recording in its archive, as a run leaves it; and its bytes."""
    folder, payload = tmp_path_factory.mktemp("installation"), (data / STR24).read_bytes()
    store = SqliteStore(folder / "groundswell.sqlite")
    archive = RawArchive(folder / "raw", store)
    store.put_registry(stations=[Station(id=STATION, name="STR24"), Station(id="QUIET", name="Quiet")])
    for at in range(0, len(payload), STEP):
        archive.add(
            RawChunk(
                station_id=STATION,
                payload=payload[at : at + STEP],
                received_at_us=received_us(at, len(payload)),
            )
        )
    store.commit([], None, raw_segments=archive.flush(), now_us=0)
    yield folder, store, payload
    store.close()


SECRET = "0123456789abcdef"


@pytest.fixture(params=["its own", "another process"])
def reader(request, recorded):
    """The archive in this process, and as it is asked for over HTTP."""
    folder, store, _ = recorded
    objects = ObjectFolder(folder / "raw")
    if request.param == "its own":
        yield RawReader(objects, store)
        return
    elsewhere = Starlette(routes=routes_of(ArchiveSettings(secret=SECRET), objects, store))
    with listening(elsewhere) as url, archive_elsewhere(ArchiveSettings(url=url, secret=SECRET)) as over_http:
        yield over_http


@pytest.fixture
def app(recorded, reader):
    return c.Country(recorded[1]).app(raw_reader=reader, **CLOSED)


async def ask(app, path, status=200, headers=BEARER, **query):
    async with client_of(app) as client:
        answer = await client.get(f"/api/v1/stations/{path}", params=query, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def name_of(answer) -> str:
    return unquote(answer.headers["content-disposition"].rpartition("''")[2])


async def test_bytes_come_as_they_came(app, recorded):
    payload = recorded[2]
    answer = await ask(
        app, f"{STATION}/raw", **{"from": "2018-07-14T23:00:00Z", "to": "2018-07-15T22:00:00Z"}
    )
    assert answer.content == payload
    assert name_of(answer) == f"{STATION}_20180714T230000Z.rtcm3"
    part = {"from": "2018-07-14T23:59:00+00:00", "to": "2018-07-15T08:00:30+08:00"}
    low_us, high_us = 1_531_612_740_000_000, 1_531_612_830_000_000
    known = [
        payload[at : at + STEP]
        for at in range(0, len(payload), STEP)
        if low_us <= received_us(at, len(payload)) < high_us
    ]
    assert (await ask(app, f"{STATION}/raw", **part)).content == b"".join(known)


@pytest.mark.parametrize("path", ["raw", "rinex"])
async def test_who_may_not_know_it_gets_nothing_of_it(app, path):
    query = {"from": "2018-07-16T23:50:00Z"}
    await ask(app, f"{STATION}/{path}", 401, headers={}, **query)
    wrong = {"authorization": "Bearer wrong"}
    await ask(app, f"{STATION}/{path}", 401, headers=wrong, **query)


async def test_a_process_without_an_archive_says_so(recorded):
    app = c.Country(recorded[1]).app(**CLOSED)
    answer = await ask(app, f"{STATION}/raw", 404, **{"from": "2018-07-16T23:50:00Z"})
    assert "ask the one that gathers" in answer.json()["detail"]


async def test_rinex_is_what_the_command_writes(app, recorded, tmp_path):
    archive = Archive(recorded[0], STATION, BEGIN_US - 60_000_000, BEGIN_US + 3_600_000_000)
    run_rinex(archive, site_of(STATION), Output(tmp_path))
    archive.close()
    answer = await ask(app, f"{STATION}/rinex", **HOUR)
    assert name_of(answer) == "STR200AUS_S_20181952300_01H_01S_MO.rnx"
    written = (tmp_path / name_of(answer)).read_bytes()
    assert _without_making(answer.content) == _without_making(written)
    n = len(read_observations(answer.content).epochs)
    assert n > 500
    packed = await ask(app, f"{STATION}/rinex", hatanaka="true", **HOUR)
    assert _without_making(hatanaka.crx2rnx(packed.content)) == _without_making(written)
    assert name_of(packed) == "STR200AUS_S_20181952300_01H_01S_MO.crx"
    every = await ask(app, f"{STATION}/rinex", interval_s="30", **HOUR)
    assert name_of(every) == "STR200AUS_S_20181952300_01H_30S_MO.rnx"
    assert n // 30 <= len(read_observations(every.content).epochs) <= n // 30 + 1


def _without_making(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if b"PGM / RUN BY / DATE" not in line]


async def test_ephemerides_are_a_file_of_their_own(app, recorded, tmp_path):
    archive = Archive(recorded[0], STATION, BEGIN_US - 60_000_000, BEGIN_US + 3_600_000_000)
    run_rinex(archive, site_of(STATION), Output(tmp_path))
    archive.close()
    answer = await ask(app, f"{STATION}/rinex", kind="navigation", **HOUR)
    assert name_of(answer) == "STR200AUS_S_20181952300_01H_MN.rnx"
    written = (tmp_path / name_of(answer)).read_bytes()
    assert _without_making(answer.content) == _without_making(written)
    assert len(read_navigation(answer.content).ephemerides) > 0


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("raw", {}, 400, "is not a time"),
        ("raw", {"from": "2018-07-16T23:50:00Z", "to": "2018-07-18T23:50:00Z"}, 400, "by at most a day"),
        ("raw", {"from": "2018-07-16T23:50:00Z", "to": "2018-07-16T23:50:00Z"}, 400, "by at most a day"),
        ("raw", LATER, 404, "nothing is kept of this time"),
        ("rinex", LATER, 404, "nothing is kept of this time"),
        (
            "rinex",
            {"from": "2018-07-16T23:50:00Z", "kind": "navigation", "hatanaka": "true"},
            400,
            "leave hatanaka",
        ),
        ("rinex", {"from": "2018-07-16T23:50:00Z", "period": "2h"}, 422, "period"),
        ("rinex", {"from": "2018-07-16T23:50:00Z", "interval": "30"}, 400, "is not known here"),
    ],
)
async def test_what_cannot_be_given_is_said(app, path, query, status, words):
    assert words in (await ask(app, f"{STATION}/{path}", status, **query)).text


@pytest.mark.parametrize("name", ["NOBODY", "..%2F..%2Fetc%2Fpasswd", "'; DROP TABLE stations; --"])
async def test_an_unknown_station_is_only_a_name(app, name):
    await ask(app, f"{name}/raw", 404, **{"from": "2018-07-16T23:50:00Z"})
    await ask(app, f"{name}/rinex", 404, **{"from": "2018-07-16T23:50:00Z"})


async def test_a_file_that_is_too_long_to_be_compacted_is_refused(app, monkeypatch):
    monkeypatch.setattr("dashboards.api.raw.MOST_COMPACT_BYTES", 10_000)
    asked = {**HOUR, "hatanaka": "true"}
    assert "too long to be compacted" in (await ask(app, f"{STATION}/rinex", 400, **asked)).text


async def test_a_damaged_archive_is_said(recorded, tmp_path):
    _, store, _ = recorded
    app = c.Country(store).app(raw_reader=RawReader(ObjectFolder(tmp_path / "gone"), store), **CLOSED)
    await ask(app, f"{STATION}/raw", 503, **HOUR)
    await ask(app, f"{STATION}/rinex", 404, **HOUR)


async def test_an_archive_that_is_away_is_said_and_not_left_out(recorded):
    """A file with a gap where the archive did not answer would look like one of a station that was silent."""
    _, store, _ = recorded
    settings = ArchiveSettings(url="http://127.0.0.1:9", secret=SECRET)
    with archive_elsewhere(settings) as reader:
        app = c.Country(store).app(raw_reader=reader, **CLOSED)
        for path in ("raw", "rinex"):
            answer = await ask(app, f"{STATION}/{path}", 503, **HOUR)
            assert "archive of raw data does not answer" in answer.text
            assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_is_told_what_it_may_know(app, role):
    app.state.access.book.take(everybody())
    for path in ("raw", "rinex"):
        answer = await ask(
            app, f"{STATION}/{path}", 403 if role == "viewer" else 200, headers=signed_in(app, role), **HOUR
        )
        assert (b"\xd3\x00" in answer.content or b"RINEX" in answer.content) == (role != "viewer")


async def test_a_token_is_told_it_by_its_scope(app):
    for scopes, status in ((("read",), 403), (("read", "sensitive"), 200)):
        text, made = token(*scopes)
        app.state.access.book.take(Changes(changes=[made]))
        await ask(app, f"{STATION}/raw", status, headers=bearer(text), **HOUR)
