"""The scripts that install, start, stop and wipe servers for development."""

import asyncio
import os
import socket
import sys

import pytest

from connectors.mqtt_publish import publisher
from streams.kafka import admin
from streams.topics import COMMANDS, RAW
from tests.servers import KafkaServer, dev_script, lasting_port

pytestmark = pytest.mark.integration

STOPPED = 3
NO_ANSWER = 1


@pytest.fixture
def kafka_alone(tmp_path):
    server = KafkaServer(tmp_path / "dev")
    yield server
    assert server.run("wipe").returncode == 0


@pytest.fixture
def mosquitto(tmp_path):
    """Return a runner of verbs on an instance of its own, and its port."""
    port = lasting_port()

    def run(verb, **more):
        variables = {"GROUNDSWELL_DEV": str(tmp_path / "dev"), "MOSQUITTO_PORT": str(port), **more}
        return dev_script("mosquitto", verb, **variables)

    yield run, port
    assert run("wipe").returncode == 0


def test_kafka_through_a_life(kafka_alone, monkeypatch):
    """One broker for all of it, since each start takes seconds."""
    server, topics = kafka_alone, [RAW, COMMANDS]
    assert server.run("status").returncode == STOPPED

    failed = server.run("start", KAFKA_HEAP="nonsense")
    assert failed.returncode == 1
    assert "it ended at once" in failed.stderr
    assert "heap" in failed.stderr  # the end of its log

    server.start()
    first = server.pid
    again = server.run("start")
    assert (again.returncode, server.pid) == (0, first)
    assert "already" in again.stdout
    status = server.run("status")
    assert status.returncode == 0
    assert f"runs on {server.bootstrap}" in status.stdout
    asyncio.run(admin.apply(server.access, topics=topics))

    server.kill()
    assert server.run("status").returncode == STOPPED
    server.start()
    assert server.pid != first
    assert [row.change for row in asyncio.run(admin.show(server.access, topics=topics))] == [None, None]

    server.pause()
    assert server.run("status").returncode == NO_ANSWER
    monkeypatch.setattr(admin, "REQUEST_S", 0.5)
    with pytest.raises(admin.KafkaUnreachable, match=server.bootstrap):
        asyncio.run(admin.show(server.access))
    monkeypatch.undo()
    server.resume()
    assert server.run("status").returncode == 0
    server.pause()
    server.stop()  # a paused one hears it as well
    assert server.run("status").returncode == STOPPED
    server.stop()

    data = server.folder / "kafka" / "data"
    assert (data / "raw-0").is_dir()
    assert server.run("wipe").returncode == 0
    assert not data.exists()


async def test_mosquitto_through_a_life(mosquitto, tmp_path):
    run, port = mosquitto
    assert run("status").returncode == STOPPED
    assert run("start").returncode == 0
    again = run("start")
    assert again.returncode == 0
    assert "already" in again.stdout
    async with publisher("127.0.0.1", port, "device") as send:
        await send("tide/apia/level", b"1")
    assert f"127.0.0.1:{port}" in run("status").stdout
    other = run("start", MOSQUITTO_PORT=str(lasting_port()))
    assert other.returncode == 1
    assert f"runs already on port {port}" in other.stderr
    assert run("stop").returncode == 0
    assert run("status").returncode == STOPPED
    assert (tmp_path / "dev" / "mosquitto" / "mosquitto.db").exists()
    assert run("wipe").returncode == 0
    assert not (tmp_path / "dev" / "mosquitto" / "mosquitto.db").exists()


def test_a_port_that_another_has_is_named_with_its_variable(mosquitto):
    run, port = mosquitto
    with socket.create_server(("127.0.0.1", port)):
        done = run("start")
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "MOSQUITTO_PORT" in done.stderr


def test_a_process_that_has_the_id_of_a_dead_server_is_left_alone(mosquitto, tmp_path):
    run, port = mosquitto
    (tmp_path / "dev" / "mosquitto").mkdir(parents=True)
    (tmp_path / "dev" / "mosquitto" / "pid").write_text(f"{os.getpid()}\n{port}\n")
    assert run("status").returncode == STOPPED
    assert run("stop").returncode == 0  # and this process goes on


def test_what_cannot_be_installed_is_said(tmp_path):
    """A PATH with Python alone: neither Java, Maven nor a package manager."""
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "python3").symlink_to(os.path.realpath(sys.executable))
    done = dev_script("kafka", "install", PATH=str(bare), KAFKA_LIB=str(tmp_path / "lib"))
    assert done.returncode == 1
    assert "default-jre-headless maven" in done.stderr


def test_jars_are_never_put_over_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = dev_script("kafka", "install", KAFKA_LIB=str(tmp_path))
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["kafka", "mosquitto", "servers"])
def test_an_unknown_verb_shows_the_usage(name):
    done = dev_script(name, "dance")
    assert done.returncode == 2
    assert "install|start|stop|status|wipe" in done.stderr


def test_a_port_that_is_none_is_refused(tmp_path):
    done = dev_script("kafka", "status", KAFKA_PORT="70000", GROUNDSWELL_DEV=str(tmp_path))
    assert done.returncode == 1
    assert "KAFKA_PORT=70000 is not a port" in done.stderr
