"""The archive of another process: what it tells whom, and what is made of what it says."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from deploy import raw_link
from deploy.archive_settings import ArchiveSettings
from deploy.raw_link import archive_elsewhere, reader_over
from deploy.raw_service import routes_of
from deploy.refusal import Refusal
from storage.objects import ObjectFolder
from storage.raw_archive import RawArchive
from storage.raw_reader import ArchiveAwayError
from storage.sqlite import SqliteStore
from storage.store import StorageError
from streams.records import RawChunk
from tests.beside import listening

SECRET = "0123456789abcdef"
BEARER = {"authorization": f"Bearer {SECRET}"}
T0, END = 1_700_000_000_000_000, 1_700_000_000_000_000 + 86_400_000_000
SEGMENTS, OBJECT = "/archive/segments", "/archive/object"


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "rows.sqlite")
    archive = RawArchive(tmp_path / "raw", store)
    for k in range(500):
        archive.add(RawChunk(station_id="A:B", payload=b"%d;" % k * 40, received_at_us=T0 + k * 1_000_000))
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    archive.close()
    yield store
    store.close()


@pytest.fixture
def client(store, tmp_path):
    app = Starlette(routes=routes_of(ArchiveSettings(secret=SECRET), ObjectFolder(tmp_path / "raw"), store))
    with listening(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        yield client


def test_all_is_had_with_few_questions(client):
    asked = []
    client.event_hooks["request"] = [lambda request: asked.append(request.url.path)]
    found = b"".join(chunk.payload for chunk in reader_over(client).read("A:B", T0, END))
    assert found == b"".join(b"%d;" % k * 40 for k in range(500))
    assert asked == [SEGMENTS, OBJECT]


@pytest.mark.parametrize("bearer", ["", "Bearer 0123456789abcdeg", "Bearer é"])
@pytest.mark.parametrize("path", [SEGMENTS, OBJECT])
def test_who_does_not_know_the_secret_is_told_nothing(client, bearer, path):
    headers = {"authorization": bearer.encode()} if bearer else {}
    assert httpx.get(f"{client.base_url}{path}", headers=headers).status_code == 401


def test_without_a_secret_there_is_nothing_to_ask(store, tmp_path):
    assert routes_of(ArchiveSettings(), ObjectFolder(tmp_path / "raw"), store) == []
    with pytest.raises(Refusal, match="16 or more characters"):
        routes_of(ArchiveSettings(secret="short"), ObjectFolder(tmp_path / "raw"), store)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (OBJECT, {"path": "../rows.sqlite", "offset": 0, "length": 10}, 410),
        (OBJECT, {"path": "/etc/passwd", "offset": 0, "length": 10}, 410),
        (OBJECT, {"path": "PATH", "offset": -1, "length": 10}, 410),
        (OBJECT, {"path": "PATH", "offset": 0, "length": -10}, 410),
        (OBJECT, {"path": "PATH", "offset": 2**70, "length": 10}, 410),
        (OBJECT, {"path": "PATH", "offset": "x", "length": 10}, 400),
        (OBJECT, {"path": "PATH"}, 400),
        (SEGMENTS, {"station": "A:B", "from_us": 0, "until_us": END}, 400),
        (SEGMENTS, {"station": "A:B", "from_us": 2**70, "until_us": 2**70}, 400),
        (SEGMENTS, {"station": "A:B", "from_us": END, "until_us": T0}, 400),
    ],
)
def test_what_is_asked_is_bounded(client, store, path, query, status):
    known = store.segments("A:B", T0, END)[0].path
    query = {key: known if value == "PATH" else value for key, value in query.items()}
    assert client.get(path, params=query).status_code == status


def test_bytes_that_are_not_committed_are_not_told(client, store, tmp_path):
    one = store.segments("A:B", T0, END)[-1]
    with (tmp_path / "raw" / one.path).open("ab") as file:
        file.write(b"half a segment")
    asked = {"path": one.path, "offset": 0, "length": 1 << 20}
    assert len(client.get(OBJECT, params=asked).content) == one.offset + one.length


def test_a_missing_file_is_damage_and_not_silence(client, store, tmp_path):
    (tmp_path / "raw" / store.segments("A:B", T0, END)[0].path).unlink()
    with pytest.raises(StorageError, match="restore the file"):
        list(reader_over(client).read("A:B", T0, END))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"the secret of [archive] is another one\n", "another one"),
        (200, b"no list", "no list"),
        (500, b"", "500"),
        (404, b"Not Found", "answers 404"),
        (200, msgspec.msgpack.encode(["x"] * 100_000), "without end"),
    ],
)
def test_an_archive_that_answers_anything_is_away(status, body, words, monkeypatch):
    monkeypatch.setattr(raw_link, "MOST_INDEX_BYTES", 50_000)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = ArchiveSettings(url=f"http://127.0.0.1:{server.server_port}", secret=SECRET)
        with archive_elsewhere(settings) as reader, pytest.raises(ArchiveAwayError, match=words):
            reader.segments("A", 0, 1)
        server.shutdown()


def test_an_archive_that_is_not_there_is_away():
    with (
        httpx.Client(base_url="http://127.0.0.1:9", timeout=1) as client,
        pytest.raises(ArchiveAwayError, match="does not answer"),
    ):
        list(reader_over(client).read("A", 0, 1))


@pytest.mark.parametrize(
    "url", ["archive:9106", "ftp://archive", "http://", "http://a/b", "http://a:x", "http://u@a"]
)
def test_an_address_that_is_none_is_refused(url):
    with (
        pytest.raises(Refusal, match="http://host:port"),
        archive_elsewhere(ArchiveSettings(url=url, secret=SECRET)),
    ):
        pass
