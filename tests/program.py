"""Running the whole program as a person would: the console script in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests import forks

GROUNDSWELL = Path(sys.executable).parent / "groundswell"


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def groundswell(
    *arguments: str | Path, timeout: float = 120, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [GROUNDSWELL, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def called(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, which saves the imports; `groundswell` is the real thing."""
    from deploy.cli import main

    words = [str(GROUNDSWELL), *map(str, arguments)]
    code, out, err = 0, io.StringIO(), io.StringIO()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", words)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@dataclass
class Running:
    """A started program with its addresses."""

    process: subprocess.Popen[bytes] | forks.Fork
    http_port: int
    ntrip_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def get(self, path: str, **parameters: Any) -> Any:
        answer = httpx.get(self.url + path, params=parameters, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        return list(self.get(path, **parameters)["items"])

    def wait_for(self, what: str, condition: Any, timeout: float = 180) -> Any:
        """Poll until `condition()` is truthy; a program that died fails at once with its log."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the program ended while waiting for {what}:\n{self.tail()}")
            with contextlib.suppress(httpx.HTTPError):
                if value := condition():
                    return value
            time.sleep(0.2)
        raise AssertionError(f"no {what} within {timeout} s:\n{self.tail()}")

    def wait_ready(self, timeout: float = 180) -> None:
        self.wait_for("readiness", lambda: httpx.get(self.url + "/readyz", timeout=2).is_success, timeout)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Stop as Ctrl-C does and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def running(folder: Path, command: str, *arguments: str | Path, anew: bool = False) -> Iterator[Running]:
    """Start a serving command with free ports and `folder/data`; stop it in the end whatever happens.

    `anew`: by the console script, as a person would.
    """
    folder.mkdir(parents=True, exist_ok=True)
    http_port, ntrip_port, log = free_port(), free_port(), folder / "log.txt"
    words = [
        command,
        *map(str, arguments),
        *("--http", f"127.0.0.1:{http_port}"),
        *("--ntrip", f"127.0.0.1:{ntrip_port}"),
        *("--data", str(folder / "data")),
    ]
    with log.open("ab") as output:
        program = Running(_begun(words, output, anew=anew), http_port, ntrip_port, log)
        try:
            yield program
        finally:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait(10)


def _begun(words: Sequence[str], output: IO[bytes], *, anew: bool) -> subprocess.Popen[bytes] | forks.Fork:
    if not anew:
        return forks.begin(words, output)
    surroundings = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([GROUNDSWELL, *words], stdout=output, stderr=subprocess.STDOUT, env=surroundings)


def last_json(output: str) -> Any:
    """Return the JSON object on the last line of a program's output."""
    return json.loads(output.strip().splitlines()[-1])
