"""What is archived, over HTTP to those who serve it: which segments there are, and bytes of their objects."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deploy.archive_settings import ArchiveSettings
from storage.objects import ObjectFolder
from storage.store import RawIndex

SEGMENTS_PATH, OBJECT_PATH = "/archive/segments", "/archive/object"
MOST_BYTES = 4 << 20
"""Of an answer with bytes."""
MOST_US = 2 * 86_400_000_000
"""Of time that is asked for at once."""
GONE = 410
"""The answer where bytes are missing: 404 is that of an address at which no archive answers."""
_MSGPACK = "application/msgpack"


class SegmentsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for the segments of a station that hold a chunk of a time."""

    station: str
    from_us: int
    until_us: int


class ObjectQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for a piece of an object, as far as it is committed."""

    path: str
    offset: int
    length: int


def routes_of(settings: ArchiveSettings, objects: ObjectFolder, index: RawIndex) -> list[Route]:
    """Return the routes; none without a secret.

    Parameters
    ----------
    objects, index
        The archive. Nothing is read of a path that is not in the index.
    """
    if not settings.secret:
        return []
    bearer = f"Bearer {settings.checked_secret()}".encode()

    def answered(path: str, answer: Callable[[dict[str, str]], Response]) -> Route:
        def handle(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, bearer):
                return PlainTextResponse("the secret of [archive] is another one\n", 401)
            try:
                return answer(dict(request.query_params))
            except (msgspec.ValidationError, OverflowError) as error:
                return PlainTextResponse(f"{error}\n", 400)

        return Route(path, handle)

    def segments(asked: dict[str, str]) -> Response:
        query = msgspec.convert(asked, SegmentsQuery, strict=False)
        if not 0 <= query.until_us - query.from_us <= MOST_US:
            return PlainTextResponse("two days at most can be asked for at once\n", 400)
        found = index.segments(query.station, query.from_us, query.until_us)
        return Response(msgspec.msgpack.encode(found), media_type=_MSGPACK)

    def piece(asked: dict[str, str]) -> Response:
        query = msgspec.convert(asked, ObjectQuery, strict=False)
        length = min(query.length, MOST_BYTES, index.object_length(query.path) - query.offset)
        if query.offset < 0 or length <= 0:
            return PlainTextResponse("there are no such bytes\n", GONE)
        try:
            data = objects.read(query.path, query.offset, length)
        except FileNotFoundError:
            return PlainTextResponse("the file of this object is missing; restore it\n", GONE)
        return Response(data, media_type="application/octet-stream")

    return [answered(SEGMENTS_PATH, segments), answered(OBJECT_PATH, piece)]
