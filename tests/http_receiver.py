"""An HTTP server that answers what a test says, over a real socket, and remembers the requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

Answer = tuple[int, bytes] | tuple[int, bytes, dict[str, str]] | None
"""Status, body and headers; None: none at all, as long as the test runs."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpReceiver:
    url: str = ""
    requests: list[Request] = field(default_factory=list)


@contextlib.asynccontextmanager
async def receiving(
    *answers: Answer, choose: Callable[[Request], Answer] | None = None
) -> AsyncIterator[HttpReceiver]:
    """Answer requests in turn, the last answer for ever; or as `choose` says."""
    receiver = HttpReceiver()
    waiting = list(answers)
    end = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Request(head[0].split(" ")[1], headers, body)
                receiver.requests.append(request)
                if choose is not None:
                    answer = choose(request)
                else:
                    answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                if answer is None:
                    await end.wait()
                    break
                more = "".join(f"{n}: {v}\r\n" for n, v in (answer[2] if len(answer) > 2 else {}).items())
                writer.write(
                    f"HTTP/1.1 {answer[0]} X\r\n{more}Content-Length: {len(answer[1])}\r\n\r\n".encode()
                )
                writer.write(answer[1])
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
    try:
        yield receiver
    finally:
        end.set()
        server.close()
