"""A rehearsal in a process of its own: what is wanted comes in, the result goes out, nothing else is touched.

`python -m deploy.rehearsal_process` reads its `Order`, pickled by the server that began it, from its standard
input. It writes the JSON of `groundswell replay-event --json`, and, on standard error, how far it is, or in a
sentence why it cannot go on.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.refusal import Refusal
from deploy.rehearsal_rules import read_rules
from deploy.rehearsal_store import reading
from deploy.rehearsing import Wanted, rehearse
from deploy.replay_event import to_json
from deploy.settings import Settings
from streams.rehearsal import TooManyStepsError

NICENESS = 15
MOST_BYTES = 20_000_000
_TOLD_S = 0.5
_SACRIFICE = "500"
"""Of 1,000: where memory is short, this goes before what serves people."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be rehearsed, and from what."""

    settings: Settings
    data: Path | None
    """The folder of a one-process program; None: the database of the settings."""
    start_us: int
    end_us: int
    rules: Path | None
    sites: list[str]
    is_in_time: bool


def main() -> None:
    """Do it."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_SACRIFICE, encoding="ascii")
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the program that began this one
    try:
        made = _rehearsed(order).encode()
        if len(made) > MOST_BYTES:
            raise Refusal(f"the result has {len(made):,} bytes, more than is kept; choose a shorter time")
        sys.stdout.buffer.write(made)
    except (Refusal, TooManyStepsError) as error:
        sys.stderr.write(f"! {error}\n")
        sys.exit(1)


def _rehearsed(order: Order) -> str:
    rules = None if order.rules is None else read_rules(order.rules)
    wanted = Wanted(order.start_us, order.end_us, rules, None, order.sites, order.is_in_time)
    last_s = 0.0

    def told(now_us: int, from_us: int, to_us: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TOLD_S:
            last_s = time.monotonic()
            sys.stderr.write(f"{(now_us - from_us) / max(to_us - from_us, 1):.3f}\n")
            sys.stderr.flush()

    with reading(order.settings, order.data) as store:
        return to_json(rehearse(store, order.settings, wanted, told))


if __name__ == "__main__":
    main()
