"""One command as several processes: faults, signals, refusals and the end of the first one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
from pathlib import Path
from deploy import several_processes
several_processes.FIRST_WAIT_S = 0.05
from deploy.stopping import leave_on_signals
leave_on_signals()
number = several_processes.divided(3)
(Path(sys.argv[1]) / f"{number}.{os.getpid()}").touch()
if (Path(sys.argv[1]) / "refuse").exists() and number == 1:
    raise SystemExit(2)
time.sleep(float(sys.argv[2]))
"""


@contextlib.contextmanager
def program(folder: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), str(seconds)])
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def pids(folder: Path, number: int) -> list[int]:
    """Return the processes that there have been with a number."""
    return [int(file.suffix[1:]) for file in folder.glob(f"{number}.*")]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_each_has_its_number_and_a_signal_ends_all(tmp_path):
    with program(tmp_path, 600) as process:
        until(lambda: all(pids(tmp_path, n) for n in range(3)))
        process.terminate()
        assert process.wait(30) == 0
        assert not any(is_running(pid) for n in range(3) for pid in pids(tmp_path, n))


def test_one_that_dies_is_started_again_and_the_others_go_on(tmp_path):
    with program(tmp_path, 600) as process:
        until(lambda: all(pids(tmp_path, n) for n in range(3)))
        first = pids(tmp_path, 1)
        for deaths in range(1, 3):
            os.kill(next(pid for pid in pids(tmp_path, 1) if is_running(pid)), signal.SIGKILL)
            until(lambda deaths=deaths: len(pids(tmp_path, 1)) == 1 + deaths)
        assert not is_running(first[0])
        assert all(len(pids(tmp_path, n)) == 1 and is_running(pids(tmp_path, n)[0]) for n in (0, 2))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_all_end_when_their_time_is_over(tmp_path):
    with program(tmp_path, 0.2) as process:
        assert process.wait(30) == 0
        assert [len(pids(tmp_path, n)) for n in range(3)] == [1, 1, 1]


def test_what_cannot_work_is_not_tried_again(tmp_path):
    (tmp_path / "refuse").touch()
    with program(tmp_path, 600) as process:
        assert process.wait(30) == 2
        assert len(pids(tmp_path, 1)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's end")
def test_nobody_is_left_alone(tmp_path):
    with program(tmp_path, 600) as process:
        until(lambda: all(pids(tmp_path, n) for n in range(3)))
        process.kill()
        until(lambda: not any(is_running(pid) for n in range(3) for pid in pids(tmp_path, n)))
