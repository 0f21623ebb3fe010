"""A thousand viewers of channels at two updates a second: what they cost, and whether any is missing.

`python -m tests.benchmarks.bench_serve_push` runs a server that judges 4,000 stations and takes 5,000 samples
a second, and viewers in a process of their own, each of a channel in which something happens twice a second.
They look whether a number is missing in what they are told. Then the same over WebSockets, with a token (who
may read is looked at each second), and all cut at once for three seconds. Beside it stands Starlette alone,
which sends as many bytes as often. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time

from rich.console import Console

from tests.benchmarks.bench_serve import VIEWERS, serving, watched
from tests.benchmarks.processes import cpu_s


def idle(process: subprocess.Popen[str]) -> float:
    """Return the share of a core that a server takes before anybody watches."""
    time.sleep(2.0)
    begin, cpu = time.perf_counter(), cpu_s(process.pid)
    time.sleep(5.0)
    return round((cpu_s(process.pid) - cpu) / (time.perf_counter() - begin), 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    asked = parser.parse_args()
    console = Console(highlight=False)
    result: dict[str, float] = {"viewers": asked.viewers}
    for name, how in (("viewers", "stream"), ("sockets", "socket"), ("known", "token"), ("cut", "cut")):
        with serving("push", "closed" if how == "token" else "public", "4000") as (process, port):
            alone = idle(process)
            seen = watched(process, port, asked.viewers, "push_viewers", how)
        result |= {f"{name}_{key}": value for key, value in seen.items()}
        result[f"{name}_idle_cpu"] = alone
    updates_s = result["viewers_updates_s"]
    each = round(result["viewers_mb_s"] * 1e6 / updates_s / asked.viewers)
    with serving("bare", str(each), str(updates_s)) as (process, port):
        bare = watched(process, port, asked.viewers, "push_viewers", "bare")
    result |= {"update_bytes": each, "bare_viewers_cpu": bare["cpu"], "bare_missed": bare["missed"]}
    for name, value in result.items():
        console.print(f"{name:32} {value:,}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
