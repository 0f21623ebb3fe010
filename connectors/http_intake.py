"""Answers devices and gateways that post samples: 202 once these are durable, as MQTT acknowledges.

`POST /api/v1/samples/SOURCE`, or `.../SOURCE/ANYTHING` where one source brings many devices: what follows
`samples/` is the topic that mappings see. Who may post is known before a body is read; each source has its
own rate, size and number of requests at one time, so that none harms another. A refusal says what to do.
"""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.body import Body, BodyError, EncodingError, TooLargeError
from connectors.http_push import MOST_AT_ONCE, HttpPushConfig, Rate, hash_of
from connectors.sample_rows import GatheredRows
from sensors.payloads import Mapping, Rows, first_match, opened, printable
from streams.bus import SampleSink
from streams.stream_state import StreamState

log = structlog.get_logger()

PATH = "/api/v1/samples/{path:path}"
MAX_PATH = 300
BODY_S = 30.0
"""That a body may take to come."""
STORE_S = 30.0
"""That samples may take to be durable."""
BUSY_S = 2.0
"""After so long who was turned away may come again."""
THREAD_BYTES = 20_000
"""A larger body is decoded in a thread."""
LOOK_S = 1.0
_NOBODY = hash_of("")
_ADVICE: dict[type[BodyError], tuple[int, str]] = {
    TooLargeError: (413, "send less at once"),
    EncodingError: (415, "use gzip, or none"),
    BodyError: (400, "send it again, whole"),
}


class _Answer(NamedTuple):
    status: int
    detail: str = ""
    """What is wrong, and what to do."""
    retry_after_s: float = 0.0
    accepted: int = 0
    """Samples."""
    refused: int = 0
    errors: list[str] = []  # noqa: RUF012 - nobody changes it


class _RefusalError(Exception):
    def __init__(self, status: int, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.answer = _Answer(status, detail, retry_after_s)


@dataclass(slots=True, eq=False)
class _Source:
    config: HttpPushConfig
    state: StreamState
    rate: Rate
    mappings: list[Mapping]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Mappings that remember take one message at a time."""
    at_once: int = 0


@dataclass(slots=True, eq=False)
class HttpIntake:
    """An ASGI app for the route `PATH`.

    Parameters
    ----------
    sink
        Takes the samples; its return is what lets a sender be answered.
    clock_us
        Wall clock, UTC.
    clock_s
        Of rates: any that does not go back.
    """

    sink: SampleSink
    clock_us: Callable[[], int]
    clock_s: Callable[[], float]
    strangers: int = 0
    """Requests for sources that there are not."""
    _sources: dict[str, _Source] = field(default_factory=dict)
    _at_once: int = 0

    def add(self, config: HttpPushConfig, state: StreamState) -> None:
        """Let a source in."""
        self._sources[config.id] = _Source(
            config, state, Rate(config.requests_per_s), opened(config.mappings)
        )
        state.enter("connecting", self.clock_us())

    async def watch(self) -> None:
        """Say which sources have gone silent, until cancelled."""
        begun_us = self.clock_us()
        while True:
            for source in self._sources.values():
                state, stall_s = source.state, source.config.stall_s
                silent_us = self.clock_us() - (state.last_received_us or begun_us)
                if state.phase != "stalled" and silent_us > stall_s * 1e6:
                    text = f"nothing was posted for {stall_s:g} s; check the sender, its token and its path"
                    state.enter("stalled", self.clock_us(), text)
            await asyncio.sleep(LOOK_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        request = Request(scope, receive)
        path = str(scope["path_params"]["path"])
        source = self._sources.get(path.partition("/")[0])
        try:
            answer = await self._admitted(request, path, source)
        except ClientDisconnect:
            return  # in the middle of its request: nothing was taken, and nobody is there to be told
        except _RefusalError as refusal:
            answer = refusal.answer
        except BodyError as error:
            status, advice = _ADVICE[type(error)]
            answer = _Answer(status, f"{str(error)[:1].upper()}{str(error)[1:]}: {advice}.")
        if source is not None and answer.status not in {202, 401}:
            source.state.last_error = f"{printable(path)}: answered {answer.status}: {answer.detail}"
            source.state.overload_drops += answer.status in {429, 503}
        await _response(answer)(scope, receive, send)

    async def _admitted(self, request: Request, path: str, source: _Source | None) -> _Answer:
        """Return the answer to a request of somebody who may post now."""
        if request.method != "POST":
            raise _RefusalError(405, "Samples are sent with POST.")
        is_right = _has_token(request, _NOBODY if source is None else source.config.token_hash)
        if source is None or not is_right:
            if source is None:
                self.strangers += 1
            else:
                source.state.refused_connections += 1
            text = "This source and token are not known here: check the path, and send the token as"
            raise _RefusalError(401, f"{text} Authorization: Bearer TOKEN.")
        if wait_s := source.rate.wait_s(self.clock_s()):
            text = f"These are more than {source.config.requests_per_s:g} requests a second:"
            raise _RefusalError(429, f"{text} send several samples in one, and this one again later.", wait_s)
        if source.at_once >= source.config.most_at_once or self._at_once >= MOST_AT_ONCE:
            text = "Earlier requests are still being stored: send this one again later."
            raise _RefusalError(429, text, BUSY_S)
        source.at_once += 1
        self._at_once += 1
        try:
            return await self._taken(request, path, source)
        finally:
            source.at_once -= 1
            self._at_once -= 1

    async def _taken(self, request: Request, path: str, source: _Source) -> _Answer:
        config, state = source.config, source.state
        mapping = first_match(source.mappings, path) if len(path) <= MAX_PATH else None
        if mapping is None:
            text = f"No mapping reads {printable(path)}: correct the path, or add a mapping."
            raise _RefusalError(404, text)
        payload = await _body(request, config.max_body_bytes)
        received_at_us = self.clock_us()
        try:
            async with source.turn:
                if len(payload) > THREAD_BYTES:
                    rows = await asyncio.to_thread(mapping.decode, path, payload, received_at_us)
                else:
                    rows = mapping.decode(path, payload, received_at_us)
        except Exception as bug:
            log.exception("a payload cannot be read", source=config.id)
            state.bad_messages += 1
            text = f"The payload cannot be read ({type(bug).__name__}): report this."
            raise _RefusalError(422, text) from bug
        state.messages_received += 1
        state.bytes_received += len(payload)
        state.last_received_us = received_at_us
        state.notes.update(rows.notes)
        state.last_note = rows.last_note or state.last_note
        if rows.bad_samples:
            state.bad_messages += 1
            state.bad_samples += rows.bad_samples
            state.last_error = rows.errors[-1]
        if rows.bad_samples and not len(rows):
            text = "Nothing in this can be used: correct it before it is sent again."
            return _Answer(422, text, refused=rows.bad_samples, errors=rows.errors)
        await self._put(rows, received_at_us)
        state.enter("streaming", self.clock_us())
        return _Answer(202, accepted=len(rows), refused=rows.bad_samples, errors=rows.errors)

    async def _put(self, rows: Rows, received_at_us: int) -> None:
        if not len(rows):
            return
        gathered = GatheredRows()
        gathered.add(rows, received_at_us)
        try:
            async with asyncio.timeout(STORE_S):
                await self.sink.put_samples(gathered.batch())
        except TimeoutError:
            text = f"Not confirmed within {STORE_S:g} s: send it again, what has arrived counts once."
            raise _RefusalError(503, text, BUSY_S) from None
        except Exception as error:
            log.warning("posted samples cannot be stored", error=repr(error))
            text = "The samples cannot be stored now: keep them, and send them again."
            raise _RefusalError(503, text, BUSY_S) from error


def _has_token(request: Request, kept: str) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return hmac.compare_digest(hash_of(token.strip()), kept) and scheme.lower() == "bearer"


async def _body(request: Request, most: int) -> bytes:
    body = Body(most, request.headers.get("content-encoding", ""))
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > most:
        raise body.too_large()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body.add(piece)
    except TimeoutError:
        raise _RefusalError(408, f"The body did not come within {BODY_S:g} s: send it at once.") from None
    return body.whole()


def _response(answer: _Answer) -> Response:
    headers = {}
    if answer.retry_after_s:
        headers["retry-after"] = str(math.ceil(answer.retry_after_s))
    if answer.status == 401:
        headers["www-authenticate"] = "Bearer"
    if answer.status == 405:
        headers["allow"] = "POST"
    if answer.status not in {202, 422}:
        headers["connection"] = "close"  # what is left of the body is not read
    said: dict[str, Any] = {"accepted": answer.accepted, "refused": answer.refused, "errors": answer.errors}
    if answer.status == 202:
        return Response(msgspec.json.encode(said), 202, headers, "application/json")
    problem = {"type": "about:blank", "status": answer.status, "detail": answer.detail, **said}  # RFC 9457
    return Response(msgspec.json.encode(problem), answer.status, headers, "application/problem+json")
