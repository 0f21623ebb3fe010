"""Half requests and crowds do not hold the web server."""

import asyncio
import contextlib
import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from deploy import http_server
from deploy.http_server import bind, serving
from deploy.refusal import Refusal

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(_request):
    await asyncio.sleep(0.5)  # longer than a request's head may take here
    return PlainTextResponse("hello")


async def echo(socket):
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


async def heard(socket):
    await socket.accept()
    await socket.receive_text()


APP = Starlette(routes=[Route("/", hello), WebSocketRoute("/echo", echo), WebSocketRoute("/heard", heard)])


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(http_server.Bounded, "request_s", 0.3)
    monkeypatch.setattr(http_server.Bounded, "most_connections", 3)


async def is_closed(reader):
    """Wait for the end of the connection, however abrupt."""
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), 5) == b""
    return True


async def test_half_a_request_is_cut_and_a_slow_answer_is_not(tight):
    listener = bind("127.0.0.1", 0, "--http")
    port = listener.getsockname()[1]
    async with serving(APP, listener, lambda: None):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):  # the connection is kept alive
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(5) == b"hello"
        writer.write(REQUEST[:-4])
        assert await is_closed(reader)
        writer.close()


async def test_a_socket_lasts_and_takes_no_long_messages(tight):
    listener = bind("127.0.0.1", 0, "--http")
    async with (
        serving(APP, listener, lambda: None),
        connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/echo") as socket,
    ):
        assert socket.protocol.extensions == []
        await asyncio.sleep(0.6)  # longer than a request's head may take here
        await socket.send("still there")
        assert await socket.recv() == "still there"
        await socket.send("x" * (http_server.MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_answers_to_pings_are_not_gathered_for_who_does_not_take_them():
    listener = bind("127.0.0.1", 0, "--http")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    upgrade = (
        b"GET /heard HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    ping, text = b"\x89\xfd" + bytes(4 + 125), b"\x81\x81" + bytes(4) + b"x"
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        async with serving(APP, listener, lambda: None):
            await loop.sock_connect(peer, listener.getsockname())
            await loop.sock_sendall(peer, upgrade)
            assert (await loop.sock_recv(peer, 4096)).startswith(b"HTTP/1.1 101")
            for _ in range(300):
                await loop.sock_sendall(peer, ping * 100)
            await loop.sock_sendall(peer, text)
            taken = 0
            while piece := await asyncio.wait_for(loop.sock_recv(peer, 65_536), 10):
                taken += len(piece)
    assert 127 <= taken < 1_000_000, "of 3.8 MB"


async def test_a_crowd_is_turned_away_and_those_inside_are_served(tight):
    listener = bind("127.0.0.1", 0, "--http")
    port = listener.getsockname()[1]
    async with serving(APP, listener, lambda: None):
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in inside:
            writer.write(REQUEST)
        await asyncio.sleep(0.1)
        outside, late = await asyncio.open_connection("127.0.0.1", port)
        late.write(REQUEST)
        assert await is_closed(outside)
        for reader, writer in inside:
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            writer.close()
        late.close()


def test_a_taken_port_is_refused_in_words():
    with bind("127.0.0.1", 0, "--http") as first, pytest.raises(Refusal, match="is taken; stop the program"):
        bind("127.0.0.1", first.getsockname()[1], "--http")
