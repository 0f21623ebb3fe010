"""The keeper of raw bytes: each once in the archive, whatever the way onwards does."""

from __future__ import annotations

import asyncio

import pytest

from connectors import gatherer as module
from connectors.gatherer import StationIntake
from connectors.gathering.columns import REGION_BYTES
from deploy import raw_keeper
from deploy.raw_keeper import RawKeeper
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from streams.records import RawChunk
from streams.stream_state import StreamState

END = 2**62


class Sink:
    """Room for the first chunk; then whoever waits does so until `freed`."""

    def __init__(self) -> None:
        self.chunks, self.freed = [], asyncio.Event()

    def offer(self, chunk):
        if self.chunks:
            return False
        self.chunks.append(chunk)
        return True

    async def put(self, chunk):
        if not self.offer(chunk):
            await self.freed.wait()
            self.chunks.append(chunk)


@pytest.fixture
def keeper(tmp_path):
    store = SqliteStore(tmp_path / "rows.sqlite")
    archive = RawArchive(tmp_path / "raw", store)
    yield RawKeeper(Sink(), archive, store, lambda: END)
    archive.close()
    store.close()


def archived(keeper):
    return b"".join(chunk.payload for chunk in keeper.archive.read("A", 0, END))


@pytest.mark.parametrize("is_freed", [True, False])
async def test_a_backlog_is_archived_once_though_it_waits_for_room(keeper, is_freed, monkeypatch):
    if not is_freed:
        monkeypatch.setattr(module, "BACKLOG_PATIENCE_S", 0.01)
    intake = StationIntake("A", keeper, lambda *_: None, StreamState("A", "ntrip", ""))
    pieces = [bytes([k]) * REGION_BYTES for k in range(1, 4)]

    async def read():
        for piece in pieces:
            await intake.take(piece, 1_000_000)

    running, reading = asyncio.create_task(keeper.run()), asyncio.create_task(read())
    while is_freed and intake.state.bytes_received < 2 * REGION_BYTES:
        await asyncio.sleep(0)
    if is_freed:
        keeper.sink.freed.set()
    await reading
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert intake.state.overload_drops == (0 if is_freed else 2)
    assert archived(keeper) == b"".join(pieces)


async def test_much_at_once_is_written_before_there_is_no_room_for_it(keeper, monkeypatch):
    monkeypatch.setattr(raw_keeper, "WAITING_BYTES", 1000)
    monkeypatch.setattr(raw_keeper, "BEAT_S", 3600.0)
    intake = StationIntake("A", keeper, lambda *_: None, StreamState("A", "ntrip", ""))
    running = asyncio.create_task(keeper.run())
    for k in range(40):
        await intake.take(bytes([k]) * 260, 1_000_000)
        while keeper._waiting_bytes:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert keeper.dropped_bytes == 0
    assert len(archived(keeper)) == 40 * 260


async def test_an_object_that_cannot_be_written_keeps_back_no_other_station(keeper, tmp_path):
    (tmp_path / "raw" / "B").write_bytes(b"")
    keeper.sink.freed.set()
    for one in "AB":
        await keeper.put(RawChunk(station_id=one, payload=b"1", received_at_us=1_000_000))
    await keeper._write(END)
    assert keeper.error
    assert archived(keeper) == b"1"
