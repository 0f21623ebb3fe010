"""Real servers for tests, through the scripts of `deploy/dev`: each in a folder and on ports of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.kafka.access import Access

DEV = Path(__file__).resolve().parents[1] / "deploy" / "dev"


def lasting_port() -> int:
    """Return a free TCP port that stays free while its server is away.

    It lies below the ports that the system gives to clients. A client that tries a dead port of that range
    again and again may be given that very port as its own, talks to itself, and the server cannot return.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = random.randrange(10_000, min(first, 32_768))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def dev_script(name: str, verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of a script of `deploy/dev` to its end."""
    return subprocess.run(
        [DEV / name, verb],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass
class KafkaServer:
    """A broker that can be killed, paused and started again; it keeps its data and its port."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=lasting_port)
    controller_port: int = field(default_factory=lasting_port)
    properties: Path | None = None
    """A file with more of them."""

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def access(self) -> Access:
        """The way there."""
        return Access(self.bootstrap)

    @property
    def environment(self) -> dict[str, str]:
        """Return what the script is told."""
        return {
            "GROUNDSWELL_DEV": str(self.folder),
            "KAFKA_HOST": self.host,
            "KAFKA_PORT": str(self.port),
            "KAFKA_CONTROLLER_PORT": str(self.controller_port),
            "KAFKA_PROPERTIES": str(self.properties or ""),
        }

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        return int((self.folder / "kafka" / "pid").read_text().split()[0])

    def start(self) -> None:
        """Start and wait until it answers."""
        done = self.run("start")
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """Stop it in good order."""
        done = self.run("stop")
        assert done.returncode == 0, done.stderr

    def kill(self) -> None:
        """Let it die at once; return when it is gone."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while _is_alive(pid):
            assert time.monotonic() < end, f"process {pid} outlives its kill"
            time.sleep(0.01)

    def pause(self) -> None:
        """Stop the process where it is: its connections stay, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def run(self, verb: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the script; `more` goes into its environment."""
        return dev_script("kafka", verb, **{**self.environment, **more})


@contextlib.contextmanager
def kafka_server(folder: Path, host: str = "127.0.0.1", **more: Any) -> Iterator[KafkaServer]:
    """Run a broker with its data in `folder`, until the block ends; `more` as of `KafkaServer`."""
    server = KafkaServer(folder, host, **more)
    # Whoever ends us, even without asking, closes the pipe: no broker outlives its test. Its log stays.
    ending = 'read -r _; "$0" stop; rm -rf "$1"'
    with subprocess.Popen(
        ["sh", "-c", ending, DEV / "kafka", folder / "kafka" / "data"],
        env={**os.environ, **server.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        server.start()
        yield server


def _is_alive(pid: int) -> bool:
    """Tell whether a process is there; one that is dead and not yet collected is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
