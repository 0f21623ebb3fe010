"""Looking at captures and at what is kept: `decode`, `score`, `stations`."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
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
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, Record, StationReport, StationReports

T = TypeVar("T")

STATE_STYLES = {"good": "green", "degraded": "yellow", "bad": "red", "unknown": "dim"}
STEPS_SHOWN = 1000
WIDTH_IN_FILES = 200


def read_capture(path: Path) -> tuple[bytes, int]:
    """Return a file's bytes and when it was last changed (microseconds of UTC)."""
    try:
        about = path.stat()
        if not path.is_file():
            raise Refusal(f"{path} is not a file; name a readable RTCM 3 capture")
        if about.st_size > MAX_FILE_BYTES:
            most = MAX_FILE_BYTES // 1_000_000
            raise Refusal(
                f"{path} has {about.st_size // 1_000_000} MB; cut it into files of at most {most} MB"
            )
        return path.read_bytes(), about.st_mtime_ns // 1000
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(f"cannot read {path} ({reason}); name a readable RTCM 3 capture") from error


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


def print_score(path: Path, date_us: int | None) -> None:
    """Judge a capture as a station without receiving times and print the verdict."""
    buffer, modified_us = read_capture(path)
    reference_us, week_from = capture.reference_time(buffer, date_us=date_us, modified_us=modified_us)
    reports = _reports(path.name, buffer, reference_us)
    if not reports:
        raise Refusal(f"{path} holds no epochs that could be judged; is it an RTCM 3 capture?")
    console = Console()
    table = Table.grid(padding=(0, 2))
    table.add_row("capture", path.name)
    table.add_row("epochs", f"{sum(r.epochs for r in reports)} of {sum(r.epochs_expected for r in reports)}")
    table.add_row("from", iso_z(reports[0].epoch_us))
    table.add_row("to", f"{iso_z(reports[-1].epoch_us)} (week from {week_from})")
    table.add_row("observations", _share(reports))
    table.add_row("C/N0", _middle(reports, "cn0_dbhz", "{:.1f} dB-Hz"))
    table.add_row("multipath", _middle(reports, "multipath_m", "{:.2f} m"))
    table.add_row("slips", f"{sum(r.slips for r in reports)}")
    table.add_row("frames", f"{sum(r.frames for r in reports)}, {sum(r.bad_frames for r in reports)} bad")
    table.add_row("latency", "unknown: a capture has no receiving times")
    states = Counter(r.state for r in reports)
    table.add_row("seconds", ", ".join(f"[{STATE_STYLES[s]}]{n} {s}[/]" for s, n in states.most_common()))
    console.print(table)
    last = reports[-1]
    score = "no score" if last.score is None else f"score {last.score}"
    console.print(f"at the end: [bold {STATE_STYLES[last.state]}]{last.state}[/], {score}")
    _print_reasons(console, reports)


def _reports(name: str, buffer: bytes, reference_us: int) -> list[StationReport]:
    judge = ScoreStations(())
    outputs: list[Record] = []
    for epoch_us, piece in _shown(capture.split_for_replay(buffer, reference_us), "epochs"):
        chunk = RawChunk(station_id=name, payload=piece, reference_us=epoch_us or reference_us)
        outputs.extend(judge.on_batch(RawBatch(chunks=[chunk])))
    outputs.extend(judge.on_end())
    return [r for batch in outputs if isinstance(batch, StationReports) for r in batch.reports]


def _share(reports: list[StationReport]) -> str:
    had = sum(r.observations for r in reports)
    known = [r for r in reports if r.observations_expected is not None]
    expected = sum(r.observations_expected or 0 for r in known)
    if not expected:
        return str(had)
    return f"{had}, {100 * sum(r.observations for r in known) / expected:.1f} % of those expected"


def _middle(reports: list[StationReport], name: str, form: str) -> str:
    values = [v for r in reports if (v := getattr(r, name)) is not None]
    return form.format(median(values)) + " (median)" if values else "could not be judged"


def _print_reasons(console: Console, reports: list[StationReport]) -> None:
    seconds = Counter(reason.code for r in reports for reason in r.reasons)
    newest = {reason.code: reason for r in reports for reason in r.reasons}
    for code, n in seconds.most_common():
        reason = newest[code]
        console.print(f"  {n:>6} s  {reason.text} [dim]{reason.check}[/]", highlight=False)


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
