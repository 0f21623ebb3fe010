"""Commands of the program begun by copies of a process that has imported it, which saves seconds a start.

All the rest is as from the console script: a process of its own with its own words, surroundings and output,
that ends by itself or by a signal. What a start from nothing does is for tests of whole programs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_LONGEST = 60_000
"""Bytes of one order: words and surroundings."""


class Fork:
    """A process begun by the one that has imported everything; what is used of `subprocess.Popen`."""

    def __init__(self, pid: int, parent: _Parent) -> None:
        self.pid = pid
        self._parent = parent

    @property
    def returncode(self) -> int | None:
        return self._parent.ended.get(self.pid)

    def poll(self) -> int | None:
        self._parent.listen(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = 0.5 if end is None else end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(["groundswell"], timeout or 0.0)
            self._parent.listen(min(left, 0.5))
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _Parent:
    """The process that has imported everything, as those see it that ask it for copies."""

    def __init__(self) -> None:
        self.ended: dict[int, int] = {}
        self._lock = threading.RLock()
        self._begun: list[int] = []
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parent.parent,
            )

    def begin(self, arguments: Sequence[str], output: IO[bytes]) -> Fork:
        order = {
            "arguments": arguments,
            "environ": {**os.environ, "PYTHONUNBUFFERED": "1"},
            "cwd": str(Path.cwd()),
        }
        with self._lock:
            socket.send_fds(self._line, [json.dumps(order).encode()], [output.fileno()])
            while not self._begun:
                self.listen(1.0)
                assert self._process.poll() is None, "the process that begins others has ended"
            return Fork(self._begun.pop(), self)

    def listen(self, timeout_s: float) -> None:
        """Hear which processes began and ended, waiting for the first at most `timeout_s`."""
        with self._lock:
            while select.select([self._line], [], [], timeout_s)[0] and (told := self._line.recv(_LONGEST)):
                news = json.loads(told)
                if "begun" in news:
                    self._begun.append(news["begun"])
                else:
                    self.ended[news["ended"]] = news["code"]
                timeout_s = 0.0

    def end(self) -> None:
        self._line.close()
        self._process.wait(10)


@functools.cache
def _parent() -> _Parent:
    return _Parent()


def begin(arguments: Sequence[str], output: IO[bytes]) -> Fork:
    """Begin `groundswell ARGUMENTS`; `output` takes what it prints."""
    return _parent().begin(arguments, output)


def end() -> None:
    """End the process that begins others, where there is one."""
    if _parent.cache_info().currsize:
        _parent().end()
        _parent.cache_clear()


def _serve(line: socket.socket) -> Sequence[str] | None:
    """Begin what is asked for. Returns in each copy with its words, and None in the end."""
    woken, wake = os.pipe()
    for fd in (woken, wake):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([line.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid, code in _ended():
                line.send(json.dumps({"ended": pid, "code": code}).encode())
        if line.fileno() not in ready:
            continue
        told, fds, _, _ = socket.recv_fds(line, _LONGEST, 1)
        if not told:
            return None
        sys.stdout.flush()
        if pid := os.fork():
            os.close(fds[0])
            line.send(json.dumps({"begun": pid}).encode())
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in (woken, wake):
            os.close(fd)
        line.close()
        return _become(json.loads(told), fds[0])


def _ended() -> list[tuple[int, int]]:
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((one[0], os.waitstatus_to_exitcode(one[1])))
    return found


def _become(order: dict[str, object], output: int) -> Sequence[str]:
    """Be a process as the console script would find itself."""
    surroundings, arguments = order["environ"], order["arguments"]
    assert isinstance(surroundings, dict)
    assert isinstance(arguments, list)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(surroundings)
    os.chdir(str(order["cwd"]))
    return arguments


def _main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(line.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who asked
    from deploy import cli, kernel_cache

    kernel_cache.use()
    import deploy.archive_command
    import deploy.caster_command
    import deploy.gather
    import deploy.notify_command
    import deploy.serve
    import deploy.store_command
    import deploy.worker  # noqa: F401 - so that no copy has to

    arguments = _serve(line)
    if arguments is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["groundswell", *arguments]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    cli.main()


if __name__ == "__main__":
    _main()
