"""Looking at captures and at what is kept: `decode`, `stations`."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from connectors.replay import MAX_FILE_BYTES
from deploy import defaults
from deploy.data_folder import database, every_station, open_store, refusing_damage
from deploy.refusal import Refusal
from gnss import capture
from gnss.time import iso_z

T = TypeVar("T")

STATE_STYLES = {"good": "green", "degraded": "yellow", "bad": "red", "unknown": "dim"}
STEPS_SHOWN = 1000
WIDTH_IN_FILES = 200


def read_capture(path: Path) -> tuple[bytes, int]:
    """Return a capture's bytes and when it was last changed (microseconds of UTC)."""
    return read_file(path, "RTCM 3 capture")


def read_file(path: Path, kind: str) -> tuple[bytes, int]:
    """Return a file's bytes and when it was last changed (us of UTC); `kind` says what it should be."""
    try:
        about = path.stat()
        if not path.is_file():
            raise Refusal(f"{path} is not a file; name a readable {kind}")
        if about.st_size > MAX_FILE_BYTES:
            most = MAX_FILE_BYTES // 1_000_000
            raise Refusal(
                f"{path} has {about.st_size // 1_000_000} MB; cut it into files of at most {most} MB"
            )
        return path.read_bytes(), about.st_mtime_ns // 1000
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(f"cannot read {path} ({reason}); name a readable {kind}") from error


def print_summary(path: Path, date_us: int | None) -> None:
    """Print one JSON object."""
    buffer, modified_us = read_capture(path)
    print(json.dumps(capture.summary(buffer, date_us=date_us, modified_us=modified_us)))


def print_observations(path: Path, output: str, date_us: int | None) -> None:
    """Print a row for each observation; the table form goes to a person, csv and json to programs."""
    buffer, modified_us = read_capture(path)
    reference_us, week_from = capture.reference_time(buffer, date_us=date_us, modified_us=modified_us)
    rows = capture.observation_rows(capture.epochs(buffer, reference_us))
    print(f"week from: {week_from}", file=sys.stderr)
    first = next(rows, None)
    if first is None:
        raise Refusal(f"{path} holds no MSM observations; is it an RTCM 3 capture?")
    every = _shown(itertools.chain([first], rows), "observations", hidden=sys.stdout.isatty())
    with _reader_may_leave():
        if output == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(capture.ObservationRow._fields)
            writer.writerows(every)
        elif output == "json":
            for row in every:
                sys.stdout.write(json.dumps(row._asdict()) + "\n")
        else:
            _print_table(every)


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Print to a reader who may have seen enough, as `head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what Python still wants to flush
        os.close(nowhere)


def _shown(items: Iterable[T], what: str, *, hidden: bool = False) -> Iterator[T]:
    """Pass items on and count them in the terminal, if there is one."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn(f"{{task.completed:,}} {what}"), TimeElapsedColumn())
    hidden = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=None)
        for number, item in enumerate(items):
            if number % STEPS_SHOWN == 0:
                progress.update(task, completed=number)
            yield item


def _print_table(rows: Iterator[capture.ObservationRow]) -> None:
    columns = capture.ObservationRow._fields
    widths = [24 if name == "epoch" else max(len(name), 14) for name in columns]
    print("  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)))
    for row in rows:
        cells = ("" if value is None else str(value) for value in row)
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))


def print_stations(data: Path | None) -> None:
    """Print the kept stations, the worst first."""
    folder = data or Path(defaults.DATA)
    if not database(folder).exists():
        raise Refusal(f"nothing is kept in {folder} yet; name the folder of a run with --data DIR")
    order = ["bad", "degraded", "unknown", "good"]
    with contextlib.closing(open_store(folder)) as store, refusing_damage(folder):
        rows = sorted(
            every_station(store), key=lambda r: (order.index(r.report.state if r.report else "unknown"), r.id)
        )
    table = Table(box=SIMPLE_HEAD)
    for name in ("station", "state", "score", "last epoch", "latency s", "C/N0"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        report = row.report
        if report is None:
            table.add_row(row.id, "unknown", "", "", "", "", "no report yet")
            continue
        table.add_row(
            row.id,
            f"[{STATE_STYLES[report.state]}]{report.state}[/]",
            "" if report.score is None else str(report.score),
            iso_z(report.epoch_us),
            "" if report.latency_s is None else f"{report.latency_s:.2f}",
            "" if report.cn0_dbhz is None else f"{report.cn0_dbhz:.1f}",
            "; ".join(reason.text for reason in report.reasons[:2]),
        )
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES).print(table)
