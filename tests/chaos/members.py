"""What can be killed, paused and started again: the program's processes, and the servers under them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.program import GROUNDSWELL
from tests.servers import DEV

WAIT_S = 120.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Member(Protocol):
    """One that faults are done to."""

    name: str
    place: str

    def start(self) -> None:
        """Start it; return when it runs."""
        ...

    def kill(self) -> None:
        """Let it die at once."""
        ...

    def pids(self) -> list[int]:
        """Return its processes."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        ...


def pause(member: Member) -> None:
    """Stop all its processes where they are."""
    for pid in member.pids():
        os.kill(pid, signal.SIGSTOP)


def resume(member: Member) -> None:
    """Let them go on."""
    for pid in reversed(member.pids()):
        os.kill(pid, signal.SIGCONT)


def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Return when `condition()` is truthy.

    Raises
    ------
    TimeoutError
        It does not become so.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.1)


def family(pid: int) -> list[int]:
    """Return a process and all that it started, parents first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(int(child)))]


@dataclass
class Program:
    """A command of the program at its place."""

    name: str
    place: str
    arguments: tuple[str, ...]
    watch: str
    """HOST:PORT of `/metrics` and `/readyz`."""
    folder: Path
    enter: Sequence[str] = ()
    starts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.enter, GROUNDSWELL, *self.arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only asks the kernel
            )

    def kill(self) -> None:
        assert self.process is not None
        for pid in reversed(self.pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Stop it in good order; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def pids(self) -> list[int]:
        return family(self.process.pid) if self.process is not None else []

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and text of an answer; 0: there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.watch}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        return self.ask("/readyz")[0] == 200

    def trouble(self) -> str:
        """Return what `/readyz` complains of; empty: nothing."""
        status, text = self.ask("/readyz")
        return text.strip() if status == 503 else ""

    def figure(self, name: str) -> float | None:
        """Return the sum of a figure of `/metrics`, over its labels; None: it is not told."""
        found = re.findall(
            rf"^groundswell_{name}(?:\{{[^}}]*\}})? (\S+)$", self.ask("/metrics")[1], re.MULTILINE
        )
        return sum(map(float, found)) if found else None


@dataclass
class Broker:
    """Kafka, by the script of `deploy/dev`."""

    name: str
    place: str
    folder: Path
    host: str
    port: int
    controller_port: int
    heap: str = "768m"
    enter: Sequence[str] = ()

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GROUNDSWELL_DEV": str(self.folder),
            "KAFKA_HOST": self.host,
            "KAFKA_PORT": str(self.port),
            "KAFKA_CONTROLLER_PORT": str(self.controller_port),
            "KAFKA_HEAP": self.heap,
        }

    def start(self) -> None:
        script("kafka", "start", self.environment, self.enter)

    def kill(self) -> None:
        kill_all(self.pids())

    def pids(self) -> list[int]:
        return family(pid_of(self.folder / "kafka" / "pid"))

    @property
    def alive(self) -> bool:
        return bool(self.pids())


@dataclass
class DatabaseServer:
    """PostgreSQL, by the script of `deploy/dev`."""

    name: str
    place: str
    folder: Path
    host: str
    port: int
    subnet: str = ""
    """That may come in, in place of the loopback interface alone; `10.1.2.0/24`."""
    enter: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/groundswell"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GROUNDSWELL_DEV": str(self.folder), "POSTGRES_PORT": str(self.port), "POSTGRES_HOST": self.host,
        }  # fmt: skip

    def start(self) -> None:
        rules = self.folder / "postgres" / "data" / "pg_hba.conf"
        if self.subnet and not rules.exists():
            inside = {**self.environment, "POSTGRES_HOST": "127.0.0.1"}
            script("postgres", "start", inside, self.enter)  # makes the database
            with rules.open("a") as file:
                file.write(f"host all all {self.subnet} trust\n")
            script("postgres", "stop", inside, self.enter)
        script("postgres", "start", self.environment, self.enter)

    def kill(self) -> None:
        pids = self.pids()
        kill_all(pids[:1])  # as the kernel would: the others find out
        until(lambda: not any(is_alive(pid) for pid in pids), "the end of PostgreSQL's processes", 60)

    def pids(self) -> list[int]:
        return family(pid_of(self.folder / "postgres" / "pid"))

    @property
    def alive(self) -> bool:
        return bool(self.pids())


def script(name: str, verb: str, environment: dict[str, str], enter: Sequence[str] = ()) -> None:
    """Run a verb of a script of `deploy/dev`, again for a while when it fails: as a supervisor would.

    Raises
    ------
    RuntimeError
        It fails again and again.
    """
    for attempt in range(10):
        done = subprocess.run(
            [*enter, DEV / name, verb],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if done.returncode == 0:
            return
        time.sleep(min(attempt, 3))
    raise RuntimeError(f"{name} {verb}: {done.stdout[-1500:]}{done.stderr[-1500:]}")


def kill_all(pids: Sequence[int]) -> None:
    """Kill processes and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in pids), f"the end of {list(pids)}", 30)


def is_alive(pid: int) -> bool:
    """Whether a process is there; one that is dead and not yet collected is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pid_of(file: Path) -> int:
    """Return the process that a server's script has started; 0 where it runs no more."""
    try:
        pid = int(file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return pid if is_alive(pid) and os.fsencode(f"{file.parent}/") in command else 0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
