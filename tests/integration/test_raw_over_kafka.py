"""A recording through Kafka into the archive that is killed, and out of the server as of one process."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from sensors.model import Station
from storage.objects import ObjectFolder
from storage.postgres import PostgresStore
from storage.raw_archive import RawArchive
from storage.raw_reader import RawReader
from storage.sqlite import SqliteStore
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import partition_of, pieces
from streams.records import RawBatch, RawChunk
from streams.topics import RAW
from tests.dashboards import country as c
from tests.dashboards.serving import client_of
from tests.integration.processes import eventually, started
from tests.program import free_port
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

STATION = "STR200AUS"
CONFIG = """
[server]
http = "127.0.0.1:{http}"
write_token = "correct horse"
[kafka]
servers = "{servers}"
prefix = "{prefix}"
[database]
url = "{url}"
[archive]
url = "http://127.0.0.1:{archive}"
secret = "0123456789abcdef"
"""
BEARER = {"authorization": "Bearer correct horse"}
BEGIN_US, STEP = 1_531_612_192_000_000, 1_200
QUESTIONS = (
    ("raw", {"from": "2018-07-14T23:00:00Z", "to": "2018-07-15T22:00:00Z"}),
    ("raw", {"from": "2018-07-14T23:59:00Z", "to": "2018-07-15T00:00:30Z"}),
    ("rinex", {"from": "2018-07-14T23:55:00Z"}),
    ("rinex", {"from": "2018-07-14T23:55:00Z", "kind": "navigation"}),
)


def recorded(data: Path) -> list[RawChunk]:
    """Return a recording of a receiver as it came over nineteen minutes."""
    payload = (data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()
    return [
        RawChunk(
            station_id=STATION,
            payload=payload[at : at + STEP],
            received_at_us=BEGIN_US + at * 1_134_000_000 // len(payload),
        )
        for at in range(0, len(payload), STEP)
    ]


async def of_one_process(folder: Path, chunks: list[RawChunk]) -> list[bytes]:
    """Return the answers of a program that has the archive itself."""
    store = SqliteStore(folder / "rows.sqlite")
    store.put_registry(stations=[Station(id=STATION, name="STR24")])
    archive = RawArchive(folder / "raw", store)
    for chunk in chunks:
        archive.add(chunk)
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    reader = RawReader(ObjectFolder(folder / "raw"), store)
    app = c.Country(store).app(raw_reader=reader, open_writes=False, write_token="correct horse")
    async with client_of(app) as client:
        found = [await answer_of(client, *question) for question in QUESTIONS]
    archive.close()
    store.close()
    return found


async def answer_of(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> bytes:
    answer = await client.get(f"/api/v1/stations/{STATION}/{path}", params=query, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return re.sub(rb"^.*PGM / RUN BY / DATE\s*$", b"", answer.content, flags=re.MULTILINE)


async def test_the_server_answers_as_one_process_does_after_a_kill(
    tmp_path: Path, kafka: KafkaServer, prefix: str, postgres_url: str, data: Path
) -> None:
    chunks = recorded(data)
    await admin.apply(kafka.access, prefix=prefix)
    store = PostgresStore(postgres_url)
    store.put_registry(stations=[Station(id=STATION, name="STR24")])
    store.close()
    http, at = free_port(), free_port()
    third = len(chunks) // 3
    config = tmp_path / "groundswell.toml"
    config.write_text(
        CONFIG.format(http=http, servers=kafka.bootstrap, prefix=prefix, url=postgres_url, archive=at)
    )
    common = "--config", str(config)
    output = Output(kafka.access, "gatherer")

    async def send(some: list[RawChunk]) -> None:
        """Send as a gatherer does: some chunks a message, all of a station into its partition."""
        for begin in range(0, len(some), 5):
            made = pieces(RawBatch(chunks=some[begin : begin + 5]))
            partition = partition_of(STATION, RAW)
            await output.send([Message(prefix + RAW.name, partition, one) for one in made])

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{at}") as watching:

        async def figure(name: str) -> float:
            try:
                text = (await watching.get("/metrics")).text
            except httpx.TransportError:
                return 0.0
            return float(re.findall(rf"^groundswell_{name} (\S+)$", text, re.MULTILINE)[0])

        async def read(some: list[RawChunk]) -> None:
            """Wait until a process has taken just these."""

            async def is_read() -> bool:
                return await figure("archive_bytes_total") == sum(len(one.payload) for one in some)

            await eventually(is_read, "reading", tmp_path)

        archive = started(
            tmp_path, "archive", "archive", *common, "--data", str(tmp_path / "archive"), "--http",
            f"127.0.0.1:{at}",
        )  # fmt: skip
        serving = started(tmp_path, "serve", "serve", *common, "--data", str(tmp_path / "serve"))
        with archive as archiver, serving:
            await send(chunks[:third])
            await read(chunks[:third])
            assert archiver.stop() == 0  # it keeps what it has read
            archiver.start()
            await send(chunks[third : 2 * third])
            await read(chunks[third : 2 * third])
            archiver.kill()  # they are in its memory alone
            await send(chunks[2 * third :])
            archiver.start()
            await read(chunks[third:])
            assert archiver.stop() == 0
            archiver.start()
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}", timeout=30) as page:

                async def is_there() -> bool:
                    try:
                        answers = [await page.get("/healthz"), await watching.get("/healthz")]
                    except httpx.TransportError:
                        return False
                    return all(answer.status_code == 200 for answer in answers)

                await eventually(is_there, "the server", tmp_path)
                found = [await answer_of(page, *question) for question in QUESTIONS]
                (tmp_path / "embedded").mkdir()
                assert found == await of_one_process(tmp_path / "embedded", chunks)
                assert found[0] == b"".join(chunk.payload for chunk in chunks)
                path = f"/api/v1/stations/{STATION}/raw"
                strange = await page.get(path, params=QUESTIONS[0][1])
                assert strange.status_code == 401
                archiver.kill()
                away = await page.get(path, params=QUESTIONS[0][1], headers=BEARER)
                assert (away.status_code, "archive" in away.text) == (503, True)
    await output.close()
