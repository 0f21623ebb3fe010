"""Gatherers and casters over real sockets: proofs, tables, change-overs, slow and hostile peers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.caster.link import proof, records
from connectors.caster.link.change_over import ChangeOver
from connectors.caster.link.connection import OutletLimits
from connectors.caster.link.follow import Following, Gatherer, follow
from connectors.caster.link.outlet import Outlet
from connectors.caster.link.records import Listed
from connectors.reconnect import BackOff
from sensors.model import Station
from streams.stream_state import StreamState
from tests.connectors.link.frames import epoch
from tests.rtcm_frames import split
from tests.scripted_server import Peer, scripted
from tests.waiting import until

SECRET = "a secret for nothing but tests"
STATIONS = [
    Station(id="WUHN", name="Wuhan", longitude=114.357, latitude=30.532),
    Station(id="SHAO", name="Sheshan"),
]
NOW_US = 1_760_000_000_000_000


@contextlib.asynccontextmanager
async def gatherer(port: int = 0, tls: ssl.SSLContext | None = None, **more: object) -> AsyncIterator[Outlet]:
    outlet = Outlet(lambda: STATIONS, SECRET, lambda: NOW_US, **more)  # type: ignore[arg-type]
    await outlet.start("127.0.0.1", port, tls)
    try:
        yield outlet
    finally:
        await outlet.stop()
        assert outlet.counters.casters == 0


class Caster:
    """The end of a caster, without its rovers."""

    def __init__(self) -> None:
        self.got: dict[str, list[bytes]] = {}
        self.following = Following(ChangeOver(self._publish, asyncio.get_running_loop().time))
        self.states: list[StreamState] = []
        self.tasks: list[asyncio.Task[None]] = []

    def _publish(self, station_id: str, frames: bytes) -> None:
        self.got.setdefault(station_id, []).append(frames)

    def follow(
        self, port: int, secret: str = SECRET, tls: ssl.SSLContext | None = None, silent_s: float = 60.0
    ) -> StreamState:
        state = StreamState(f"gatherer {len(self.states)}", "relay", "")
        self.states.append(state)
        work = follow(
            Gatherer("127.0.0.1", port, secret, tls), self.following, state,
            clock_us=lambda: NOW_US + 5000, back_off=BackOff(first_s=0.01, most_s=0.02, refused_s=0.01),
            silent_s=silent_s,
        )  # fmt: skip
        self.tasks.append(asyncio.create_task(work))
        return state

    @property
    def stations(self) -> dict[str, Station]:
        return {station.id: station for station in self.following.stations()}


@contextlib.asynccontextmanager
async def caster() -> AsyncIterator[Caster]:
    one = Caster()
    try:
        yield one
    finally:
        for task in one.tasks:
            task.cancel()
        ended = await asyncio.gather(*one.tasks, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended


@contextlib.asynccontextmanager
async def opened(outlet: Outlet) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", outlet.port, limit=1000)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def dialled(outlet: Outlet) -> AsyncIterator[asyncio.StreamWriter]:
    """Be a caster that reads nothing behind its proof."""
    async with opened(outlet) as (reader, writer):
        mine = bytes(proof.NONCE_BYTES)
        writer.write(proof.MAGIC + mine)
        hello = await reader.readexactly(proof.HELLO_BYTES)
        writer.write(proof.proof(SECRET, "caster", mine, hello[len(proof.MAGIC) :]))
        await until(lambda: outlet.counters.casters == 1)
        yield writer


async def test_a_caster_gets_the_table_and_every_epoch_whole():
    async with gatherer() as outlet, caster() as one, caster() as other:
        for each in (one, other):
            each.follow(outlet.port)
        await until(lambda: "WUHN" in one.stations and "WUHN" in other.stations)
        assert one.stations["WUHN"] == STATIONS[0]
        assert set(one.stations) == {"WUHN", "SHAO"}
        epochs = [epoch(n) for n in range(200)]
        for whole in epochs:
            for frame in split(whole):
                outlet.publish("WUHN", frame)
            outlet.publish("NEWS", whole)
        for each in (one, other):
            await until(lambda each=each: len(each.got.get("NEWS", ())) == len(epochs))  # type: ignore[misc]
            assert each.got["WUHN"] == each.got["NEWS"] == epochs
            assert set(each.stations) == {"WUHN", "SHAO", "NEWS"}
        assert outlet.counters.casters == 2
        assert outlet.counters.epochs == 2 * len(epochs)
        assert outlet.counters.held_too_long == 0
        assert one.following.delay_us == {"gatherer 0": 5000}


async def test_the_rest_of_an_epoch_is_not_waited_for_long():
    async with gatherer(hold_s=0.001) as outlet, caster() as one:
        one.follow(outlet.port)
        await until(lambda: outlet.counters.casters)
        begin = next(iter(split(epoch(1))))
        outlet.publish("WUHN", begin)
        await until(lambda: one.got.get("WUHN") == [begin])
        assert outlet.counters.held_too_long == 1


async def test_a_gatherer_that_restarts_is_followed_again_and_its_stations_stay_listed():
    async with caster() as one:
        async with gatherer() as outlet:
            port = outlet.port
            one.follow(port)
            await until(lambda: outlet.counters.casters)
            outlet.publish("WUHN", epoch(1))
        await until(lambda: one.states[0].phase == "waiting")
        assert set(one.stations) == {"WUHN", "SHAO"}
        assert one.got["WUHN"] == [epoch(1)]
        async with gatherer(port) as outlet:
            await until(lambda: outlet.counters.casters)
            outlet.publish("WUHN", epoch(2))
            await until(lambda: one.got["WUHN"] == [epoch(1), epoch(2)])
            assert one.states[0].reconnects > 0


async def test_a_stations_name_keeps_no_rover_from_its_stream(monkeypatch):
    names = {"LONG": "x" * 5000, "CTRL": "a\r\nENDSOURCETABLE\x00b\ud800", "NONE": "\x00", "GOOD": "武汉"}
    monkeypatch.setattr(f"{__name__}.STATIONS", [Station(id=one, name=name) for one, name in names.items()])
    async with gatherer() as outlet, caster() as one:
        one.follow(outlet.port)
        await until(lambda: (outlet.counters.casters and len(one.stations) == 4) or one.states[0].last_error)
        assert {i: station.name for i, station in one.stations.items()} == {
            "LONG": "x" * 200, "CTRL": "aENDSOURCETABLEb", "NONE": "NONE", "GOOD": "武汉",
        }  # fmt: skip
        for station_id in names:
            outlet.publish(station_id, epoch(1))
        await until(lambda: len(one.got) == 4)
        assert one.states[0].reconnects == 0


@pytest.mark.parametrize("name", ["x" * 201, "a\nb"])
async def test_a_name_that_a_gatherer_did_not_clean_gives_way_to_the_id(name):
    body = msgspec.json.encode({"id": "WUHN", "name": name})

    async def act(peer: Peer) -> None:
        table = records.encode(records.STATION, 0, 0, body) + records.encode(records.TABLE_IS_WHOLE, 0, 0)
        await speak(peer, table)

    async with scripted(act) as server, caster() as one:
        one.follow(server.port)
        await until(lambda: one.stations or one.states[0].last_error)
        assert one.stations["WUHN"].name == "WUHN"


async def test_two_gatherers_with_the_same_station_never_mix():
    async with gatherer() as first, gatherer() as second, caster() as one:
        for outlet in (first, second):
            one.follow(outlet.port)
            await until(lambda outlet=outlet: outlet.counters.casters)  # type: ignore[misc]
        for n in range(100):
            frames = list(split(epoch(n)))
            leading, behind = (first, second) if n < 50 else (second, first)
            if n == 50:
                await first.stop()
                await until(lambda: one.states[0].phase == "waiting")
            for at in range(len(frames)):
                leading.publish("WUHN", frames[at])
                behind.publish("WUHN", frames[at])
            await until(lambda n=n: len(one.got.get("WUHN", ())) == n + 1)  # type: ignore[misc]
        assert one.got["WUHN"] == [epoch(n) for n in range(100)]
        assert one.following.change_over.changes == 1


async def test_who_does_not_know_the_secret_gets_nothing():
    async with gatherer() as outlet, caster() as one:
        state = one.follow(outlet.port, "another secret of that length")
        await until(lambda: state.reconnects > 2)
        outlet.publish("WUHN", epoch(1))
        assert outlet.counters.refused["proof"] > 2
        assert outlet.counters.bytes_out == 0
        assert "same secret" in state.last_error
        assert one.got == {}


async def test_a_gatherer_that_does_not_know_the_secret_is_not_believed():
    async def pretend(peer: Peer) -> None:
        await peer.reader.readexactly(proof.HELLO_BYTES)
        await peer.say(proof.MAGIC + secrets.token_bytes(proof.NONCE_BYTES))
        answer = await peer.reader.readexactly(proof.PROOF_BYTES)
        table = records.encode_station(0, Listed(id="FAKE", name=""), 0)
        await peer.say(answer + table + records.encode(records.FRAMES, 0, 0, epoch(1)))  # a mirror
        await peer.hold()

    async with scripted(pretend) as server, caster() as one:
        state = one.follow(server.port)
        await until(lambda: state.reconnects > 1)
        assert "does not know the secret" in state.last_error
        assert one.got == {}
        assert one.stations == {}


async def speak(peer: Peer, sent: bytes, cut: int = 0) -> None:
    """Prove the secret as a gatherer does, then send whatever."""
    hello = await peer.reader.readexactly(proof.HELLO_BYTES)
    nonces = hello[len(proof.MAGIC) :], secrets.token_bytes(proof.NONCE_BYTES)
    await peer.say(proof.MAGIC + nonces[1])
    await peer.reader.readexactly(proof.PROOF_BYTES)
    await peer.say(proof.proof(SECRET, "gatherer", *nonces) + sent, cut)
    await peer.hold()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"\xff" * 100, "no record"),
        (records.encode(records.FRAMES, 9, 0, epoch(1)), "not listed"),
        (records.encode(records.STATION, 9, 0, b'{"id":"A B","name":""}'), "no mountpoint"),
        (records.encode_station(1, Listed(id="A", name=""), 0)[:-3], "has said nothing for"),
    ],
    ids=["nonsense", "unlisted", "bad station", "half a record"],
)
async def test_a_gatherer_that_breaks_the_rules_is_left(sent, told):
    async def act(peer: Peer) -> None:
        await speak(peer, sent)

    async with scripted(act) as server, caster() as one:
        state = one.follow(server.port, silent_s=0.2)
        await until(lambda: state.reconnects > 0)
        assert told in state.last_error


async def test_more_stations_than_there_may_be_are_refused(monkeypatch):
    monkeypatch.setattr(records, "MOST_STATIONS", 5)
    table = b"".join(records.encode_station(n, Listed(id=f"S{n}", name=""), 0) for n in range(6))

    async def act(peer: Peer) -> None:
        await speak(peer, table)

    async with scripted(act) as server, caster() as one:
        state = one.follow(server.port)
        await until(lambda: state.reconnects > 0)
        assert "more than 5 stations" in state.last_error
    async with gatherer() as outlet, caster() as one:
        one.follow(outlet.port)
        await until(lambda: outlet.counters.casters)
        for n in range(6):
            outlet.publish(f"S{n}", epoch(n))
        await until(lambda: len(one.got) == 3)
        assert outlet.counters.unlisted_bytes == 3 * len(epoch(0))


async def test_a_caster_that_does_not_read_is_cut_and_others_go_on():
    async with (
        gatherer(limits=OutletLimits(queue_bytes=4_000_000)) as outlet,
        caster() as good,
        AsyncExitStack() as stack,
    ):
        await stack.enter_async_context(dialled(outlet))
        good.follow(outlet.port)
        await until(lambda: outlet.counters.casters == 2)
        sent = 0
        while outlet.counters.cut == 0:  # the kernel takes some megabytes before it blocks
            for _ in range(20):  # a megabyte at a time
                outlet.publish("WUHN", epoch(sent, length=900) * 20)
                sent += 1
            await until(lambda: len(good.got.get("WUHN", ())) == sent)  # noqa: B023
            assert sent < 20_000
        assert outlet.counters.casters >= 1
        outlet.publish("WUHN", epoch(sent))
        await until(lambda: len(good.got["WUHN"]) == sent + 1)
        await until(lambda: outlet.counters.casters == 1)
        assert good.states[0].reconnects == 0


async def test_strangers_are_bounded_in_number_time_and_words():
    async with gatherer(limits=OutletLimits(strangers=2, proof_s=0.2)) as outlet:

        async def ends(sent: bytes) -> bytes:
            async with opened(outlet) as (reader, writer):
                writer.write(sent)
                with contextlib.suppress(ConnectionError):
                    async with asyncio.timeout(20):
                        return await reader.read()
            return b""

        assert await ends(b"GET / HTTP/1.1\r\n\r\n") == b""
        assert await ends(proof.MAGIC + bytes(32) + b"?") == b""
        assert outlet.counters.refused["proof"] == 2
        silent = [asyncio.create_task(ends(proof.MAGIC[:3])) for _ in range(2)]
        assert await asyncio.gather(*silent) == [b"", b""]
        assert outlet.counters.refused["slow"] == 2
        await until(lambda: not outlet._connections)


async def test_strangers_keep_no_caster_out():
    async with gatherer(limits=OutletLimits(strangers=3, proof_s=600.0)) as outlet, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(opened(outlet)) for _ in range(3)]
        await until(lambda: len(outlet._connections) == 3)
        one = await stack.enter_async_context(caster())
        state = one.follow(outlet.port)
        await until(lambda: outlet.counters.casters == 1)
        assert outlet.counters.refused == {"crowd": 1}
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                assert await silent[0][0].read() == b""  # the oldest
        for _ in range(6):
            await stack.enter_async_context(opened(outlet))
        await until(lambda: outlet.counters.refused["crowd"] == 6)
        await until(lambda: len(outlet._connections) == 4)
        outlet.publish("WUHN", epoch(1))
        await until(lambda: one.got.get("WUHN") == [epoch(1)])
        assert state.reconnects == 0


async def test_casters_are_bounded_too():
    async with gatherer(limits=OutletLimits(casters=1)) as outlet, caster() as one:
        first = one.follow(outlet.port)
        await until(lambda: first.phase == "streaming")
        second = one.follow(outlet.port)
        await until(lambda: second.reconnects > 1)
        assert outlet.counters.refused["full"] > 1
        assert (outlet.counters.casters, first.reconnects) == (1, 0)


async def test_a_caster_has_nothing_to_say():
    async with gatherer() as outlet, dialled(outlet) as writer:
        writer.write(b"x")
        await until(lambda: outlet.counters.casters == 0)
        assert outlet.counters.refused["talk"] == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=4), st.booleans())
def test_no_bytes_of_a_stranger_harm_the_gatherer(pieces, begins_well):
    async def attack() -> None:
        async with gatherer(limits=OutletLimits(proof_s=0.05)) as outlet:
            async with opened(outlet) as (reader, writer):
                if begins_well:
                    writer.write(proof.MAGIC + bytes(32))
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                with contextlib.suppress(ConnectionError):
                    told = await reader.read()
                    assert len(told) in {0, proof.HELLO_BYTES}
            await until(lambda: not outlet._connections)
            assert outlet.counters.casters == 0

    asyncio.run(attack())


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=600), st.integers(1, 100))
def test_no_bytes_of_a_gatherer_end_the_caster(sent, cut):
    async def act(peer: Peer) -> None:
        await speak(peer, sent, cut)

    async def attack() -> None:
        async with scripted(act) as server, caster() as one:
            state = one.follow(server.port, silent_s=0.05)
            await until(lambda: state.reconnects > 0)
            assert state.last_error

    asyncio.run(attack())


async def test_a_taken_port_is_told_in_words():
    async with gatherer() as outlet:
        with pytest.raises(OSError, match=r"is taken; stop the other program .* of \[relay\]"):
            await Outlet(list, SECRET, lambda: 0).start("127.0.0.1", outlet.port)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 that signs itself."""
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    done = subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", "/CN=gatherer",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return chain, key


@pytest.mark.integration
async def test_over_tls_the_certificate_counts(tmp_path):
    from deploy.casting import client_tls, server_tls
    from deploy.settings import RelaySettings

    chain, key = certificate(tmp_path, "ours")
    other, _ = certificate(tmp_path, "other")
    theirs = server_tls(RelaySettings(certificate=str(chain), key=str(key)))
    assert theirs is not None
    async with gatherer(tls=theirs) as outlet, caster() as one:
        good = one.follow(outlet.port, tls=client_tls(RelaySettings(ca_file=str(chain))))
        foreign = one.follow(outlet.port, tls=client_tls(RelaySettings(ca_file=str(other))))
        plain = one.follow(outlet.port)
        await until(lambda: outlet.counters.casters == 1 and foreign.last_error and plain.last_error)
        outlet.publish("WUHN", epoch(1))
        await until(lambda: one.got.get("WUHN") == [epoch(1)])
        assert good.phase == "streaming"
        assert "certificate" in foreign.last_error
