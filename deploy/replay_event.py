"""`groundswell replay-event`: a stored time once more, through the rules of today or those of a file."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.inspect import WIDTH_IN_FILES
from deploy.refusal import Refusal
from deploy.rehearsal_page import VERDICTS, levels, opened, summary, to_html
from deploy.rehearsal_rules import read_rules
from deploy.rehearsal_store import reading
from deploy.rehearsing import Outcome, Wanted, rehearse
from deploy.settings import Settings
from deploy.times import time_us
from deploy.write_files import write_files
from gnss.time import iso_z
from streams.rehearsal import TooManyStepsError
from streams.rehearsal_outcome import Story, span

MOST_SHOWN = 60
"""Alerts that are printed; `--json` and `--html` have all."""
_NICENESS = 15
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for."""

    start: str
    end: str
    rules: Path | None
    warm_up_h: float | None
    sites: list[str]
    is_in_time: bool
    data: Path | None
    is_json: bool
    html: Path | None


class _StoppedError(Exception):
    """The person does not want to wait."""


def run_replay_event(settings: Settings, asked: Asked) -> None:
    """Rehearse, and print what would have come against what came.

    Raises
    ------
    Refusal
        Something of it cannot be done.
    """
    start_us, end_us = time_us("--start", asked.start), time_us("--end", asked.end)
    assert start_us is not None
    assert end_us is not None
    if end_us <= start_us:
        raise Refusal(f"--end {asked.end} is not behind --start {asked.start}")
    wanted = Wanted(
        start_us,
        end_us,
        None if asked.rules is None else read_rules(asked.rules),
        None if asked.warm_up_h is None else asked.warm_up_h * _HOUR_S,
        asked.sites,
        asked.is_in_time,
    )
    with reading(settings, asked.data) as store, _progress() as told:
        try:
            outcome = _behind_others(lambda go_on: rehearse(store, settings, wanted, go_on), told)
        except TooManyStepsError as error:
            raise Refusal(f"{error}; correct them, or choose a shorter time") from error
    if asked.is_json:
        sys.stdout.write(to_json(outcome) + "\n")
    else:
        _print(outcome)
    if asked.html is not None:
        write_files([(asked.html, to_html(outcome).encode())])


def to_json(outcome: Outcome) -> str:
    """Return it for programs: times as text, and all steps."""
    made: dict[str, Any] = {
        "start": iso_z(outcome.start_us),
        "end": iso_z(outcome.end_us),
        "read_from": iso_z(outcome.read_from_us),
        "rules": outcome.rules or None,
        "as_measured": outcome.is_in_time,
        "sites": outcome.sites,
        "datastreams": outcome.datastreams,
        "samples": outcome.samples,
        "detections": outcome.detections,
        "failures": outcome.failures,
        "counts": {verdict: sum(one.verdict == verdict for one in outcome.pairs) for verdict in VERDICTS},
        "alerts": [
            {
                "verdict": pair.verdict,
                "difference": pair.difference,
                "came": _story(pair.came),
                "rehearsed": _story(pair.rehearsed),
            }
            for pair in outcome.pairs
        ],
    }
    return msgspec.json.format(msgspec.json.encode(made)).decode()


def _story(story: Story | None) -> dict[str, Any] | None:
    if story is None:
        return None
    return {
        "id": story.alert_id,
        "rule": story.rule,
        "subject": story.subject_id,
        "title": story.title,
        "onset": iso_z(story.onset_us),
        "level": story.highest,
        "historic": story.historic,
        "steps": [
            {
                "at": iso_z(step.at_us),
                "change": step.change,
                "state": step.state,
                "level": step.level,
                "by": step.by,
                "silenced": step.silenced,
            }
            for step in story.steps
        ],
    }


def _print(outcome: Outcome) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES, highlight=False)
    console.print(f"{iso_z(outcome.start_us)} to {iso_z(outcome.end_us)}: {summary(outcome.pairs)}")
    warm_up = span(outcome.start_us - outcome.read_from_us)
    console.print(
        f"by {escape(outcome.rules or 'the rules of today')}; {outcome.samples:,} samples of "
        f"{outcome.datastreams} datastreams, read from {iso_z(outcome.read_from_us)} on "
        f"({warm_up} before: --warm-up)"
    )
    if outcome.failures:
        n = sum(outcome.failures.values())
        console.print(f"[red]{n} errors of processors, the last: {escape(outcome.last_failure)}[/]")
    table = Table(box=SIMPLE_HEAD)
    for name in ("", "subject", "rule", "came", "level", "would have come", "level", "difference"):
        table.add_column(name, overflow="fold")
    for pair in outcome.pairs[:MOST_SHOWN]:
        table.add_row(
            VERDICTS[pair.verdict],
            escape(pair.either.subject_id),
            escape(pair.either.rule),
            opened(pair.came),
            levels(pair.came),
            opened(pair.rehearsed),
            levels(pair.rehearsed),
            pair.difference,
        )
    if outcome.pairs:
        console.print(table)
    if len(outcome.pairs) > MOST_SHOWN:
        console.print(f"and {len(outcome.pairs) - MOST_SHOWN} more; --json and --html have all")


Told = Callable[[int, int, int], None]


@contextlib.contextmanager
def _progress() -> Any:
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)

        def told(now_us: int, from_us: int, to_us: int) -> None:
            done = (now_us - from_us) / max(to_us - from_us, 1)
            progress.update(task, completed=done, description=iso_z(now_us))

        yield told


def _behind_others(work: Callable[[Told], Outcome], told: Told) -> Outcome:
    """Do it in a thread that has what others leave over, where the system can tell threads apart."""
    stop = threading.Event()

    def go_on(now_us: int, from_us: int, to_us: int) -> None:
        if stop.is_set():
            raise _StoppedError
        told(now_us, from_us, to_us)

    def be_nice() -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

    with ThreadPoolExecutor(1, initializer=be_nice) as threads:
        future = threads.submit(work, go_on)
        try:
            return future.result()
        finally:
            stop.set()
