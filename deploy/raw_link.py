"""The raw archive of another process, asked over HTTP (`deploy.raw_service`)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping

import httpx
import msgspec

from deploy.archive_settings import ArchiveSettings
from deploy.raw_service import GONE, MOST_BYTES, OBJECT_PATH, SEGMENTS_PATH
from storage.raw_reader import ArchiveAwayError, RawReader
from storage.rows import RawSegment

AHEAD_BYTES = 1 << 20
"""Read at once: segments of an object stand one behind the other."""
MOST_OBJECTS = 32
"""Of which a piece is kept: who reads a stream reads on in the same object."""
MOST_INDEX_BYTES = 64 << 20
TIMEOUT_S = 15.0


@contextlib.contextmanager
def archive_elsewhere(settings: ArchiveSettings) -> Iterator[RawReader | None]:
    """Give a reader of the archive that a configuration names; None: it names none.

    Raises
    ------
    Refusal
        Its address or secret cannot be one.
    """
    if not settings.url:
        yield None
        return
    headers = {"authorization": f"Bearer {settings.checked_secret()}"}
    with httpx.Client(
        base_url=settings.checked_url(), headers=headers, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        yield reader_over(client)


def reader_over(client: httpx.Client) -> RawReader:
    """Return a reader that asks with a client, which knows the address and the secret."""
    link = _Link(client)
    return RawReader(link, link)


class _Link:
    """Implements `storage.raw_reader.Objects` and `Segments`; any thread may ask."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._pieces: dict[str, tuple[int, bytes]] = {}
        """What was read last of objects, and where it begins; the newest last."""

    def segments(self, station_id: str, start_us: int, end_us: int) -> list[RawSegment]:
        """Return segments that hold a chunk of the range, in the order of the stream."""
        asked: dict[str, str | int] = {"station": station_id, "from_us": start_us, "until_us": end_us}
        answer = self._ask(SEGMENTS_PATH, asked, MOST_INDEX_BYTES)
        try:
            return msgspec.msgpack.decode(answer or b"\x90", type=list[RawSegment])
        except msgspec.MsgspecError as error:
            raise ArchiveAwayError(f"the archive of raw data answers what is no list: {error}") from error

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Return a piece of an object, less at its end."""
        with self._lock:
            begin, data = self._pieces.get(path, (0, b""))
        if not begin <= offset <= offset + length <= begin + len(data):
            begin = offset
            ahead = max(length, AHEAD_BYTES)
            data = self._ask(OBJECT_PATH, {"path": path, "offset": offset, "length": ahead})
            with self._lock:
                self._pieces.pop(path, None)
                self._pieces[path] = begin, data
                if len(self._pieces) > MOST_OBJECTS:
                    del self._pieces[next(iter(self._pieces))]
        return data[offset - begin : offset - begin + length]

    def _ask(self, path: str, asked: Mapping[str, str | int], most: int = MOST_BYTES) -> bytes:
        """Return an answer; nothing, where bytes are missing."""
        try:
            with self._client.stream("GET", path, params=asked) as answer:
                if answer.status_code == GONE:
                    return b""
                data = bytearray()
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > most:
                        raise ArchiveAwayError("the archive of raw data answers without end")
        except httpx.HTTPError as error:
            raise ArchiveAwayError(f"the archive of raw data does not answer: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            why = bytes(data[:200]).decode(errors="replace").strip()
            raise ArchiveAwayError(f"the archive of raw data answers {answer.status_code}: {why}")
        return bytes(data)
