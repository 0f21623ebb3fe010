"""A thousand viewers of channels at two updates a second: what they cost, and whether any is missing.

`python -m tests.benchmarks.bench_serve_push` runs a server that judges 4,000 stations each second and takes
5,000 samples a second, and viewers in a process of their own, each of a channel that something happens in
twice a second. They look whether a number is missing in what they are told. Then the same over WebSockets,
and with accounts (who may read is looked at each second). Beside it stands Starlette alone, which sends as
many bytes as often. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from rich.console import Console

from tests.benchmarks.bench_serve import serving
from tests.benchmarks.processes import cpu_s

VIEWERS, WATCHED_S = 1_000, 20.0


def watched(process: subprocess.Popen[str], port: int, viewers: int, how: str) -> dict[str, float]:
    """Let viewers watch; return what they got, and the share of a core that the server took."""
    command = [
        sys.executable, "-m", "tests.benchmarks.push_viewers", str(port), str(viewers), str(WATCHED_S), how,
    ]  # fmt: skip
    begin, cpu = time.perf_counter(), cpu_s(process.pid)
    time.sleep(5.0)
    alone = (cpu_s(process.pid) - cpu) / (time.perf_counter() - begin)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "watching\n"
        cpu, begin = cpu_s(process.pid), time.perf_counter()
        result: dict[str, float] = json.loads(watching.stdout.readline())
        share = (cpu_s(process.pid) - cpu) / (time.perf_counter() - begin)
    return {"cpu": round(share - alone, 3), "cpu_without_viewers": round(alone, 3), **result}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    asked = parser.parse_args()
    console = Console(highlight=False)
    result: dict[str, float] = {"viewers": asked.viewers}
    for name, how in (("viewers", "stream"), ("sockets", "socket"), ("known", "token")):
        with serving("push", "closed" if how == "token" else "public", "4000") as (process, port):
            seen = watched(process, port, asked.viewers, how)
        result |= {f"{name}_{key}": value for key, value in seen.items()}
    updates_s = result["viewers_updates_s"]
    each = round(result["viewers_mb_s"] * 1e6 / updates_s / asked.viewers)
    with serving("bare", str(each), str(updates_s)) as (process, port):
        bare = watched(process, port, asked.viewers, "bare")
    result |= {"update_bytes": each, "bare_viewers_cpu": bare["cpu"], "bare_missed": bare["missed"]}
    for name, value in result.items():
        console.print(f"{name:32} {value:,}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
