"""`make drive`: a rover with RTKLIB's rtkrcv drives 200 km past eight stations, one of which turns bad.

`python -m tests.drive --pace 10 --speed 100`. The last line is one JSON object: `hand_overs` (each with the
`second`, the base `before` and the one it goes `to`, `reason`, `distance_km`, `settled_s` until it stays
within 0.1 m, `off_m` at most from 30 s on), `bad_s` and `bad_off_m` (how long it had the bad base, and how
far off it was then), `age_s` and `gap_s` at most, `qualities` (seconds of fixed 1, float 2, single 5), and
`shortcomings`: what was not as promised. The exit code is 1 when there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import structlog

from deploy import kernel_cache

kernel_cache.use()

from tests.drive.drive import Plan, drive  # noqa: E402 - the kernels' cache comes first
from tests.drive.shortcomings import shortcomings  # noqa: E402


def main() -> int:
    """Drive and print one JSON object."""
    told = argparse.ArgumentParser(prog="python -m tests.drive", description=__doc__)
    told.add_argument("--from-km", type=float, default=0.0)
    told.add_argument("--to-km", type=float, default=200.0)
    told.add_argument("--speed", type=float, default=100.0, help="m/s")
    told.add_argument("--bad", default="S3", help="the station that turns bad")
    told.add_argument("--bad-km", type=float, default=97.0, help="where the rover is then")
    told.add_argument("--pace", type=float, default=10.0, help="seconds in a real one; 1 is real time")
    given = told.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    plan = Plan(given.from_km, given.to_km, given.speed, given.bad, given.bad_km, given.pace)
    begun = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        driven = asyncio.run(drive(plan, Path(folder)))
    solutions = [one.solution for one in driven.seconds if one.solution is not None]
    missed = shortcomings(driven)
    arrivals_s = driven.arrivals_s
    figures = {
        "begun": begun.isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "took_s": driven.took_s,
        "hand_overs": [asdict(one) for one in driven.hand_overs],
        "seconds": len(driven.seconds),
        "solutions": len(solutions),
        "qualities": Counter(one.quality for one in solutions),
        "bad_s": len(driven.bad_seconds),
        "bad_off_m": round(max((driven.seconds[s].off_m for s in driven.bad_seconds), default=0.0), 3),
        "age_s": max(one.age_s for one in solutions),
        "gap_s": round(max(b - a for a, b in itertools.pairwise(arrivals_s)), 2),
        "shortcomings": missed,
    }
    print(json.dumps(figures))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
