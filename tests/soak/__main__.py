"""`make soak`: the load of `make chaos` without faults; memory, open files and lag of each process.

`python -m tests.soak --minutes 30 --stations 500`. The last line is one JSON object: of each process
`memory_mb_5min, memory_mb_end, memory_mb_most, growth_mb_h, files_5min, files_end` (what processes share
counts in parts), the writer's lag, and the books of all rows. The exit code is 1 when a row is lost, doubled
or wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy import kernel_cache

kernel_cache.use()

from deploy.settings_file import load  # noqa: E402 - the kernels' cache comes first
from tests.chaos.alarms import Oracle  # noqa: E402
from tests.chaos.books import Books  # noqa: E402
from tests.chaos.house import House, Size, house  # noqa: E402
from tests.chaos.stations import clock_us  # noqa: E402
from tests.chaos.trial import Prober, Trial  # noqa: E402

SETTLED_S = 300.0
"""Growth counts from here on: caches are full and kernels loaded."""
BEAT_S = 5.0
MEGABYTE = 1e6


@dataclass
class Course:
    """How one process has fared."""

    at_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self, at_s: float, pids: Iterable[int]) -> None:
        """Add what its processes use now."""
        some = list(pids)
        self.at_s.append(at_s)
        self.memory_mb.append(sum(own_mb(pid) for pid in some))
        self.files.append(sum(open_files(pid) for pid in some))

    def line(self) -> dict[str, float | int | None]:
        """Return the figures of the report."""
        settled = next((i for i, at in enumerate(self.at_s) if at >= SETTLED_S), 0)
        hours = (self.at_s[-1] - self.at_s[settled]) / 3600
        growth = (self.memory_mb[-1] - self.memory_mb[settled]) / hours if hours > 0 else None
        return {
            "settled_s": round(self.at_s[settled]),
            "memory_mb_5min": round(self.memory_mb[settled], 1),
            "memory_mb_end": round(self.memory_mb[-1], 1),
            "memory_mb_most": round(max(self.memory_mb), 1),
            "growth_mb_h": None if growth is None else round(growth, 1),
            "files_5min": self.files[settled],
            "files_end": self.files[-1],
        }


def own_mb(pid: int) -> float:
    """Return the memory of a process; what it shares with others counts in parts (PSS)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / MEGABYTE
    except OSError:
        pass
    return 0.0


def open_files(pid: int) -> int:
    """Return how many files and sockets a process has."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--sensors", type=int, default=100)
    parser.add_argument("--alerting", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", default="", help="file for the JSON report")
    options = parser.parse_args()
    size = Size(options.stations, options.sensors, min(options.alerting, options.sensors), seed=options.seed)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    with house(size, cuts=False, small_disks=False) as built:
        with console.status("servers and processes start"):
            built.start()
        report = soak(built, options.minutes * 60, console)
    text = json.dumps({"minutes": options.minutes, "stations": options.stations, **report})
    if options.report:
        Path(options.report).write_text(text + "\n")
    print(text)
    return 0 if report["good"] else 1


def soak(built: House, seconds: float, console: Console) -> dict[str, object]:
    """Let it run, look at it each few seconds, and count the rows in the end."""
    begin_us, begin = clock_us(), time.monotonic()
    courses = {name: Course() for name in built.members}
    lags: list[float] = []
    with Live(console=console, refresh_per_second=1) as live:
        while (at_s := time.monotonic() - begin) < seconds:
            for name, member in built.members.items():
                courses[name].look(at_s, member.pids())
            lags.append(built.programs["store"].figure("store_lag_messages") or 0.0)
            live.update(table(courses, at_s, lags))
            built.check_alive()
            time.sleep(BEAT_S)
    built.end_world()
    settings = load(built.folder / "groundswell.toml")
    books = Books(built.ledger, built.postgres.url, 0)
    oracle = Oracle(built.ledger, settings, built.postgres.url, built.subscriber)
    prober, trial = Prober(built, books, oracle, begin_us), Trial("soak")
    with console.status("counting"):
        prober.settle(trial, clock_us(), lambda _: None)
    return {
        "good": trial.good,
        "processes": {name: course.line() for name, course in courses.items()},
        "lag_most_messages": max(lags),
        "lag_end_messages": lags[-1],
        "rows": trial.line(),
    }


def table(courses: dict[str, Course], at_s: float, lags: list[float]) -> Table:
    """Return what is shown meanwhile."""
    shown = Table(
        "process", "memory after 5 min", "now", "growth", "files", caption=f"lag {lags[-1]:.0f} messages"
    )
    shown.title = f"{at_s / 60:.0f} min"
    for name, course in courses.items():
        line = course.line()
        growth = "" if at_s < SETTLED_S or line["growth_mb_h"] is None else f"{line['growth_mb_h']:+} MB/h"
        shown.add_row(
            name,
            f"{line['memory_mb_5min']} MB",
            f"{line['memory_mb_end']} MB",
            growth,
            str(line["files_end"]),
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
