"""`groundswell report`: what an installation has kept of a station, or of all of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy import defaults
from deploy.data_folder import database, open_store, refusing_damage
from deploy.inspect import STATE_STYLES, WIDTH_IN_FILES
from deploy.refusal import Refusal
from deploy.times import time_us
from deploy.write_files import Files, write_files
from gnss.quality.period import StationPeriod
from gnss.quality.score import default_limits
from gnss.reports import network_csv, network_html, network_json, to_csv, to_html, to_json
from gnss.reports.network import NetworkReport, StationRow, network_report
from gnss.time import DAY_US, iso_z
from storage.periods import network_periods, newest_report_us, station_period
from storage.sqlite import SqliteStore

MOST_SHOWN = 30
"""Stations that are printed; the files that are written have all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for; None: all stations, the 24 hours before the newest report."""

    data: Path | None
    station: str | None
    begin: str | None
    end: str | None
    html: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    """A folder."""
    language: Literal["en", "zh"] = "en"
    """Of the page."""


def run_report(asked: Asked) -> None:
    """Print the report and write it where asked.

    Raises
    ------
    Refusal
        Nothing is kept of that, or a file cannot be written.
    """
    folder = asked.data or Path(defaults.DATA)
    if not database(folder).exists():
        raise Refusal(f"nothing is kept in {folder} yet; name the folder of a run with --data DIR")
    with contextlib.closing(open_store(folder)) as store, refusing_damage(folder):
        if asked.station is not None and store.station(asked.station) is None:
            raise Refusal(f"there is no station {asked.station!r} in {folder}; `stations` lists them")
        begin_us, end_us = _range(store, asked)
        if asked.station is not None:
            files, rows = _of_station(store, asked, asked.station, begin_us, end_us)
        else:
            files, rows = _of_network(store, asked, begin_us, end_us)
    if not rows.stations:
        raise Refusal(
            f"nothing is kept of {asked.station or 'any station'} from {iso_z(begin_us)} to {iso_z(end_us)}; "
            "figures are kept when an hour is over: choose another range with --from and --to"
        )
    _print(rows)
    write_files(files)


def _range(store: SqliteStore, asked: Asked) -> tuple[int, int]:
    end_us = time_us("--to", asked.end)
    if end_us is None:
        row = store.station(asked.station) if asked.station is not None else None
        newest_us = row.report.epoch_us if row and row.report else newest_report_us(store)
        end_us = (newest_us or 0) + 1
    begin_us = time_us("--from", asked.begin)
    begin_us = max(0, end_us - DAY_US) if begin_us is None else begin_us
    if end_us <= begin_us:
        raise Refusal(f"--to {iso_z(end_us)} is not behind --from {iso_z(begin_us)}")
    return begin_us, end_us


def _of_station(
    store: SqliteStore, asked: Asked, station: str, begin_us: int, end_us: int
) -> tuple[Files, NetworkReport]:
    period = station_period(store, station, begin_us, end_us)
    rows = network_report([period] if period else [], default_limits())
    files: list[tuple[Path, bytes]] = []
    if period is None:
        return files, rows
    if asked.json is not None:
        files.append((asked.json, to_json(period)))
    if asked.html is not None:
        files.append((asked.html, to_html(period, language=asked.language).encode()))
    if asked.csv is not None:
        files += [(asked.csv / f"{name}.csv", text.encode()) for name, text in to_csv(period).items()]
    return files, rows


def _of_network(store: SqliteStore, asked: Asked, begin_us: int, end_us: int) -> tuple[Files, NetworkReport]:
    """Read the stations once for each form: one after the other, never all of them at once."""

    def periods() -> Iterator[StationPeriod]:
        return _counted(network_periods(store, begin_us, end_us))

    files: list[tuple[Path, bytes]] = []
    if asked.json is not None:
        files.append((asked.json, network_json(periods())))
    if asked.html is not None:
        files.append((asked.html, network_html(periods(), language=asked.language).encode()))
    if asked.csv is not None:
        files.append((asked.csv / "stations.csv", network_csv(periods()).encode()))
    return files, network_report(periods(), default_limits())


def _counted(periods: Iterator[StationPeriod]) -> Iterator[StationPeriod]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed:,} stations"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        for period in periods:
            yield period
            progress.advance(task)


def _print(told: NetworkReport) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES, highlight=False)
    counts = ", ".join(
        f"{n} [{STATE_STYLES[state]}]{state}[/]" for state, n in told.stations_by_state.items()
    )
    console.print(f"{told.begin} to {told.end}: {counts}")
    table = Table(box=SIMPLE_HEAD)
    for name in ("station", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("score", "epochs %", "expected %", "slips/1000", "multipath m", "C/N0", "latency s", "gaps"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("why", overflow="fold")
    for row in told.stations[:MOST_SHOWN]:
        table.add_row(*_cells(row))
    console.print(table)
    if len(told.stations) > MOST_SHOWN:
        console.print(f"and {len(told.stations) - MOST_SHOWN} more; --csv, --json and --html have all")


def _cells(row: StationRow) -> list[str]:
    figures = (
        (row.score, ".0f", 1.0),
        (row.epochs_share, ".2f", 100.0),
        (row.share_above_mask, ".1f", 100.0),
        (row.slips_per_1000_observations, ".2f", 1.0),
        (row.multipath_rms_m, ".2f", 1.0),
        (row.cn0_mean_dbhz, ".1f", 1.0),
        (row.latency_median_s, ".2f", 1.0),
    )
    return [
        escape(row.station_id),
        f"[{STATE_STYLES[row.state]}]{row.state}[/]",
        *("" if value is None else format(value * factor, form) for value, form, factor in figures),
        str(row.gaps),
        escape(row.text or ", ".join(row.because)),
    ]
