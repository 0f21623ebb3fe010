"""A real Mosquitto on a free port, with a configuration and a memory of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.program import free_port

PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@dataclass
class Broker:
    """A broker that can be stopped, killed and started again; it keeps its port and its sessions."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log
            )
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(f"Mosquitto does not start:\n{self.log()}")

    def stop(self) -> None:
        """Stop it in good order: sessions are written."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def kill(self) -> None:
        """Let it die at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def mosquitto(folder: Path, *lines: str, port: int = 0) -> Iterator[Broker]:
    """Run a broker on a free (or this) port of the loopback interface; `lines` go into its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    configuration = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 1",
        *(["user root"] if os.geteuid() == 0 else []),
        *lines,
    ]
    (folder / "mosquitto.conf").write_text("\n".join(configuration) + "\n")
    broker = Broker(folder, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
