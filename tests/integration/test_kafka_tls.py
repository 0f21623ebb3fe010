"""A broker that wants TLS and a password: everything gets in, and who does not is told why."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import subprocess
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from deploy import topics_command
from deploy.bridge_command import bridge_of
from deploy.kafka_access import kafka_access
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import KafkaSettings
from deploy.settings_file import load
from streams import codec
from streams.faust_app import FaustConfig, FaustRuntime
from streams.kafka import admin
from streams.kafka.access import Access, NotAdmittedError
from streams.kafka.bridge import Carrier, Side, newest
from streams.kafka.commands import KafkaCommands
from streams.kafka.lease import Lease
from streams.kafka.link import Link, LinkError
from streams.kafka.output import Message, Output
from streams.kafka.passage import Passage
from streams.kafka.reader import Reader
from streams.kafka.security import Security
from streams.kafka.tasks import ALERT
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.records import AlertTransitions, Command, Commands, Detection, Detections
from streams.topics import ALERTS, BRIDGE_PLACES, COMMANDS, DETECTIONS, REGIONAL_COMMANDS, topics_with
from tests.certificates import certificate
from tests.integration.processes import started
from tests.program import free_port
from tests.servers import kafka_server, lasting_port
from tests.waiting import until
from tests.webhook_store import transition

pytestmark = pytest.mark.integration

T0_US = 1_790_000_000_000_000
WAIT_S = 60.0
PREFIX, ABOVE = "tls.", "above."
USER, PASSWORD = "groundswell", "a ; strange=password"
CONFIG = """
[kafka]
servers = "127.0.0.1:{port}"
prefix = "tls."
ca = "{ca}"
user = "groundswell"
password = "env:KAFKA_PASSWORD"
"""
PROPERTIES = """
listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual},\
ASTRAY://127.0.0.1:{astray},CLEAR://127.0.0.1:{clear},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual},\
ASTRAY://127.0.0.1:{nowhere},CLEAR://192.0.2.7:{clear}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,\
ASTRAY:PLAINTEXT,CLEAR:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.both
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
listener.name.mutual.ssl.client.auth=required
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secure.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_simple="plain words" \
user_hangzhou="from below";
listener.name.clear.sasl.enabled.mechanisms=PLAIN
listener.name.clear.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_simple="plain words";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:groundswell;User:simple;User:CN=client
"""
REGION = """
[kafka]
servers = "127.0.0.1:{plain}"
prefix = "below."

[regions]
here = "hangzhou"

[[regions.node]]
name = "zhejiang"
level = "province"
kafka = "127.0.0.1:{secure}"
prefix = "acl."
[regions.node.security]
ca = "{ca}"
user = "hangzhou"
password = "from below"
mechanism = "PLAIN"

[[regions.node]]
name = "hangzhou"
level = "city"
parent = "zhejiang"
up = {{ raw = "exact" }}
"""
WRITTEN = (
    "alerts", "command-outcomes", "regional-detections", "regional-raw", "station-reports",
    "station-periods", "flagged-samples", "bridge-places", "descriptions-hangzhou", "sessions-hangzhou",
    "volumes-hangzhou",
)  # fmt: skip
READ = (
    "regional-commands", "bridge-places", "descriptions-hangzhou", "accounts-hangzhou",
    "elsewhere-sessions-hangzhou", "elsewhere-volumes-hangzhou",
)  # fmt: skip
"""What docs/regions.md says that a region's user needs."""
_ON_TOPICS, _LITERAL, _TO_READ, _TO_WRITE, _ALLOWED = 2, 3, 3, 4, 3
"""As Kafka numbers them."""


def no_connection_is_open() -> bool:
    """Return whether TLS has taken leave everywhere: aiokafka does not wait for it."""
    every = [one for one in gc.get_objects() if isinstance(one, SSLProtocol)]
    return all(one._transport is None for one in every)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Place:
    """A broker with listeners of all kinds."""

    folder: Path
    plain: int
    secure: int
    mutual: int
    astray: int
    """It names a port where nobody is."""
    clear: int
    """It wants a password without TLS, and names another host."""

    def access(self, port: int | None = None, host: str = "127.0.0.1", **more: str | bool) -> Access:
        """Return the right way in, but for what is named."""
        said = {"ca": str(self.folder / "authority.pem"), "user": USER, "password": PASSWORD, **more}
        return kafka_access(Security(**said), f"{host}:{port or self.secure}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    authority = certificate(folder, "authority")
    certificate(folder, "stranger")
    broker = certificate(folder, "broker", by="authority")
    certificate(folder, "client", by="authority")
    (folder / "broker.both").write_text(
        broker.with_suffix(".key").read_text() + broker.read_text() + authority.read_text()
    )
    ports = {
        name: lasting_port()
        for name in ("plain", "secure", "mutual", "astray", "nowhere", "clear", "controller")
    }
    properties = folder / "more.properties"
    properties.write_text(PROPERTIES.format(folder=folder, **ports))
    with kafka_server(
        folder / "kafka", port=ports["plain"], controller_port=ports["controller"], properties=properties
    ) as server:
        jars = os.environ.get("KAFKA_LIB") or Path(__file__).resolve().parents[2] / ".dev" / "kafka-lib"
        done = subprocess.run(
            [
                "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{jars}/*",
                "kafka.admin.ConfigCommand", "--bootstrap-server", server.bootstrap, "--alter",
                "--add-config", f"SCRAM-SHA-512=[iterations=4096,password={PASSWORD}]",
                "--entity-type", "users", "--entity-name", USER,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        yield Place(folder, ports["plain"], ports["secure"], ports["mutual"], ports["astray"], ports["clear"])


def clock_us() -> int:
    return time.time_ns() // 1000


def detections() -> bytes:
    one = Detection(
        detector="sea_level", version="1", subject_id="gauge.water_level", phase="begin", level="orange",
        onset_us=T0_US, at_us=T0_US, detected_at_us=T0_US, title="Rising", value=1.0, threshold=0.5, unit="m",
        evidence={},
    )  # fmt: skip
    return codec.encode(Detections(detections=[one]))


async def test_everything_that_speaks_to_kafka_gets_in(place, tmp_path, monkeypatch):
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)
    path = tmp_path / "groundswell.toml"
    path.write_text(CONFIG.format(port=place.secure, ca=place.folder / "authority.pem"))
    await asyncio.to_thread(topics_command.apply, config=path)
    settings = load(path)
    assert PASSWORD not in repr(settings)
    kafka = kafka_access(settings.kafka, settings.kafka.servers)
    assert PASSWORD not in repr(kafka)
    await admin.apply(kafka, prefix=ABOVE, topics=[ALERTS, BRIDGE_PLACES])

    link = Link(kafka, "gatherer", {PREFIX + DETECTIONS.name: DETECTIONS.partitions})
    await link.connect()
    await link.close()
    async with contextlib.AsyncExitStack() as stack:
        worker = Worker(kafka, "one", lambda _: Pipeline([Alert()]), str, clock_us, PREFIX, groups=(ALERT,))
        runtime = FaustRuntime(FaustConfig(kafka, PREFIX, groups=(ALERT,)), worker)
        stack.push_async_callback(runtime.stop)
        await runtime.start()
        carrier = Carrier(
            Passage("here/alerts", ALERTS, ABOVE + ALERTS.name, lambda batch: batch),
            Side(kafka, PREFIX), Side(kafka, ABOVE), clock_us,
        )  # fmt: skip
        lease = Lease(kafka, PREFIX + ALERTS.name, "turns", asyncio.Event().wait)
        tasks = [asyncio.create_task(carrier.run()), asyncio.create_task(lease.run())]
        stack.push_async_callback(asyncio.gather, *tasks, return_exceptions=True)
        for task in tasks:
            stack.callback(task.cancel)
        output = Output(kafka, "devices")
        stack.push_async_callback(output.close)
        await output.send([Message(PREFIX + DETECTIONS.name, 0, detections())])
        reader = Reader(kafka, (ALERTS,), {}, ABOVE)
        stack.push_async_callback(reader.stop)
        await reader.start()
        async with asyncio.timeout(WAIT_S):
            while not (read := await reader.next(0.5)):
                assert not [task.result() for task in tasks if task.done()]
        alert = codec.decode(read[0].value)
        assert isinstance(alert, AlertTransitions)
        await until(lambda: lease.held, WAIT_S)
        assert (carrier.error, lease.error, output.error, worker.error) == ("", "", "", "")
        assert runtime.error(clock_us()) == ""


@pytest.mark.parametrize(
    ("port", "more", "words"),
    [
        ("secure", {"password": "wrong"}, "does not take user groundswell with this password; correct user"),
        ("secure", {"user": "nobody"}, "does not take user nobody with this password; correct user"),
        ("secure", {"mechanism": "SCRAM-SHA-256"}, "does not take SCRAM-SHA-256; write another mechanism"),
        ("secure", {"ca": "stranger.pem"}, r"of no authority that is known here .* as ca in \[kafka\]"),
        ("secure", {"ca": "", "tls": True}, r"of no authority that is known here .* as ca in \[kafka\]"),
        ("secure", {"user": "", "password": ""}, "may want a user with a password"),
        ("secure", {"user": "", "password": "", "ca": ""}, r"may want TLS: write tls = true or ca in"),
        ("secure", {"host": "localhost"}, "is not for localhost; write the name that stands in it"),
        ("plain", {}, r"fails at TLS \(.*\); look whether \[kafka\] names its TLS port"),
        ("astray", {"ca": "", "user": "", "password": ""}, "cannot reach .* by its advertised.listeners"),
        ("plain", {"ca": ""}, "takes no user; correct the port"),
        ("mutual", {"user": "", "password": ""}, "may want a user with a password, or a certificate of this"),
        ("mutual", {}, "may want a certificate of this program"),
    ],
)  # fmt: skip
async def test_who_does_not_get_in_is_told_why(place, port, more, words):
    if more.get("ca"):
        more = {**more, "ca": str(place.folder / more["ca"])}
    kafka = place.access(getattr(place, port), **more)
    why = await kafka.trouble()
    assert PASSWORD not in why
    assert re.search(words, why), why


async def test_other_ways_in(place):
    assert await place.access(user="simple", password="plain words", mechanism="PLAIN").trouble() == ""
    client = {"certificate": str(place.folder / "client.pem"), "key": str(place.folder / "client.key")}
    kafka = place.access(place.mutual, user="", password="", **client)
    assert await kafka.trouble() == ""
    output = Output(kafka, "client")
    await admin.apply(kafka, prefix="mutual.", topics=[ALERTS])
    await output.send([Message("mutual.alerts", 0, b"x")])
    await output.close()
    two = replace(kafka, servers=f"127.0.0.1:{lasting_port()},{kafka.servers}")
    assert await two.trouble() == ""  # one broker that lets us in is enough


async def test_each_says_so_and_tries_again(place, tmp_path, monkeypatch):
    wrong = place.access(password="wrong")
    words = "does not take user groundswell with this password"
    with pytest.raises(admin.KafkaUnreachable, match=words):
        await admin.show(wrong)
    with pytest.raises(LinkError, match=words):
        await Link(wrong, "gatherer", {}).connect()
    output, reader = Output(wrong, "wrong"), Reader(wrong, (ALERTS,), {})
    lease = Lease(wrong, ALERTS.name, "wrong", asyncio.Event().wait)
    worker = Worker(wrong, "wrong", lambda _: Pipeline([Alert()]), str, clock_us, PREFIX, groups=(ALERT,))
    runtime = FaustRuntime(FaustConfig(wrong, PREFIX, groups=(ALERT,)), worker)
    carrier = Carrier(
        Passage("here/alerts", ALERTS, ALERTS.name, lambda batch: batch), Side(wrong), Side(wrong), clock_us
    )
    works = (output.send([Message("x", 0, b"")]), reader.start(), lease.run(), runtime.start(), carrier.run())
    tasks = [asyncio.create_task(work) for work in works]  # type: ignore[arg-type]
    try:
        for error in (
            lambda: output.error, lambda: reader.error, lambda: lease.error, lambda: carrier.error,
            lambda: runtime.error(clock_us()),
        ):  # fmt: skip
            await until(lambda e=error: words in e(), WAIT_S)
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runtime.stop()
    await until(no_connection_is_open, WAIT_S)

    monkeypatch.setenv("KAFKA_PASSWORD", "wrong")
    path, watch = tmp_path / "groundswell.toml", free_port()
    path.write_text(CONFIG.format(port=place.secure, ca=place.folder / "authority.pem"))
    with pytest.raises(Refusal, match=words):
        await asyncio.to_thread(topics_command.show, config=path)
    with started(tmp_path, "notify", "notify", "--config", str(path), "--http", f"127.0.0.1:{watch}") as one:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{watch}", timeout=5) as page:
            told = ""
            async with asyncio.timeout(WAIT_S):
                while words not in told:
                    await asyncio.sleep(0.1)
                    with contextlib.suppress(httpx.TransportError):
                        told = (await page.get("/readyz")).text
        assert one.stop() == 0
    assert words in (log := (tmp_path / "notify.log").read_text())
    assert "'wrong'" not in log


async def test_a_region_gets_its_acknowledgements_and_cannot_read_commands(place, tmp_path):
    path = tmp_path / "region.toml"
    path.write_text(REGION.format(plain=place.plain, secure=place.secure, ca=place.folder / "authority.pem"))
    settings = load(path)
    assert settings.regions is not None
    plain = Access(f"127.0.0.1:{place.plain}")
    await asyncio.gather(
        admin.apply(plain, prefix="below."),
        admin.apply(plain, prefix="acl.", topics=topics_with(["hangzhou"])),
    )
    connection = AIOKafkaConnection("127.0.0.1", place.plain)
    await connection.connect()
    for operation, names in ((_TO_WRITE, WRITTEN), (_TO_READ, READ)):
        for name in names:
            request = CreateAclsRequest(
                _ON_TOPICS, f"acl.{name}", _LITERAL, "User:hangzhou", "*", operation, _ALLOWED
            )
            ((code, why),) = (await connection.send(request)).creation_responses
            assert not code, why
    connection.close()

    bridge = bridge_of(settings.regions, settings.kafka, clock_us, clock_us, Registry.of(settings).base)
    top = msgspec.structs.replace(settings.regions, here="zhejiang")
    above = bridge_of(
        top, KafkaSettings(servers=f"127.0.0.1:{place.plain}", prefix="acl."), clock_us, clock_us, {}
    )
    consumer = AIOKafkaConsumer(**bridge.carriers[0].target.kafka.options)
    await consumer.start()
    try:  # what a user may not even see it cannot read
        async with asyncio.timeout(WAIT_S):
            while await consumer.topics() != {f"acl.{name}" for name in (*WRITTEN, *READ)}:
                await asyncio.sleep(0.05)
    finally:
        await consumer.stop()
    commands = KafkaCommands(Output(plain, "serve"), "acl.")
    secret = {"password": "p"}
    asked = [
        Command(id="1", kind="put", target="station/hangzhou:A", by="it", at_us=1, arguments=secret),
        Command(id="2", kind="acknowledge_alert", target="own", by="duty", at_us=1),
        Command(id="3", kind="acknowledge_alert", target="hangzhou:abc", by="duty", at_us=1),
        Command(id="4", kind="acknowledge_alert", target="hangzhou:xihu:abc", by="duty", at_us=1),
    ]  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(commands.output.close)
        waiting = [asyncio.create_task(commands.command(one)) for one in asked]
        running, telling = asyncio.create_task(bridge.run()), asyncio.create_task(above.run())
        for task in (*waiting, running, telling):
            stack.push_async_callback(asyncio.gather, task, return_exceptions=True)
            stack.callback(task.cancel)
        below, copies = (Reader(plain, (t,), {}, "below.") for t in (COMMANDS, REGIONAL_COMMANDS))
        found: list[list[tuple[str, str]]] = []
        for reader, count in ((below, 2), (copies, 1)):
            stack.push_async_callback(reader.stop)
            await reader.start()
            taken: list[tuple[str, str]] = []
            async with asyncio.timeout(WAIT_S):
                while len(taken) < count:
                    for one in await reader.next(0.5):
                        batch = codec.decode(one.value)
                        assert isinstance(batch, Commands)
                        taken += [(command.id, command.target) for command in batch.commands]
            found.append(sorted(taken))
        assert found == [[("..:3", "abc"), ("..:4", "xihu:abc")], [("..:4", "xihu:abc")]]
        output = Output(plain, "workers")
        stack.push_async_callback(output.close)
        alert = codec.encode(AlertTransitions(transitions=[transition()]))
        await output.send([Message("below.detections", 0, detections()), Message("below.alerts", 0, alert)])
        await until(lambda: not bridge.error and sum(c.sent for c in bridge.carriers) == 5, WAIT_S)

        assert not running.done()


async def test_no_password_goes_in_the_clear_to_where_a_broker_sends_its_clients(place, monkeypatch):
    asked: list[str] = []
    connect = AIOKafkaConnection.connect

    async def noted(self: AIOKafkaConnection) -> object:
        asked.append(self.host)
        return await connect(self)

    monkeypatch.setattr(AIOKafkaConnection, "connect", noted)
    kafka = Access(f"127.0.0.1:{place.clear}", user="simple", password="plain words", mechanism="PLAIN")
    words = r"the password would go to 192\.0\.2\.7 without TLS; write tls = true or ca in \[kafka\]"
    assert re.match(f"{words}; 127.0.0.1:{place.clear} names that place", await kafka.trouble())
    with pytest.raises(admin.KafkaUnreachable, match=words):
        await admin.show(kafka)
    with pytest.raises(LinkError, match=words):
        await Link(kafka, "gatherer", {}).connect()
    with pytest.raises(NotAdmittedError, match=words):
        await newest(kafka, "x", "y")
    output, reader = Output(kafka, "clear"), Reader(kafka, (ALERTS,), {})
    lease = Lease(kafka, ALERTS.name, "clear", asyncio.Event().wait)
    works = (output.send([Message("x", 0, b"")]), reader.start(), lease.run())
    tasks = [asyncio.create_task(work) for work in works]  # type: ignore[arg-type]
    try:
        for one in (output, reader, lease):
            await until(lambda one=one: re.match(words, one.error), WAIT_S)  # type: ignore[misc]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert set(asked) == {"127.0.0.1"}
    beyond = replace(kafka, servers="192.0.2.7:9092")
    assert re.match(words, await beyond.trouble())
    assert set(asked) == {"127.0.0.1"}


async def test_a_right_that_is_missing_is_named():
    kafka = Access("127.0.0.1:9", user="me", password="p")
    why = await kafka.reason(TopicAuthorizationFailedError("raw"))
    assert "does not allow user me" in why
    assert "raw" in why
