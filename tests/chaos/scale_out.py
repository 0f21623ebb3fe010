"""Two workers share the partitions; when one dies the other has all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol

from tests.chaos.house import PREFIX
from tests.chaos.stations import clock_us
from tests.chaos.trial import Prober, Trial

MOST_S = 15.0
LIMIT_S = 90.0
Shares = dict[str, list[str]]
"""By member: topic and partition of each."""


async def shares(bootstrap: str) -> Shares:
    """Return which worker has which partitions, as the broker tells."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        answers = await client.describe_consumer_groups([f"{PREFIX}groundswell"])
    finally:
        await client.close()
    found: Shares = {}
    for answer in answers:
        for group in answer.to_object()["groups"]:
            for member in group["members"]:
                name = member.get("group_instance_id") or member["member_id"]
                raw = member["member_assignment"]
                given = ConsumerProtocol.ASSIGNMENT.decode(raw).assignment if raw else []
                found[name] = sorted(f"{topic}/{p}" for topic, partitions in given for p in partitions)
    return found


def scale_out(prober: Prober, say: Callable[[str], None]) -> tuple[Trial, dict[str, object]]:
    """Tell who has what, kill one worker, tell how soon the other has its partitions, bring it back."""
    house = prober.house
    one, two = house.programs["worker-one"], house.programs["worker-two"]
    trial = Trial("scale-out: kill worker-one")
    bootstrap = house.kafka.bootstrap
    before = asyncio.run(shares(bootstrap))
    total = (one.figure("worker_tasks") or 0) + (two.figure("worker_tasks") or 0)
    say("scale-out: one worker dies")
    one.kill()
    begin = time.monotonic()
    moved_s: float | None = None
    while time.monotonic() - begin < LIMIT_S:
        if (two.figure("worker_tasks") or 0) >= total:
            moved_s = round(time.monotonic() - begin, 1)
            break
        time.sleep(0.1)
    alone = asyncio.run(shares(bootstrap))
    if moved_s is None or moved_s > MOST_S:
        trial.problems.append(f"the partitions of a killed worker moved in {moved_s} s, not {MOST_S:.0f}")
    one.start()
    back = time.monotonic()
    while time.monotonic() - back < LIMIT_S and not (one.figure("worker_tasks") or 0):
        time.sleep(0.1)
    shared_s = round(time.monotonic() - back, 1)
    time.sleep(5.0)
    after = asyncio.run(shares(bootstrap))
    trial.recovery_s = moved_s
    prober.settle(trial, clock_us() - 3_000_000, say)
    told = {
        "moved_s": moved_s,
        "shared_again_s": shared_s,
        "tasks": total,
        "partitions_before": before,
        "partitions_alone": {name: len(given) for name, given in alone.items()},
        "partitions_after": {name: len(given) for name, given in after.items()},
    }
    return trial, told
