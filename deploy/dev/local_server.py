"""What the development servers share: their folder, port, process, and verbs.

Only the standard library: it runs before the environment exists.
"""

from __future__ import annotations

import abc
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
VERBS = ("install", "start", "stop", "status", "wipe")
STOPPED = 3
"""Exit code of `status` when the server does not run, as service scripts have it."""
POLL_S = 0.05
TAIL_LINES = 30


class Trouble(Exception):  # noqa: N818 - one sentence for the person, no fault of the program
    """What does not work, and what to do next."""


class Server(abc.ABC):
    """One server of one instance: everything that it keeps is in `folder`."""

    name: str
    port_variable: str
    start_limit_s = 60.0
    stop_limit_s = 40.0
    kept: tuple[str, ...]
    """What `wipe` removes from `folder`."""

    def __init__(self, default_port: int) -> None:
        self.folder = dev_folder() / self.name
        self.host = "127.0.0.1"
        self.port = port_of(self.port_variable, default_port)
        self.log = self.folder / "server.log"
        self._pid_file = self.folder / "pid"

    @abc.abstractmethod
    def install(self) -> None:
        """Install the programs; quick when they are there."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Write the configuration, and whatever must be there before the first start."""

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the command line; `folder` stands in it, so that the process can be told from others."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Tell whether the server can be used now."""

    def start(self) -> None:
        """Start it and wait until it answers; a running one is left alone."""
        if running := self._running():
            self._expect_same_port(running)
            self._wait_for_answer(running[0], None)
            self._say(f"runs already on {self.host}:{self.port} (process {running[0]})")
            return
        self.expect_free(self.port, self.port_variable)
        self.prepare()
        # The server's own log is a file of its own; this one holds what it says before that is open.
        with (self.folder / "console.log").open("wb") as console:
            process = subprocess.Popen(  # noqa: S603 - our own words
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{process.pid}\n{self.port}\n")
        try:
            self._wait_for_answer(process.pid, process)
        except BaseException:
            process.kill()
            process.wait()
            self._pid_file.unlink(missing_ok=True)
            raise
        self._say(f"runs on {self.host}:{self.port} (process {process.pid})")

    def stop(self) -> None:
        """Stop it in good order; kill it when it does not end in time."""
        running = self._running()
        if not running:
            self._pid_file.unlink(missing_ok=True)
            self._say("is stopped")
            return
        pid, _ = running
        try:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)  # a paused process would not hear it
        except PermissionError:
            raise Trouble(f"process {pid} belongs to another user: stop it as that user") from None
        except ProcessLookupError:
            pass
        if not wait_until(lambda: not self._running(), self.stop_limit_s):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if not wait_until(lambda: not self._running(), 10):
                raise Trouble(f"process {pid} cannot be ended: look at it with ps")
            self._say(f"did not stop within {self.stop_limit_s:.0f} s and was killed")
        self._pid_file.unlink(missing_ok=True)
        self._say("is stopped")

    def status(self) -> int:
        """Say whether it runs; return the exit code."""
        running = self._running()
        if not running:
            self._say("is stopped")
            return STOPPED
        pid, self.port = running
        if not self.answers():
            self._say(f"does not answer on {self.host}:{self.port} (process {pid}, log {self.log})")
            return 1
        self._say(f"runs on {self.host}:{self.port} (process {pid}, kept in {self.folder})")
        return 0

    def wipe(self) -> None:
        """Stop it and remove what it has kept; the programs stay."""
        self.stop()
        for name in (*self.kept, "console.log"):
            for path in self.folder.glob(name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        self._say(f"has nothing kept in {self.folder}")

    def expect_free(self, port: int, variable: str) -> None:
        """Refuse a port that somebody else has; `variable` is where a person chooses another."""
        if not port_is_free(self.host, port):
            raise Trouble(
                f"port {port} is taken by another program: stop that one, "
                f"or choose another port with {variable}"
            )

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep two callers of this instance apart."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / "lock")

    def _running(self) -> tuple[int, int] | None:
        """Return process id and port of the running server. A process id that was given anew is not it."""
        try:
            pid, port = (int(line) for line in self._pid_file.read_text().split())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return (pid, port) if os.fsencode(f"{self.folder}/") in command else None

    def _expect_same_port(self, running: tuple[int, int]) -> None:
        if running[1] != self.port:
            raise Trouble(
                f"it runs already on port {running[1]}: stop it first, "
                f"or name another folder with GROUNDSWELL_DEV for a second one"
            )

    def _wait_for_answer(self, pid: int, process: subprocess.Popen[bytes] | None) -> None:
        def ended() -> bool:
            return process.poll() is not None if process is not None else not self._running()

        wait_until(lambda: ended() or self.answers(), self.start_limit_s)
        if ended():
            raise Trouble(f"it ended at once; the end of its log:\n{self._tail()}")
        if not self.answers():
            raise Trouble(
                f"process {pid} did not answer within {self.start_limit_s:.0f} s; "
                f"the end of its log:\n{self._tail()}"
            )

    def _tail(self) -> str:
        lines = []
        for path in (self.folder / "console.log", self.log):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - 8000))
                lines += file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(lines)

    def _say(self, text: str) -> None:
        print(f"{self.name} {text}")


def run(make: type[Server], arguments: Sequence[str]) -> int:
    """Do one verb; return the exit code: 0 done, 1 trouble, 2 not a verb, 3 stopped (`status`)."""
    if len(arguments) != 1 or arguments[0] not in VERBS:
        print(f"usage: deploy/dev/{make.name} {'|'.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        server = make()  # type: ignore[call-arg]
        if arguments[0] == "install":
            server.install()
            return 0
        if arguments[0] == "status":
            return server.status()
        with server.locked():
            {"start": server.start, "stop": server.stop, "wipe": server.wipe}[arguments[0]]()
        return 0
    except Trouble as trouble:
        print(f"{make.name}: {trouble}", file=sys.stderr)
    except OSError as error:
        print(f"{make.name}: {error.filename or ''} {error.strerror or error}", file=sys.stderr)
    return 1


def dev_folder() -> Path:
    """Return the folder of this instance: $GROUNDSWELL_DEV, else .dev in the repository."""
    return Path(os.environ.get("GROUNDSWELL_DEV") or REPOSITORY / ".dev").absolute()


def port_of(variable: str, default: int) -> int:
    """Return the port that the environment names.

    Raises
    ------
    Trouble
        It is no port.
    """
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise Trouble(f"{variable}={text} is not a port: write a number from 1 to 65535")
    return int(text)


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Poll until `condition()` is true; return whether it became so within `limit_s`."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; wait for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def debian(packages: Sequence[str], *, why: str) -> None:
    """Install Debian packages as root.

    Raises
    ------
    Trouble
        Not root, or the packages cannot be had.
    """
    names = " ".join(packages)
    program = shutil.which("apt-get")
    if not program:
        raise Trouble(f"{why}: install what Debian calls {names}")
    if os.geteuid() != 0:
        raise Trouble(f"{why}: sudo apt-get install --no-install-recommends {names}")
    print(f"installing {names} ...")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(  # noqa: S603
            [program, *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Trouble(f"{why}, and apt-get {words[0]} failed:\n{done.stderr[-2000:]}")
