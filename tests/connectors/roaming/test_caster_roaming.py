"""Roaming mountpoints through sockets: positions by header and stream, the table, refusals, sessions."""

import asyncio
import contextlib

import pytest

from connectors.caster.relay import Relay
from connectors.caster.roaming.config import RoamingConfig
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.server import Caster
from gnss.ntrip import build_request, format_gga, parse_sourcetable
from sensors.model import Station
from streams.definitions import AccountDefinition, PrivacyDefinition
from tests.connectors.roaming.world import UTC_US, Clock, epoch, epochs_of
from tests.waiting import until

STATIONS = [
    Station(id="WUHN", name="Wuhan", longitude=114.357, latitude=30.532),
    Station(id="HUAN", name="Huangshi", longitude=115.0, latitude=30.2),
    Station(id="NOWHERE", name="It has told no place yet"),
]
NEAR_WUHAN = format_gga(UTC_US, 30.5, 114.4, 20.0)
NEAR_HUANGSHI = format_gga(UTC_US, 30.21, 114.99, 20.0)
AT_SEA = format_gga(UTC_US, 10.0, 160.0, 0.0)
V1 = b"GET /NEAREST HTTP/1.0\r\nUser-Agent: NTRIP test/1\r\n\r\n"


class Setup:
    def __init__(self, caster: Caster, relay: Relay, clock: Clock) -> None:
        self.caster, self.relay, self.clock = caster, relay, clock
        self.roaming = caster.roaming
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.caster.port)
        self._writers.append(writer)
        writer.write(request)
        await writer.drain()
        return reader, writer

    async def ask(self, request: bytes) -> bytes:
        reader, _ = await self.open(request)
        async with asyncio.timeout(10):
            return await reader.read()

    def second(self) -> None:
        """Let all stations send an epoch, and time pass."""
        for station in ("WUHN", "HUAN"):
            self.relay.publish(station, epoch(station, self.clock.now_s, first=True))
        for _ in range(2):
            self.clock.now_s += 0.5
            self.roaming.tick()

    async def epochs(self, reader: asyncio.StreamReader, count: int) -> list[str]:
        """Return the stations of the next epochs, each in its second."""
        found: list[str] = []
        while len(found) < count:
            self.second()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    found += [station for station, _ in epochs_of(await reader.read(100_000))]
        return found

    async def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def caster(stations=STATIONS, config=None, **more):
    clock = Clock()
    relay = Relay(clock)
    roaming = Roaming(relay, lambda: stations, config or RoamingConfig(), clock, lambda: UTC_US)
    server = Caster(relay, lambda: stations, lambda: UTC_US, roaming=roaming, **more)
    await server.start("127.0.0.1", 0)
    setup = Setup(server, relay, clock)
    roaming.tick()
    setup.second()
    try:
        yield setup
    finally:
        await setup.hang_up()
        await server.stop()
        assert relay.counters.rovers == 0
        assert list(roaming.rovers) == []


def request(mountpoint: str, version: int, gga: bytes = b"") -> bytes:
    return build_request(mountpoint, host="h", version=version, gga=gga.decode())


async def test_a_rover_gets_its_base_by_the_header_and_another_one_by_its_sentences():
    async with caster() as at:
        reader, writer = await at.open(request("NEAREST", 2, NEAR_WUHAN))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await at.epochs(reader, 3) == ["WUHN"] * 3
        at.clock.now_s += 1.0
        for _ in range(40):
            at.second()
        await reader.read(100_000)
        for byte in NEAR_HUANGSHI:
            writer.write(bytes([byte]))
            await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 2)
        found = await at.epochs(reader, 20)
        assert found[-1] == "HUAN"
        assert found == sorted(found, reverse=True)
        assert at.roaming.counters.changes == {"first": 1, "nearer": 1}


async def test_a_version_1_rover_waits_until_it_says_where_it_is():
    async with caster() as at:
        reader, writer = await at.open(V1)
        assert await reader.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
        at.second()
        assert [one.base for one in at.caster.sessions()] == [""]
        writer.write(b"noise\r\n$GPGSV,1,1,00*79\r\n$GNGGA,,,,,,0,,,,,,,,*78\r\n" + NEAR_WUHAN)
        await writer.drain()
        assert (await at.epochs(reader, 2))[-1] == "WUHN"
        uploads = at.caster.counters.uploads
        assert (uploads.sentences, uploads.bad, uploads.garbage_bytes) == (2, 0, 5)


async def test_a_sentence_right_behind_the_request_counts():
    async with caster() as at:
        reader, _ = await at.open(V1 + NEAR_HUANGSHI)
        await reader.readuntil(b"\r\n\r\n")
        assert (await at.epochs(reader, 1)) == ["HUAN"]


async def test_who_never_says_where_it_is_is_let_go_and_who_has_no_fix_yet_is_not():
    async with caster() as at:
        silent, _ = await at.open(V1)
        await at.open(V1 + b"$GNGGA,,,,,,0,,,,,,,,*78\r\n")
        await until(lambda: at.caster.counters.uploads.sentences == 1)
        await until(lambda: len(list(at.roaming.rovers)) == 2)
        for _ in range(70):
            at.second()
        async with asyncio.timeout(10):
            assert await silent.read() == b"ICY 200 OK\r\n\r\n"
        assert at.roaming.counters.without_position == 1
        assert len(list(at.roaming.rovers)) == 1


async def test_a_rover_out_of_reach_is_told_so_in_version_2_and_waits_in_version_1():
    async with caster() as at:
        told = await at.ask(request("BEST", 2, AT_SEA))
        assert told.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert b"no base is near enough" in told
        assert at.caster.counters.refused == {"far": 1}
        reader, writer = await at.open(V1 + AT_SEA)
        await reader.readuntil(b"\r\n\r\n")
        at.second()
        assert at.relay.counters.rovers == 0
        writer.write(NEAR_WUHAN)
        await writer.drain()
        assert (await at.epochs(reader, 1)) == ["WUHN"]


async def test_the_sourcetable_lists_roaming_mountpoints_in_the_middle_of_the_network():
    async with caster() as at:
        table = parse_sourcetable((await at.ask(request("", 2))).split(b"\r\n\r\n", 1)[1])
        first = {one.mountpoint: one for one in table.streams[:2]}
        assert set(first) == {"NEAREST", "BEST"}
        assert [one.mountpoint for one in table.streams[2:]] == ["HUAN", "NOWHERE", "WUHN"]
        for one in first.values():
            assert one.nmea
            assert one.solution == 0
            assert one.longitude == pytest.approx(114.68, abs=0.01)
            assert one.latitude == pytest.approx(30.37, abs=0.01)
            assert one.format == "RTCM 3.2"


@pytest.mark.parametrize(
    ("stations", "config"),
    [(STATIONS[:1], None), (STATIONS, RoamingConfig(mountpoints={})), ([], None)],
    ids=["one station", "switched off", "no station"],
)
async def test_without_two_stations_or_switched_off_there_are_none(stations, config):
    async with caster(stations, config) as at:
        assert b"NEAREST" not in await at.ask(request("", 2))
        assert (await at.ask(request("NEAREST", 2))).startswith(b"HTTP/1.1 404")


async def test_a_station_of_that_name_goes_before():
    stations = [*STATIONS, Station(id="BEST", name="Bestwig", longitude=8.4, latitude=51.4)]
    async with caster(stations) as at:
        reader, _ = await at.open(b"GET /BEST HTTP/1.0\r\nUser-Agent: NTRIP test/1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: at.relay.counters.rovers == 1)
        assert [(one.mountpoint, one.base) for one in at.caster.sessions()] == [("BEST", "BEST")]


async def test_an_account_that_may_roam_may_and_is_cut_when_it_may_no_more():
    async with caster(users={"li": "secret"}) as at:
        assert b" 401 " in await at.ask(request("NEAREST", 2, NEAR_WUHAN))
        allowed = build_request(
            "NEAREST", host="h", version=2, username="li", password="secret", gga=NEAR_WUHAN.decode()
        )
        reader, _ = await at.open(allowed)
        await reader.readuntil(b"\r\n\r\n")
        assert await at.epochs(reader, 2) == ["WUHN"] * 2
        assert [(one.account, one.mountpoint, one.base) for one in at.caster.sessions()] == [
            ("li", "NEAREST", "WUHN")
        ]
        at.caster.accounts.replace({}, is_open=False)
        at.caster.recheck()
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while await reader.read(100_000):
                    pass
        await until(lambda: not at.caster.sessions())


@pytest.mark.parametrize(
    ("decimals", "place"), [(None, (None, None)), (1, (114.4, 30.5)), (0, (114.0, 30.0))]
)
async def test_sessions_tell_bases_and_positions_as_privacy_has_it(decimals, place):
    async with caster(privacy=PrivacyDefinition(position_decimals=decimals)) as at:
        reader, _ = await at.open(V1 + NEAR_WUHAN)
        fixed, _ = await at.open(V1.replace(b"NEAREST", b"HUAN") + NEAR_WUHAN)
        await fixed.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await at.epochs(reader, 1)
        led, other = sorted(at.caster.sessions(), key=lambda one: one.mountpoint, reverse=True)
        assert (led.mountpoint, led.base, led.reason) == ("NEAREST", "WUHN", "first")
        assert (other.mountpoint, other.base, other.reason) == ("HUAN", "HUAN", "")
        assert (led.longitude, led.latitude) == (other.longitude, other.latitude) == place
        assert led.base_since_us == led.begun_us == UTC_US
        assert (led.agent, led.version, led.quality, led.n_epochs > 0) == ("NTRIP test/1", 1, 1, True)


@pytest.mark.parametrize("rate", [0, 100_000], ids=["as it comes", "by an account's rate"])
async def test_what_a_rover_has_had_of_all_its_bases_is_counted(rate):
    async with caster(users={"li": "secret"}) as at:
        account = AccountDefinition(password="secret", rate_bytes_s=rate)
        at.caster.accounts.replace({"li": account}, is_open=False)
        asked = build_request(
            "NEAREST", host="h", version=2, username="li", password="secret", gga=NEAR_WUHAN.decode()
        )
        reader, writer = await at.open(asked)
        await reader.readuntil(b"\r\n\r\n")
        for second in range(60):
            at.second()
            if second == 40:
                writer.write(NEAR_HUANGSHI)
                await writer.drain()
                await until(lambda: at.caster.counters.uploads.sentences == 2)
            await asyncio.sleep(0)
        at.caster.admission.settle()
        received = bytearray()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    received += await reader.read(100_000)
        assert {station for station, _ in epochs_of(bytes(received))} == {"WUHN", "HUAN"}
        assert [one.n_bytes for one in at.caster.admission.present] == [len(received)]
