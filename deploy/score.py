"""`groundswell score`: a file judged, told to a person, and written as JSON, a page or tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.inspect import STATE_STYLES, WIDTH_IN_FILES, read_file
from deploy.refusal import Refusal
from deploy.settings_file import load
from deploy.write_files import write_files
from gnss.quality.judgements import STATES
from gnss.quality.period import StationPeriod
from gnss.quality.registry import Registered
from gnss.quality.score import default_limits
from gnss.reports import to_csv, to_html, to_json
from gnss.reports.figures import Reason, Signals, StationReport
from gnss.reports.report import report
from gnss.scoring import NothingToScoreError, score_file

KIND = "RTCM 3 capture or RINEX observation file"
MOST_SHOWN = 8
"""Gaps and problems that are printed; the files that are written have all."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a report is written; None: not there."""

    json: Path | None = None
    html: Path | None = None
    csv: Path | None = None
    """A folder."""
    language: Literal["en", "zh"] = "en"
    """Of the page."""


def registered_station(station_id: str | None, config: Path | None) -> Registered | None:
    """Return what a configuration says of a station; None when none is asked for.

    Raises
    ------
    Refusal
        One of both is missing, or the configuration has no such station.
    """
    if station_id is None and config is None:
        return None
    if station_id is None or config is None:
        raise Refusal("--station and --config go together: a station, and the file that describes it")
    known = {one.id: one for one in load(config).station}
    if station_id not in known:
        raise Refusal(f"{config} has no station {station_id!r}; it has {', '.join(sorted(known)) or 'none'}")
    one = known[station_id]
    return Registered.at(one.longitude, one.latitude, one.height_m, one.antenna, one.receiver)


def run_score(
    path: Path,
    navigation: Sequence[Path],
    date_us: int | None,
    outputs: Outputs,
    registered: Registered | None = None,
) -> None:
    """Judge a file, print its report and write it where asked."""
    data, modified_us = read_file(path, KIND)
    others = [read_file(one, "RINEX navigation file")[0] for one in navigation]
    period = _scored(path, data, others, date_us, modified_us, registered)
    _print(report(period, default_limits()), _last_state(period))
    _write(period, outputs)


def _scored(
    path: Path,
    data: bytes,
    navigation: list[bytes],
    date_us: int | None,
    modified_us: int,
    registered: Registered | None,
) -> StationPeriod:
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        try:
            return score_file(
                data,
                navigation,
                name=path.name,
                date_us=date_us,
                modified_us=modified_us,
                registered=registered,
                progress=lambda done: progress.update(task, completed=done),
            )
        except NothingToScoreError as error:
            raise Refusal(f"{path} could not be judged: {error}") from error


def _write(period: StationPeriod, outputs: Outputs) -> None:
    files: list[tuple[Path, bytes]] = []
    if outputs.json is not None:
        files.append((outputs.json, to_json(period)))
    if outputs.html is not None:
        files.append((outputs.html, to_html(period, language=outputs.language).encode()))
    if outputs.csv is not None:
        files += [(outputs.csv / f"{name}.csv", text.encode()) for name, text in to_csv(period).items()]
    write_files(files)


def _last_state(period: StationPeriod) -> tuple[str, float | None]:
    """Return the worst state and the lowest score of the last minute."""
    minutes = period.minutes
    if not len(minutes.state):
        return "unknown", None
    score = float(minutes.score[-1])
    return STATES[minutes.state[-1]], None if score != score else score  # noqa: PLR0124 - NaN


def _print(told: StationReport, last: tuple[str, float | None]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES, highlight=False)
    console.print(f"[bold]{escape(told.station_id)}[/]  {escape(told.source)}")
    console.print(_summary(told))
    console.print(_signals(told))
    state = told.verdict.state
    because = f" because of {', '.join(told.verdict.because)}" if told.verdict.because else ""
    mean = "no score" if told.score is None else f"mean score {told.score:.0f}"
    console.print(f"verdict: [bold {STATE_STYLES[state]}]{state}[/]{because}, {mean}")
    state, score = last
    told_score = "no score" if score is None else f"score {score:.0f}"
    console.print(f"at the end: [bold {STATE_STYLES[state]}]{state}[/], {told_score}")
    for reason in told.reasons:
        console.print(_reason(reason))
    _print_list(console, "could not be read or judged", told.problems)


def _summary(told: StationReport) -> Table:
    table = Table.grid(padding=(0, 2))
    total = told.total
    table.add_row("from", told.begin)
    table.add_row("to", f"{told.end} (each {_figure(told.interval_s, 'g')} s)")
    table.add_row("epochs", f"{told.epochs} of {told.epochs_expected}{_percent(told.epochs_share)}")
    usable = ", ".join(
        f"{system} {one.count}{_percent(one.share)}" for system, one in told.usable_epochs.items()
    )
    table.add_row("usable epochs", usable or "none: four satellites of two carriers are needed")
    table.add_row("observations", f"{total.observations:,}")
    table.add_row("expected, horizon", _completeness(total.have, total.expected, total.share))
    above = _completeness(total.have_above_mask, total.expected_above_mask, total.share_above_mask)
    table.add_row(f"expected, {told.mask_deg:.0f} degrees", above)
    table.add_row("C/N0", _with_unit(total.cn0_mean_dbhz, ".1f", "dB-Hz"))
    table.add_row("multipath", _with_unit(total.multipath_rms_m, ".2f", "m RMS"))
    slips = f"{total.lock_slips} by lock, {total.phase_slips} by phase; {total.interruptions} interruptions"
    per_slip = total.observations_per_slip
    table.add_row("slips", slips + ("" if per_slip is None else f"; {per_slip:,.0f} observations per slip"))
    if told.frames or told.bad_frames:
        table.add_row("frames", f"{told.frames:,}, {told.bad_frames:,} bad")
    what = "a capture" if told.frames else "an observation file"
    table.add_row("latency", f"unknown: {what} has no receiving times")
    table.add_row("position", _position(told))
    gaps = [f"{gap.begin} {gap.seconds:.0f} s" for gap in told.gaps[:MOST_SHOWN]]
    more = f" and {len(told.gaps) - MOST_SHOWN} more" if len(told.gaps) > MOST_SHOWN else ""
    table.add_row("gaps", "; ".join(gaps) + more if gaps else "none")
    if told.clock_jumps:
        table.add_row("clock", f"{len(told.clock_jumps)} steps, the first at {told.clock_jumps[0].time}")
    seconds = [f"[{STATE_STYLES[s]}]{n:.0f} {s}[/]" for s, n in told.state_seconds.items() if n]
    table.add_row("seconds", ", ".join(seconds))
    for name, text in told.metadata.items():
        table.add_row(escape(name), escape(text))
    return table


def _position(told: StationReport) -> str:
    one = told.position
    if one is None:
        return "could not be judged"
    offsets = ", ".join(
        f"{one[f'{axis}_m']:+.2f} ± {one[f'{axis}_sd_m']:.2f} m {axis}" for axis in ("east", "north", "up")
    )
    return f"{offsets} of the coordinates of the {one['reference']} ({one['count']} positions)"


def _signals(told: StationReport) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("signal")
    mask = f"{told.mask_deg:.0f}°"
    for name in ("observations", "above 0°", f"above {mask}", "multipath m", "C/N0", "lock slips",
                 "phase slips", "interruptions"):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for one in [*told.signals, told.total]:
        table.add_row(*_signal(one))
    return table


def _signal(one: Signals) -> tuple[str, ...]:
    return (
        f"{one.system} {one.signal}" if one.system else "all",
        f"{one.observations:,}",
        "" if one.share is None else f"{100 * one.share:.1f} %",
        "" if one.share_above_mask is None else f"{100 * one.share_above_mask:.1f} %",
        _figure(one.multipath_rms_m, ".2f"),
        _figure(one.cn0_mean_dbhz, ".1f"),
        str(one.lock_slips),
        str(one.phase_slips),
        str(one.interruptions),
    )


def _reason(reason: Reason) -> str:
    return f"  {reason.seconds:>6.0f} s  {escape(reason.text)} [dim]{escape(reason.check)}[/]"


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{title}:")
    for line in lines[:MOST_SHOWN]:
        console.print(f"  {escape(line)}")
    if len(lines) > MOST_SHOWN:
        console.print(f"  and {len(lines) - MOST_SHOWN} more; --json writes all")


def _completeness(have: int, expected: int, share: float | None) -> str:
    return "could not be judged" if share is None else f"{have:,} of {expected:,}{_percent(share)}"


def _percent(share: float | None) -> str:
    return "" if share is None else f" ({100 * share:.1f} %)"


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _with_unit(value: float | None, form: str, unit: str) -> str:
    return "could not be judged" if value is None else f"{value:{form}} {unit}"
