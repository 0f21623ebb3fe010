"""Everything put together: servers, processes and the outside world, each at a place of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from storage.postgres import PostgresStore
from streams.kafka import admin
from streams.kafka.access import Access
from tests.chaos import ledger
from tests.chaos.disks import Disk
from tests.chaos.members import Broker, DatabaseServer, Member, Program, until
from tests.chaos.network import Network, network
from tests.chaos.sensors import DETECTOR, datastream_id, thing_id
from tests.chaos.stations import station_id
from tests.chaos.subscriber import Subscriber
from tests.chaos.world import World
from tests.mosquitto import mosquitto
from tests.servers import DEV, lasting_port

PREFIX = "chaos."
TOKEN = "chaos-writes"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
FIRST_START_S = 900.0
"""The first worker may have to compile its kernels."""
PLACES = ("kafka", "postgres", "gather", "one", "two", "three", "store", "notify", "serve")
HTTP, NTRIP = 9180, 9181
"""Ports of the program's processes; where all share one address each gets others."""


@dataclass
class Size:
    """How much there is of everything."""

    stations: int = 500
    sensors: int = 100
    alerting: int = 40
    rovers: int = 5
    seed: int = 1


@dataclass
class House:
    """What runs."""

    folder: Path
    net: Network
    size: Size
    kafka: Broker
    postgres: DatabaseServer
    programs: dict[str, Program]
    subscriber: Subscriber
    disks: dict[str, Disk] = field(default_factory=dict)
    world: subprocess.Popen[bytes] | None = None
    spare: Program | None = None
    """A third worker, for joining and leaving."""
    caster_port: int = 0
    mqtt_port: int = 0
    rover_address: tuple[str, str] = ("", "")

    @property
    def members(self) -> dict[str, Member]:
        """All that faults can be done to, by name."""
        return {**self.programs, "kafka": self.kafka, "postgres": self.postgres}

    @property
    def ledger(self) -> Path:
        return self.folder / "world"

    def ready(self) -> bool:
        """Whether every process says that it can do its work."""
        return all(program.ready() for program in self.programs.values())

    def start(self) -> None:
        """Start the processes one after the other, then the world; return when all of it flows."""
        self.world = self._world()
        for program in self.programs.values():
            program.start()
            until(program.ready, f"readiness of {program.name}", FIRST_START_S)
        self._expect_workers()
        until(self._streaming, "a connection to each station")
        self.world.send_signal(signal.SIGUSR1)

    def check_alive(self) -> None:
        """Fail when something has died that nobody has killed.

        Raises
        ------
        RuntimeError
            With the end of its log.
        """
        for program in self.programs.values():
            if not program.alive:
                told = program.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{program.name} has ended by itself:\n{told}")
        if self.world is not None and self.world.poll() is not None:
            told = (self.folder / "world.log").read_text()[-3000:]
            raise RuntimeError(f"the simulated world has ended:\n{told}")

    def end_world(self) -> None:
        """Let stations and devices end; return when what they have published is confirmed."""
        if self.world is not None:
            self.world.send_signal(signal.SIGTERM)
            self.world.wait(120)
            self.world = None

    def _streaming(self) -> bool:
        """Whether somebody listens to every station."""
        sent = ledger.read(self.ledger, "epochs")[-self.size.stations :]
        return len(sent) == self.size.stations and bool((sent["connection"] >= 0).all())

    def _expect_workers(self) -> None:
        workers = [p for name, p in self.programs.items() if name.startswith("worker")]
        until(lambda: sum(w.figure("worker_tasks") or 0 for w in workers) >= 24, "tasks for all partitions")

    def _world(self) -> subprocess.Popen[bytes]:
        self.ledger.mkdir()
        what = World(
            folder=str(self.ledger),
            host=self.net.here,
            caster_port=self.caster_port,
            mqtt_port=self.mqtt_port,
            rover_address=self.rover_address,
            **asdict(self.size),
        )
        with (self.folder / "world.log").open("ab") as log:
            words = [sys.executable, "-m", "tests.chaos.world", msgspec.json.encode(what).decode()]
            return subprocess.Popen(words, stdout=log, stderr=log)


@contextlib.contextmanager
def house(size: Size, *, cuts: bool, small_disks: bool) -> Iterator[House]:
    """Build it in a temporary folder and take it down whatever happens.

    Parameters
    ----------
    cuts
        Network namespaces are needed; without it they are used where they can be had.
    small_disks
        Broker, database and gatherer write to file systems that can be filled.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="groundswell-chaos-"))
        folder.chmod(0o755)  # the database's user has to pass
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        net = stack.enter_context(network(needed=cuts))
        disks = _disks(folder) if small_disks else {}
        guard = stack.enter_context(_guard(folder, net, disks))
        for disk in disks.values():
            disk.mount()
        built = _built(stack, folder, net, size)
        built.disks = disks
        try:
            yield built
        finally:
            for program in [*built.programs.values(), built.spare]:
                if program is not None and program.alive:
                    program.kill()
            if built.world is not None:
                built.world.kill()
                built.world.wait(10)
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait(120)


def _disks(folder: Path) -> dict[str, Disk]:
    return {
        "kafka": Disk(folder / "kafka", 8_000),
        "postgres": Disk(folder / "postgres", 8_000),
        "gather": Disk(folder / "gather", 4_000),
    }


@contextlib.contextmanager
def _guard(folder: Path, net: Network, disks: dict[str, Disk]) -> Iterator[subprocess.Popen[bytes]]:
    """Take everything down when the pipe is closed, also by our own death."""
    spaces = "; ".join(f"ip netns del {net.tag}-{place} 2>/dev/null" for place in PLACES)
    ending = "; ".join(
        [
            "read -r _",
            *(f'GROUNDSWELL_DEV={folder} "$0"/{name} stop' for name in ("kafka", "postgres")),
            spaces if not net.plain else ":",
            f"ip link del {net.tag} 2>/dev/null" if not net.plain else ":",
            *(disk.unmounting() for disk in disks.values()),
            f"rm -rf {folder}",
        ]
    )
    with subprocess.Popen(
        ["sh", "-c", ending, str(DEV)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guard:
        yield guard


def _built(stack: contextlib.ExitStack, folder: Path, net: Network, size: Size) -> House:
    address = {place: net.add(place) for place in PLACES}
    kafka = Broker(
        "kafka", "kafka", folder, address["kafka"], lasting_port(), lasting_port(), enter=net.command("kafka")
    )
    subnet = "" if net.plain else f"{net.subnet}.0/24"
    postgres = DatabaseServer(
        "postgres", "postgres", folder, address["postgres"], lasting_port(), subnet, net.command("postgres")
    )
    kafka.start()
    postgres.start()
    asyncio.run(admin.apply(Access(kafka.bootstrap), prefix=PREFIX))
    PostgresStore(postgres.url, migrate=True).close()
    port = {p: lasting_port() if net.plain else HTTP for p in address}
    ntrip = lasting_port() if net.plain else NTRIP
    page = f"{address['serve']}:{port['serve']}"
    subscriber = Subscriber(net.here, SECRET, f"http://{page}", TOKEN)
    subscriber.start()
    stack.callback(subscriber.stop)
    broker_port = lasting_port()
    lines = [] if net.plain else [f"listener {broker_port} {net.here}"]
    devices = stack.enter_context(
        mosquitto(folder / "mosquitto", *lines, "max_queued_messages 0", port=broker_port)
    )
    caster_port = lasting_port()
    config = folder / "groundswell.toml"
    config.write_text(
        _configuration(size, kafka, postgres, net.here, caster_port, devices.port, subscriber.url)
    )

    def program(name: str, place: str, *words: str) -> Program:
        watch = f"{address[place]}:{port[place]}"
        arguments = (words[0], "--config", str(config), "--http", watch, *words[1:])
        return Program(name, place, arguments, watch, folder, net.command(place))

    caster = f"{address['gather']}:{ntrip}"
    programs = {
        "gather": program(
            "gather", "gather", "gather", "--ntrip", caster, "--data", str(folder / "gather" / "data")
        ),
        "worker-one": program("worker-one", "one", "worker", "--name", "one"),
        "worker-two": program("worker-two", "two", "worker", "--name", "two"),
        "store": program("store", "store", "store"),
        "notify": program("notify", "notify", "notify"),
        "serve": program("serve", "serve", "serve"),
    }
    return House(
        folder, net, size, kafka, postgres, programs, subscriber,
        spare=program("worker-three", "three", "worker", "--name", "three"),
        caster_port=caster_port, mqtt_port=devices.port, rover_address=(address["gather"], str(ntrip)),
    )  # fmt: skip


def _configuration(
    size: Size, kafka: Broker, postgres: DatabaseServer, here: str, caster: int, mqtt: int, webhook: str
) -> str:
    lines = [
        f'[kafka]\nservers = "{kafka.bootstrap}"\nprefix = "{PREFIX}"',
        f'[database]\nurl = "{postgres.url}"',
        f'[server]\nwrite_token = "{TOKEN}"',
        f'[[webhook]]\nid = "duty"\nurl = "{webhook}"\nsecret = "{SECRET}"\nallow_private = true',
        f'[[mqtt]]\nhost = "{here}"\nport = {mqtt}\n[[mqtt.mappings]]\ntopic = "chaos/+"\n'
        'datastream = "{1}"\nsamples = ""\nvalue = "value"\ntime = "time"\ntime_format = "epoch_us"',
    ]
    names = [station_id(i) for i in range(size.stations)]
    lines += [f'[[station]]\nid = "{name}"\nsource = "ntrip://{here}:{caster}/{name}"' for name in names]
    detector = ", ".join(f"{name} = {value}" for name, value in DETECTOR.items())
    for i in range(size.sensors):
        extra = f", detectors = {{ sea_level = {{ {detector} }} }}" if i < size.alerting else ""
        lines.append(
            f'[[thing]]\nid = "{thing_id(i)}"\nlongitude = 121.0\nlatitude = 31.0\n'
            f'datastream = [{{ id = "{datastream_id(i)}", property = "water_level"{extra} }}]'
        )
    return "\n\n".join(lines) + "\n"
