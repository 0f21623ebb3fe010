"""Reading files that a person names, and looking at what is kept: `stations`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from connectors.replay import MAX_FILE_BYTES
from deploy import defaults
from deploy.data_folder import database, open_store, refusing_damage
from deploy.refusal import Refusal
from gnss.time import iso_z
from storage.pages import every

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


def print_stations(data: Path | None) -> None:
    """Print the kept stations, the worst first."""
    folder = data or Path(defaults.DATA)
    if not database(folder).exists():
        raise Refusal(f"nothing is kept in {folder} yet; name the folder of a run with --data DIR")
    order = ["bad", "degraded", "unknown", "good"]
    with contextlib.closing(open_store(folder)) as store, refusing_damage(folder):
        rows = sorted(
            every(lambda after: store.stations(after=after, limit=1000)),
            key=lambda r: (order.index(r.report.state if r.report else "unknown"), r.id),
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
