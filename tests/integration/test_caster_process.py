"""Gatherers and a caster as processes: RTKLIB's client receives on while Kafka and gatherers die."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from pathlib import Path

import httpx
import pytest

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from sensors.model import Station
from streams import codec
from streams.definitions import AccountDefinition, values_of
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.passwords import hashed
from streams.records import Change, Changes
from streams.topics import REGISTRY
from tests.connectors.link.frames import epoch
from tests.integration.processes import eventually, started
from tests.program import free_port
from tests.rtcm_frames import split, text_frame
from tests.servers import KafkaServer, kafka_server

pytestmark = pytest.mark.integration

SECRET = "a secret for nothing but tests"
GATHERER = """
[kafka]
servers = "{servers}"

[relay]
secret = "{secret}"
listen = "127.0.0.1:{listen}"

[[station]]
id = "WUHN"
name = "Wuhan"
longitude = 114.357
latitude = 30.532
source = "ntrip://127.0.0.1:{source}/WUHN"
"""
CASTER = """
[caster]
users = {{ rover = "corrections" }}

[relay]
secret = "{secret}"
follow = ["127.0.0.1:{first}", "127.0.0.1:{second}"]
"""


def numbered(number: int) -> bytes:
    """Return the frames of an epoch that says which one it is."""
    first, *others = split(epoch(number % 604_800_000, systems=5, length=200))
    return first + text_frame(f"epoch {number:06d}") + b"".join(others)


def epochs_of(stream: bytes) -> list[int]:
    """Return the numbers of the epochs in a stream, in its order."""
    return [int(one) for one in re.findall(rb"epoch (\d{6})", stream)]


class Source:
    """A station that goes on sending, twenty epochs a second."""

    def __init__(self, relay: Relay) -> None:
        self.sent = 0
        self._relay = relay

    async def run(self) -> None:
        while True:
            self._relay.publish("WUHN", numbered(self.sent))
            self.sent += 1
            await asyncio.sleep(0.05)


async def figure(port: int, name: str) -> float | None:
    async with httpx.AsyncClient() as client:
        try:
            told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return None
    found = re.search(rf"^groundswell_{name} (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else None


async def test_a_caster_without_kafka_knows_its_accounts_by_its_copy_or_lets_nobody_in(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    kept = values_of(AccountDefinition(password_hash=hashed("corrections", "salt")))
    account = Change(
        kind="account", id="rover", version=1, verb="put", before=None, after=kept, by="Li", at_us=1,
        command_id="1",
    )  # fmt: skip
    output = Output(kafka.access, "test")
    message = codec.encode(Changes(changes=[account]))
    await output.send([Message(prefix + REGISTRY.name, 0, message, key=b"account/rover")])
    await output.close()

    async def says(words: str, name: str, servers: str, data: Path) -> None:
        config, watch = tmp_path / f"{name}.toml", free_port()
        config.write_text(
            f'[kafka]\nservers = "{servers}"\nprefix = "{prefix}"\n[relay]\nsecret = "{SECRET}"\n'
            f'follow = ["127.0.0.1:{free_port()}"]\n'
        )
        with started(
            tmp_path, name, "caster", "--config", str(config), "--ntrip", f"127.0.0.1:{free_port()}",
            "--http", f"127.0.0.1:{watch}", "--data", str(data),
        ) as process:  # fmt: skip

            async def is_said() -> bool:
                async with httpx.AsyncClient() as client:
                    try:
                        return words in (await client.get(f"http://127.0.0.1:{watch}/readyz")).text
                    except httpx.TransportError:
                        return False

            await eventually(is_said, words, tmp_path)
            assert process.stop() == 0

    away, data = f"127.0.0.1:{free_port()}", tmp_path / "data"
    await says("who may have streams is not known, so no rover is let in: ", "first", away, data)
    assert not (data / "accounts").exists()
    await says("no gatherer is followed", "with-kafka", kafka.bootstrap, data)
    assert codec.decode((data / "accounts").read_bytes()) == Changes(changes=[account])
    await says("no gatherer is followed", "with-copy", away, data)


async def test_a_rover_receives_on_while_kafka_and_gatherers_die(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        kafka = stack.enter_context(kafka_server(tmp_path))
        await admin.apply(kafka.access)
        relay = Relay(asyncio.get_running_loop().time)
        stations = Caster(relay, lambda: [Station(id="WUHN", name="Wuhan")], lambda: 1_760_000_000_000_000)
        await stations.start("127.0.0.1", 0)
        stack.push_async_callback(stations.stop)
        links, rovers, watch = (free_port(), free_port()), free_port(), free_port()
        gatherers = []
        for n, listen in enumerate(links):
            config = tmp_path / f"gatherer-{n}.toml"
            text = GATHERER.format(
                servers=kafka.bootstrap, secret=SECRET, listen=listen, source=stations.port
            )
            config.write_text(text)
            gatherers.append(
                stack.enter_context(
                    started(
                        tmp_path, f"gather-{n}", "gather", "--config", str(config),
                        "--data", str(tmp_path / f"data-{n}"), "--ntrip", f"127.0.0.1:{free_port()}",
                    )
                )
            )  # fmt: skip
        config = tmp_path / "caster.toml"
        config.write_text(CASTER.format(secret=SECRET, first=links[0], second=links[1]))
        caster = stack.enter_context(
            started(
                tmp_path, "caster", "caster", "--config", str(config), "--ntrip", f"127.0.0.1:{rovers}",
                "--http", f"127.0.0.1:{watch}",
            )
        )  # fmt: skip

        async def follows(count: int) -> None:
            async def is_so() -> bool:
                return await figure(watch, "relay_gatherers") == count

            await eventually(is_so, f"{count} gatherers", tmp_path)

        async def stations_are_gathered() -> bool:
            return relay.counters.rovers == 2

        await follows(2)
        await eventually(stations_are_gathered, "the gatherers' streams", tmp_path)
        out = tmp_path / "received.rtcm3"
        client = await asyncio.create_subprocess_exec(
            shutil.which("str2str") or "str2str",
            *("-in", f"ntrip://rover:corrections@127.0.0.1:{rovers}/WUHN", "-out", str(out)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

        async def end_client() -> None:
            client.terminate()
            await client.wait()

        stack.push_async_callback(end_client)

        async def rover_is_there() -> bool:
            return await figure(watch, "caster_rovers") == 1

        await eventually(rover_is_there, "the rover", tmp_path)
        source = Source(relay)
        sending = asyncio.create_task(source.run())
        stack.callback(sending.cancel)

        async def received_on() -> None:
            """Return when an epoch has arrived that is sent from now on."""
            wanted = source.sent + 2

            async def has_come() -> bool:
                return out.exists() and any(number >= wanted for number in epochs_of(out.read_bytes()))

            await eventually(has_come, f"epoch {wanted}", tmp_path)

        await received_on()
        kafka.kill()
        await received_on()
        gatherers[0].kill()
        await follows(1)
        await received_on()
        gatherers[0].start()
        await follows(2)
        await eventually(stations_are_gathered, "the first gatherer's stream", tmp_path)
        gatherers[1].kill()
        await follows(1)
        await received_on()
        assert await figure(watch, "relay_changes_total") >= 1  # type: ignore[operator]
        assert await figure(watch, "caster_requests_total") == 1  # the rover never had to ask again
        async with httpx.AsyncClient() as page:
            assert (await page.get(f"http://127.0.0.1:{watch}/readyz")).text == "ok\n"
            gatherers[0].kill()
            await follows(0)
            answer = await page.get(f"http://127.0.0.1:{watch}/readyz")
            assert answer.status_code == 503
            assert "no gatherer is followed" in answer.text
        sending.cancel()
        assert caster.stop() == 0

    # RTKLIB takes the head's blank line for data, which every decoder of RTCM skips.
    stream = out.read_bytes().removeprefix(b"\r\n")
    numbers = epochs_of(stream)
    assert stream == b"".join(numbered(n) for n in numbers), "an epoch is torn or mixed with another"
    assert numbers == sorted(set(numbers))
