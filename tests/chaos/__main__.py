"""`make chaos`: the whole program on real servers, disturbed on purpose, every row held against a ledger.

`python -m tests.chaos --stations 50 --only kill,pause --seed 3 --pause-s 10`. The last line is one JSON
object; the exit code is 1 when anything is lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy import kernel_cache

kernel_cache.use()

from deploy.settings_file import load  # noqa: E402 - the kernels' cache comes first
from tests.chaos.alarms import Oracle  # noqa: E402
from tests.chaos.books import Books  # noqa: E402
from tests.chaos.disks import NoDiskError  # noqa: E402
from tests.chaos.faults import KINDS, faults  # noqa: E402
from tests.chaos.house import House, Size, house  # noqa: E402
from tests.chaos.network import NoNetworkError  # noqa: E402
from tests.chaos.scale_out import scale_out  # noqa: E402
from tests.chaos.stations import clock_us  # noqa: E402
from tests.chaos.trial import Prober, Trial  # noqa: E402

WARM_S = 10.0
SCALE = "scale"
COLUMNS = ("scenario", "rows", "lost", "doubled", "wrong", "not taken", "alerts", "webhooks", "back after")


def main() -> int:
    options = arguments().parse_args()
    kinds = tuple(options.only.split(",")) if options.only else (*KINDS, SCALE)
    if unknown := set(kinds) - {*KINDS, SCALE}:
        some = ", ".join((*KINDS, SCALE))
        print(f"--only: no scenario {', '.join(unknown)}; choose of {some}", file=sys.stderr)
        return 2
    size = Size(options.stations, options.sensors, min(options.alerting, options.sensors), seed=options.seed)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # everything is taken down
    try:
        with house(size, cuts="cut" in kinds, small_disks="full" in kinds) as built:
            try:
                report = disturb(built, kinds, options, console)
            finally:
                if options.keep_logs:
                    keep(built, Path(options.keep_logs))
    except (NoNetworkError, NoDiskError) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    text = json.dumps(report)
    if options.report:
        Path(options.report).write_text(text + "\n")
    print(text)
    return 0 if report["good"] else 1


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--sensors", type=int, default=100)
    parser.add_argument("--alerting", type=int, default=40, help="sensors that see a wave each two minutes")
    parser.add_argument("--only", default="", help=f"of {','.join((*KINDS, SCALE))}; all without it")
    parser.add_argument("--target", default="", help="faults of these only: gather,kafka,...")
    parser.add_argument("--seed", type=int, default=1, help="of the order, the moments and the world")
    parser.add_argument("--pause-s", type=float, default=60.0, help="how long pauses, cuts, full disks last")
    parser.add_argument("--window-s", type=float, default=0.2, help="what a killed gatherer may have read")
    parser.add_argument("--report", default="", help="file for the JSON report")
    parser.add_argument("--keep-logs", default="", help="folder that gets all logs")
    return parser


def disturb(
    built: House, kinds: tuple[str, ...], options: argparse.Namespace, console: Console
) -> dict[str, object]:
    dice = random.Random(options.seed)
    trials: list[Trial] = []
    doing = ""

    def table() -> Table:
        shown = Table(*COLUMNS)
        for trial in trials:
            back = "never" if trial.recovery_s is None else f"{trial.recovery_s:.1f} s"
            figures = (trial.lost, trial.doubled, trial.wrong, trial.not_taken, trial.transitions)
            shown.add_row(
                trial.scenario, f"{trial.rows_stored:,} of {trial.rows_expected:,}", *map(str, figures),
                str(trial.webhook_ids), back, style="" if trial.good else "red",
            )  # fmt: skip
        if doing:
            shown.add_row(doing, *[""] * (len(COLUMNS) - 1), style="dim")
        return shown

    with console.status("servers and processes start"):
        built.start()
        begin_us = clock_us()
        time.sleep(WARM_S)
    settings = load(built.folder / "groundswell.toml")
    books = Books(built.ledger, built.postgres.url, round(options.window_s * 1e6))
    oracle = Oracle(built.ledger, settings, built.postgres.url, built.subscriber)
    prober = Prober(built, books, oracle, begin_us)
    scale: dict[str, object] = {}
    with Live(table(), console=console, refresh_per_second=2) as live:

        def say(what: str) -> None:
            nonlocal doing
            doing = what
            live.update(table())

        calm = Trial("undisturbed")
        prober.settle(calm, clock_us() - 3_000_000, lambda what: say(f"undisturbed: {what}"))
        calm.recovery_s = 0.0
        trials.append(calm)
        if SCALE in kinds:
            trial, scale = scale_out(prober, say)
            trials.append(trial)
        for fault in faults(built, kinds, dice, options.pause_s):
            if options.target and fault.target not in options.target.split(","):
                continue
            trials.append(prober.run(fault, dice, lambda what, name=fault.name: say(f"{name}: {what}")))
            if not console.is_terminal:
                console.print(f"{fault.name}: lost {trials[-1].lost}, back after {trials[-1].recovery_s} s")
            for problem in trials[-1].problems[:8]:
                live.console.print(f"  {fault.name}: {problem}", style="red")
        built.end_world()
        whole = Trial("everything")
        prober.since_us = begin_us
        prober.settle(whole, clock_us(), lambda what: say(f"everything: {what}"))
        whole.transitions, whole.webhook_ids = _totals(prober)
        whole.recovery_s = 0.0
        trials.append(whole)
        say("")
    return {
        "stations": options.stations,
        "sensors": options.sensors,
        "seed": options.seed,
        "pause_s": options.pause_s,
        "good": all(trial.good for trial in trials),
        "scale_out": scale,
        "scenarios": [trial.line() for trial in trials],
    }


def _totals(prober: Prober) -> tuple[int, int]:
    verdict = prober.oracle.verdict(clock_us())
    return verdict.transitions, verdict.webhook_ids


def keep(built: House, folder: Path) -> None:
    """Copy the logs and the ledger's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.log", "world/*", "*/server*.log", "*/console.log", "groundswell.toml"):
        for path in built.folder.glob(pattern):
            (folder / "-".join(path.relative_to(built.folder).parts)).write_bytes(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
