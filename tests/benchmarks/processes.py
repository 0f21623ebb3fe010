"""Processes of a benchmark: started, measured, and asked for what they have to tell."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HZ = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / _HZ


def family(pid: int) -> float:
    """Return the processor time of a process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if pid else []
    return cpu_s(pid) + sum(family(int(child)) for child in children)


@contextlib.contextmanager
def started(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the JSON object that a process prints at its end."""
    output, _ = process.communicate()
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer
