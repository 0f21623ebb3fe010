"""Our NTRIP client and a caster that others wrote: RTKLIB's str2str (version 1)."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from connectors import ntrip_client
from connectors.gathering.hall import Hall
from connectors.ntrip_client import NtripClientConfig
from connectors.reconnect import BackOff
from tests.program import free_port
from tests.rtcm_frames import of_type, split, text_frame
from tests.scripted_server import Bench, Clock, running
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("version", [1, "auto"])
async def test_every_frame_of_str2str_arrives(version):
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        shutil.which("str2str") or "str2str",
        *("-out", f"ntripc://rover:secret@:{port}/WUHN"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert server.stdin is not None
    bench = Bench()
    config = NtripClientConfig(
        host="127.0.0.1", port=port, mountpoint="WUHN", username="rover", password="secret", version=version
    )
    back_off = BackOff(first_s=0.05, most_s=0.1)
    sent: list[bytes] = []
    try:
        async with running(
            ntrip_client.run(
                config, bench.intake, bench.state, hall=Hall(Clock()), clock_us=Clock(), back_off=back_off
            )
        ):
            while len(sent) < 200:
                sent.append(of_type(1077, 300) + text_frame(f"epoch {len(sent)}"))
                server.stdin.write(sent[-1])
                await server.stdin.drain()
                await asyncio.sleep(0.02)
            await until(lambda: bench.frames.endswith(sent[-1]))
        assert server.returncode is None
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
    received = list(split(bench.frames))
    assert b"".join(received) in b"".join(sent)
    assert len(received) > 100
    assert bench.state.bad_messages == 0
