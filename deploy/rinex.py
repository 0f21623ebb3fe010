"""`groundswell rinex`: recordings, or the archive of an installation, to RINEX 3.05 files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.inspect import WIDTH_IN_FILES
from deploy.recordings import Recording
from deploy.refusal import Refusal
from deploy.rinex_files import FileWriter, Output, Site
from gnss.assembly.table import Assembled, EpochTable
from gnss.rinex.convert import MESSAGES, FilePlan, FirstPass, SecondPass, Wanted
from gnss.scoring.problems import left_out as sentences

MOST_SHOWN = 12
_COUNTS = (
    "bad_frames", "skipped_bytes", "damaged_messages", "unusable_times", "late_frames", "oversized_epochs",
)  # fmt: skip
ProgressTeller = Callable[[float], None]
_FIRST_SHARE = 0.4
"""Of the progress, for the first pass."""


def run_rinex(
    recording: Recording,
    site: Site,
    output: Output,
    *,
    begin_us: int | None = None,
    end_us: int | None = None,
) -> None:
    """Write the files and tell what is in them, and what is not.

    Raises
    ------
    Refusal
        Nothing can be written, or a file is there already.
    """
    wanted = Wanted(site.marker, output.period_s, output.interval_s, begin_us, end_us)
    with _progress() as tell:
        first, table = FirstPass(wanted), EpochTable(MESSAGES)
        for assembled, reference_us, share in _assembled(table, recording):
            first.take(assembled, reference_us)
            tell(_FIRST_SHARE * share)
        plans = first.plans()
        writer = FileWriter(site, output, output.interval_s or _interval_s(plans))
        writer.refuse_existing(plans)
        second = SecondPass(wanted, plans)
        with writer:
            for assembled, reference_us, share in _assembled(EpochTable(MESSAGES), recording):
                for item in second.take(assembled, reference_us):
                    writer.take(item)
                tell(_FIRST_SHARE + (1.0 - _FIRST_SHARE) * share)
            for item in second.finish():
                writer.take(item)
    problems = [*recording.problems, *_frame_problems(table), *_left_out(second, writer)]
    if not writer.written:
        frames = int(table.counts().frames.sum())
        why = f"{frames:,} valid RTCM 3 frames, but no observation or ephemeris that a file can hold"
        if not frames:
            why = "no valid RTCM 3 frame was found; is it an RTCM 3 capture?"
        raise Refusal(" ".join(["nothing was written:", why, *problems]))
    _print(writer, plans, second, first.changes, problems)


@contextlib.contextmanager
def _progress() -> Iterator[ProgressTeller]:
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda share: progress.update(task, completed=share)


def _assembled(table: EpochTable, recording: Recording) -> Iterator[tuple[Assembled, int, float]]:
    """Yield the epochs of a recording piece by piece, with a time near them and the share that is done."""
    last: tuple[int, float] | None = None
    for piece in recording.pieces():
        if piece.begins and last is not None:
            yield (table.finish(), *last)
        yield table.feed(piece.chunks), piece.reference_us, piece.share
        last = piece.reference_us, piece.share
    if last is not None:
        yield (table.finish(), *last)


def _interval_s(plans: Sequence[FilePlan]) -> float | None:
    """Return the most frequent step of all files."""
    steps = [np.diff(plan.contents.gps_us) for plan in plans]
    steps_ms, counts = np.unique((np.concatenate([*steps, [0]]) + 500) // 1000, return_counts=True)
    usable = steps_ms > 0
    return float(steps_ms[usable][np.argmax(counts[usable])]) / 1000.0 if usable.any() else None


def _frame_problems(table: EpochTable) -> list[str]:
    counts = table.counts()
    return sentences({name: int(getattr(counts, name).sum()) for name in _COUNTS}) if len(counts) else []


def _left_out(second: SecondPass, writer: FileWriter) -> list[str]:
    every = second.left_out | writer.left_out
    told = [f"Left out, {reason}: {n:,}." for reason, n in every.items() if n]
    if second.other_weeks:
        told.append(
            f"{second.other_weeks:,} ephemerides are of another week than the observations;"
            " is the date right? Without --date the week comes from them."
        )
    return told


def _print(
    writer: FileWriter,
    plans: Sequence[FilePlan],
    second: SecondPass,
    changes: Sequence[str],
    problems: Sequence[str],
) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES, highlight=False, markup=False)
    of_path = {writer.path(plan.begin_us, "MO"): plan for plan in plans}
    for path in sorted(writer.written):
        plan = of_path.get(path)
        if plan is None:
            what = f"{writer.records[path]:,} ephemerides"
        else:
            what = f"{second.epochs[plan.begin_us]:,} epochs of {plan.contents.satellites} satellites"
        console.print(f"{path}  {what}", soft_wrap=True)
    _print_list(console, "the station changed what it says of itself", changes)
    _print_list(console, "to be noted", problems)


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"{title}:")
    for line in lines[:MOST_SHOWN]:
        console.print(f"  {line}", soft_wrap=True)
    if len(lines) > MOST_SHOWN:
        console.print(f"  and {len(lines) - MOST_SHOWN} more")
