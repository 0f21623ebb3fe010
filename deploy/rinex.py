"""`groundswell rinex`: recordings, or the archive of an installation, to RINEX 3.05 files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.inspect import WIDTH_IN_FILES
from deploy.recordings import Recording
from deploy.refusal import Refusal
from deploy.rinex_files import FileWriter, Output
from gnss.assembly.table import EpochTable
from gnss.rinex.convert import MESSAGES, FilePlan, FirstPass, SecondPass, Wanted, interval_of
from gnss.rinex.site import Site
from gnss.scoring.problems import left_out as sentences
from storage.raw_pieces import assembled

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
        for epochs, reference_us, share in assembled(table, recording.pieces()):
            first.take(epochs, reference_us)
            tell(_FIRST_SHARE * share)
        plans = first.plans()
        writer = FileWriter(site, output, output.interval_s or interval_of(plans))
        writer.refuse_existing(plans)
        second = SecondPass(wanted, plans)
        with writer:
            for epochs, reference_us, share in assembled(EpochTable(MESSAGES), recording.pieces()):
                for item in second.take(epochs, reference_us):
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
