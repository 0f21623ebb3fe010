"""Rovers behind a balancer: their own addresses count, and only a configured balancer is believed."""

import asyncio
import contextlib
import shutil

import pytest
from proxyprotocol.result import ProxyResultIPv4, ProxyResultLocal
from proxyprotocol.v2 import ProxyProtocolV2

from connectors.caster.connection import CasterLimits
from connectors.caster.proxy_header import networks
from tests.connectors.test_caster import V1, caster
from tests.rtcm_frames import text_frame
from tests.waiting import until

HERE = networks(["127.0.0.0/8"])


def line(address: str) -> bytes:
    return f"PROXY TCP4 {address} 192.0.2.250 40000 2101\r\n".encode()


@pytest.mark.parametrize("cut", [3, 20, 50, 60])
async def test_a_rover_behind_a_balancer_gets_its_stream(cut):
    async with caster(proxies=HERE) as at:
        whole = line("192.0.2.1") + V1
        reader, writer = await at.open(whole[:cut])
        await asyncio.sleep(0.01)
        writer.write(whole[cut:])
        assert await reader.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
        assert [one.address for one in at.caster._connections] == ["192.0.2.1"]
        at.relay.publish("WUHN", text_frame("here"))
        assert await reader.readexactly(len(text_frame("here"))) == text_frame("here")


async def test_limits_count_the_rovers_addresses_and_not_the_balancers():
    async with caster(proxies=HERE, limits=CasterLimits(connections_per_address=1)) as at:
        for address in ("192.0.2.1", "192.0.2.2"):
            await at.listen(line(address) + V1)
        assert (await at.ask(line("192.0.2.1") + V1)).startswith(b"HTTP/1.0 503 ")
        assert at.caster.counters.refused == {"address": 1}
        await at.hang_up()
        await until(lambda: not at.caster._connections)
        assert not at.caster._addresses
        await at.listen(line("192.0.2.1") + V1)


async def test_a_balancer_may_ask_for_itself():
    async with caster(proxies=HERE) as at:
        hello = ProxyProtocolV2().pack(ProxyResultLocal())
        assert (await at.ask(hello + V1.replace(b"/WUHN", b"/"))).startswith(b"SOURCETABLE 200 OK")


async def test_version_2_as_another_program_writes_it():
    from ipaddress import IPv4Address

    ends = (IPv4Address("198.51.100.7"), 40_000), (IPv4Address("192.0.2.250"), 2101)
    async with caster(proxies=HERE) as at:
        await at.listen(ProxyProtocolV2().pack(ProxyResultIPv4(*ends)) + V1)
        assert [one.address for one in at.caster._connections] == ["198.51.100.7"]


async def test_a_balancer_that_names_nobody_is_refused_and_a_stranger_is_not_believed():
    async with caster(proxies=HERE) as at:
        reader, _ = await at.open(V1)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert at.caster.counters.refused == {"proxy": 1}
    for known in ((), networks(["192.0.2.0/24"])):
        async with caster(proxies=known) as at:
            assert (await at.ask(line("192.0.2.1") + V1)).startswith(b"HTTP/1.1 405 ")
            assert at.caster.counters.refused == {"method": 1}


async def test_a_balancer_that_says_nothing_is_ended():
    async with caster(proxies=HERE, limits=CasterLimits(request_s=0.1)) as at:
        reader, _ = await at.open(b"PROXY TCP4 ")
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        assert at.caster.counters.refused == {"slow": 1}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
async def test_curl_is_understood():
    async with caster(proxies=HERE) as at:
        curl = await asyncio.create_subprocess_exec(
            "curl", "-s", "--http0.9", "--haproxy-protocol", f"http://127.0.0.1:{at.caster.port}/",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, _ = await curl.communicate()
        assert b"STR;WUHN;" in told
        assert not at.caster.counters.refused
