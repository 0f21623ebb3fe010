"""One command as several processes: the first looks after the others and does nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

FIRST_WAIT_S, MOST_WAIT_S = 1.0, 30.0
"""Before a process that ended by a fault is started again; twice as long each time ..."""
LIVED_S = 60.0
"""... until it has lived for so long."""
REFUSED = 2
"""Exit code of what cannot work: to start it again is of no use."""
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Process:
    number: int
    pid: int = 0
    begun_s: float = 0.0
    wait_s: float = FIRST_WAIT_S
    due_s: float = 0.0
    """When it is to be started; infinite: never again."""


def divided(count: int) -> int:
    """Fork so many processes; return in each of them, with its number from 0 on.

    Call it before the event loop and threads begin. The first process starts again what ended by a fault, so
    that one may return here at any time. It passes a signal on, waits for all, and leaves by SystemExit.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    processes = [_Process(number) for number in range(count)]
    code, stopping = 0, False
    while True:
        for one in processes:
            if not one.pid and not stopping and time.monotonic() >= one.due_s:
                one.begun_s = time.monotonic()
                one.pid = os.fork()
                if not one.pid:
                    _end_with_parent()
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                    return one.number
        if not any(one.pid or (not stopping and one.due_s < float("inf")) for one in processes):
            raise SystemExit(code)
        got = signal.sigtimedwait(_WATCHED, _until_due(processes))
        if got is not None and got.si_signo != signal.SIGCHLD:
            stopping = True
        for one in processes:
            ended = _ended(one)
            if ended == REFUSED:
                code, stopping = REFUSED, True
            elif ended and not stopping:
                _plan(one, ended)
            elif ended is not None:
                one.due_s = float("inf")
        if stopping:
            for one in processes:
                _tell_to_stop(one)


def _until_due(processes: list[_Process]) -> float:
    """Return the seconds until something is to be done at the latest."""
    waits = [one.due_s - time.monotonic() for one in processes if not one.pid]
    return max(0.0, min((*waits, 1.0)))


def _ended(one: _Process) -> int | None:
    """Return with which code a process has ended, negative after a signal; None: it has not."""
    if not one.pid:
        return None
    pid, status = os.waitpid(one.pid, os.WNOHANG)
    if not pid:
        return None
    one.pid = 0
    return os.waitstatus_to_exitcode(status)


def _plan(one: _Process, code: int) -> None:
    now_s = time.monotonic()
    if now_s - one.begun_s > LIVED_S:
        one.wait_s = FIRST_WAIT_S
    log.error("a process ended by a fault and is started again", process=one.number, code=code)
    one.due_s = now_s + one.wait_s
    one.wait_s = min(2 * one.wait_s, MOST_WAIT_S)


def _tell_to_stop(one: _Process) -> None:
    if one.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGTERM)


def _end_with_parent() -> None:
    """Let the system stop this process when the first one is killed: nobody would look after it."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
