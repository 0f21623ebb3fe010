"""Public sources that are asked for over HTTP, again and again, with manners.

They are asked at an interval with jitter, and only for what is new (ETag, Last-Modified); a server that wants
a pause gets it. An answer is bounded in time and size and comes from no private address. Its samples go on
oldest first; those that the answer before had already are left out and counted, since most sources send the
last hours each time. By what the next question is conditional is remembered once the samples are durable.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple, NoReturn
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import numpy as np

from connectors.address_guard import GuardedTransport, RefusedAddressError
from connectors.body import Body, BodyError
from connectors.http_url import check_url, filled, shown, zone_of
from connectors.reconnect import BackOff, StreamError, keep_connected
from connectors.sample_rows import GatheredRows
from connectors.webhook_message import retry_after_seconds
from sensors.payloads import Mapping, opened
from streams.bus import SampleSink
from streams.records import SampleBatch
from streams.samples import bits_of, rows_where
from streams.stream_state import StreamState

MOST_REDIRECTS = 5
LONGEST_PAUSE_S = 3600.0
"""That a server may ask for."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADER = re.compile(r"[!-~]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_VALIDATOR = re.compile(r"[!-~][ -~]{0,199}")
"""Of a server, to be sent back."""


class HttpPollConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[http_poll]]`: an address to ask, how often, and what the answers mean."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_./-]{1,64}\Z")]
    """The topic that its mapping sees."""
    url: str
    """With places for times (`connectors.http_url`)."""
    mapping: Mapping
    interval_s: Annotated[float, msgspec.Meta(ge=1, le=604_800)] = 300.0
    jitter_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    """At random on top of the interval; without it a tenth of that, at most a minute."""
    lookback_s: Annotated[float, msgspec.Meta(ge=0)] = 86_400.0
    """How far back `{since}` goes."""
    zone: str = "UTC"
    """Of times in the url: UTC, or an offset as +08:00."""
    headers: dict[str, str] = {}
    """Sent to this server and to no other to which it leads."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    """For an answer, from the first byte that is sent to the last one."""
    max_bytes: Annotated[int, msgspec.Meta(ge=100, le=50_000_000)] = 5_000_000
    """Of an answer, as sent and unpacked."""
    allow_private: bool = False
    """Let the url lead to private, loopback or link-local addresses."""

    def __post_init__(self) -> None:
        try:
            check_url(self.url)
            zone_of(self.zone)
        except ValueError as error:
            raise ValueError(f"http_poll {self.id}: {error}") from None
        for name, value in self.headers.items():
            if not (_HEADER.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
                raise ValueError(
                    f"http_poll {self.id}: header {name[:40]!a} cannot be sent; "
                    "use plain ASCII without blanks around it"
                )

    def __repr__(self) -> str:
        return f"HttpPollConfig({self.id})"  # keys in the url and headers belong in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people: without credentials."""
        return shown(self.url)

    @property
    def jitter(self) -> float:
        """Seconds."""
        return min(0.1 * self.interval_s, 60.0) if self.jitter_s is None else self.jitter_s


async def run(
    config: HttpPollConfig,
    sink: SampleSink,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
) -> NoReturn:
    """Ask until cancelled; `state` says what goes on.

    Parameters
    ----------
    config
        Whom, and how often.
    sink
        Takes the samples.
    state
        Of this stream.
    clock_us
        Wall clock, UTC: for the times in the address.
    back_off
        Between attempts, when something fails.
    """
    transport = GuardedTransport(allow_private=config.allow_private, threads=1)
    client = httpx.AsyncClient(
        transport=transport,
        timeout=config.timeout_s,
        headers={"user-agent": "groundswell", "accept-encoding": "gzip"},
        follow_redirects=False,
        trust_env=False,
    )
    patience = back_off or BackOff(first_s=min(10.0, config.interval_s), most_s=max(60.0, config.interval_s))
    async with client:
        (mapping,) = opened([config.mapping])
        poller = _Poller(config, sink, state, clock_us, client, mapping)
        await keep_connected(poller.session, state, clock_us=clock_us, back_off=patience)


class _Answer(NamedTuple):
    """Of a server; `payload` None: nothing is new."""

    payload: bytes | None
    validators: dict[str, str]
    """Headers that ask for what is newer."""


@dataclass(slots=True, eq=False)
class _Poller:
    config: HttpPollConfig
    sink: SampleSink
    state: StreamState
    clock_us: Callable[[], int]
    client: httpx.AsyncClient
    mapping: Mapping
    _newest_us: int | None = None
    _asked: str = ""
    """The address that the validators are of."""
    _validators: dict[str, str] = field(default_factory=dict)
    _known: set[tuple[str, int, int]] = field(default_factory=set)
    """Samples of the last answer: datastream, time, bits of the value."""
    _pause_s: float = 0.0
    """That the server has asked for."""

    async def session(self) -> NoReturn:
        """Ask again and again; it ends by a StreamError."""
        pause_s, self._pause_s = self._pause_s, 0.0
        await asyncio.sleep(pause_s)
        while True:
            await self._poll()
            self.state.enter("streaming", self.clock_us())
            await asyncio.sleep(self.config.interval_s + random.random() * self.config.jitter)

    async def _poll(self) -> None:
        now_us, config = self.clock_us(), self.config
        back_us = now_us - round(config.lookback_s * 1e6)
        since_us = back_us if self._newest_us is None else min(max(self._newest_us, back_us), now_us)
        url = filled(config.url, now_us, since_us, zone_of(config.zone))
        try:
            async with asyncio.timeout(config.timeout_s):
                answer = await self._fetch(url)
        except TimeoutError:
            text = f"{config.source} gave no whole answer within {config.timeout_s:g} s; ask for less"
            raise StreamError(text) from None
        except RefusedAddressError as error:
            raise StreamError(str(error), retry_soon=False) from error
        except BodyError as error:
            text = f"{config.source}: {error} (at most max_bytes are taken)"
            raise StreamError(text, retry_soon=False) from error
        except StreamError:
            raise
        except Exception as error:  # what a redirect leads to breaks in many ways, OverflowError among them
            text = f"{config.source} cannot be asked: {str(error) or type(error).__name__}"
            raise StreamError(text) from error
        if answer.payload is not None:
            await self._take(answer.payload)
        self._asked, self._validators = url, answer.validators  # not before the samples are durable

    # --- the request --------------------------------------------------------------------------------------

    async def _fetch(self, url: str) -> _Answer:
        own = urlsplit(url)
        headers = dict(self.config.headers)
        if url == self._asked:
            headers |= self._validators
        for _ in range(MOST_REDIRECTS + 1):
            self.client.cookies.clear()
            async with self.client.stream("GET", url, headers=headers) as answer:
                if answer.status_code not in _REDIRECTS:
                    return await self._read(answer)
                url = urljoin(url, answer.headers.get("location", ""))
            target = urlsplit(url)
            if target.scheme not in {"http", "https"} or (own.scheme, target.scheme) == ("https", "http"):
                raise StreamError(f"{self.config.source} leads to {shown(url)}: that is no https any more")
            if (target.scheme, target.netloc) != (own.scheme, own.netloc):
                headers = {}  # keys are for the server that they were given for
        text = f"{self.config.source} leads from one address to the next; write the last one as url"
        raise StreamError(text, retry_soon=False)

    async def _read(self, answer: httpx.Response) -> _Answer:
        status, headers = answer.status_code, answer.headers
        if status == httpx.codes.NOT_MODIFIED:
            return _Answer(None, self._validators)
        if status != httpx.codes.OK:
            asked_s = retry_after_seconds(headers.get("retry-after", ""), self.clock_us())
            if status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
                self._pause_s = min(asked_s, LONGEST_PAUSE_S)
            text = f"{self.config.source} answers {status}"
            if self._pause_s:
                text += f" and wants a pause of {self._pause_s:.0f} s"
            raise StreamError(text, retry_soon=status >= 500 or status in {408, 425, 429})
        body = Body(self.config.max_bytes, headers.get("content-encoding", ""))
        async for piece in answer.aiter_raw():
            body.add(piece)
        validators = {
            ours: headers[theirs]
            for theirs, ours in (("etag", "if-none-match"), ("last-modified", "if-modified-since"))
            if _VALIDATOR.fullmatch(headers.get(theirs, ""))
        }
        return _Answer(body.whole(), validators)

    # --- the samples --------------------------------------------------------------------------------------

    async def _take(self, payload: bytes) -> None:
        state, received_at_us = self.state, self.clock_us()
        topic = self.config.id
        state.messages_received += 1
        state.bytes_received += len(payload)
        state.last_received_us = received_at_us
        try:
            rows = await asyncio.to_thread(self.mapping.decode, topic, payload, received_at_us)
        except Exception as bug:
            state.bad_messages += 1
            raise StreamError(f"{topic}: the answer cannot be read ({bug!r}); report this") from bug
        state.notes.update(rows.notes)
        state.last_note = rows.last_note or state.last_note
        if rows.bad_samples:
            state.bad_messages += 1
            state.bad_samples += rows.bad_samples
            state.last_error = rows.errors[-1]
        if not len(rows):
            if rows.bad_samples:
                raise StreamError(f"the answer cannot be used: {rows.errors[-1]}", retry_soon=False)
            return
        gathered = GatheredRows()
        gathered.add(rows, received_at_us)
        batch, known = self._without_known(gathered.batch())
        if len(batch):
            try:
                await self.sink.put_samples(batch)
            except Exception as error:
                text = f"samples cannot be stored ({error}); they are asked for again"
                raise StreamError(text) from error
        self._known = known
        self._newest_us = max(rows.time_us)

    def _without_known(self, batch: SampleBatch) -> tuple[SampleBatch, set[tuple[str, int, int]]]:
        """Leave out what the last answer had; return what this one has, too."""
        names = batch.datastream_ids
        keys = list(
            zip(
                map(names.__getitem__, batch.series.tolist()),
                batch.time_us.tolist(),
                bits_of(batch.value).tolist(),
                strict=True,
            )
        )
        new = np.fromiter((key not in self._known for key in keys), np.bool_, len(keys))
        self.state.repeated_samples += int(len(keys) - new.sum())
        return (batch if new.all() else rows_where(batch, new)), set(keys)
