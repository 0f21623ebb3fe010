"""An installation that has had an event: what came, through all processors, into a store."""

from __future__ import annotations

import heapq
import random
import tomllib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from deploy.partitioning import pipeline
from deploy.registry import Registry
from deploy.settings import Settings
from storage.store import Store
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.partition_time import time_of
from streams.records import AlertTransition, AlertTransitions, Command, Commands, Record, SampleBatch
from streams.rounds import joined
from streams.samples import merge

S = 1_000_000
MINUTE, HOUR = 60 * S, 3600 * S
BEGIN = 1_299_715_200 * S
"""2011-03-10T00:00Z"""
SETTINGS = """
[[thing]]
id = "gauge"
longitude = -175.2
latitude = -21.1
  [[thing.datastream]]
  property = "water_level"
  detectors = { sea_level = {} }
[[thing]]
id = "slope"
longitude = 110.0
latitude = 30.0
  [[thing.datastream]]
  property = "crack"
  detectors = { crack = { silence_end_s = 7200.0 } }
  promise = { period_s = 300.0, grace_s = 1800.0 }
"""


def settings(*sites: str) -> Settings:
    """Return the configuration, of these sites or of all."""
    made = msgspec.convert(tomllib.loads(SETTINGS), Settings)
    return msgspec.structs.replace(made, thing=[one for one in made.thing if not sites or one.id in sites])


def samples(name: str, times, values, received=None) -> SampleBatch:
    times = np.asarray(times, np.int64)
    return SampleBatch(
        datastream_ids=[name],
        series=np.zeros(len(times), np.int32),
        time_us=times,
        value=np.asarray(values, np.float64),
        received_at_us=times + 2 * S if received is None else np.asarray(received, np.int64),
    )


def crack() -> SampleBatch:
    """A crack that opens by 1 mm/h from hour 37 to 41, and says nothing from 44 to 51."""
    times = BEGIN + np.arange(0, 52 * HOUR, 5 * MINUTE)
    hours = (times - BEGIN) / HOUR
    rng = np.random.default_rng(7)
    width = 10 + np.clip(hours - 37, 0, 4) + rng.normal(0, 0.01, len(times))
    there = (hours < 44) | (hours >= 51)
    return samples("slope.crack", times[there], width[there])


def one_by_one(*batches: SampleBatch) -> list[SampleBatch]:
    """Return samples of all series, each alone, in the order of their receipt."""
    whole = merge(batches)
    order = np.argsort(whole.received_at_us, kind="stable")
    return [
        SampleBatch(
            datastream_ids=[whole.datastream_ids[whole.series[row]]],
            series=np.zeros(1, np.int32),
            time_us=whole.time_us[[row]],
            value=whole.value[[row]],
            received_at_us=whole.received_at_us[[row]],
        )
        for row in order.tolist()
    ]


Answering = Callable[[Sequence[Record]], Sequence[Record]]
"""What people do, later, about what was made."""


def live(
    store: Store, made: Settings, came: Sequence[Record], answering: Answering, seed: int = 1
) -> list[AlertTransition]:
    """Run what came through the installation as it comes, with ticks; return the steps of its alerts."""
    registry, late = Registry.of(made), random.Random(seed)
    store.put_registry(
        stations=(), things=registry.things, properties=registry.properties, datastreams=registry.datastreams
    )
    line, steps, unkept = pipeline(registry), list[AlertTransition](), list[Record]()
    waiting = [(time_of(one), number, one) for number, one in enumerate(came)]
    heapq.heapify(waiting)
    now_us, n = waiting[0][0], len(waiting)
    while waiting:
        tick_us = (now_us // MINUTE + 1) * MINUTE + late.randint(0, 200_000)
        now_us, round_ = min(tick_us, waiting[0][0]), list[Record]()
        while waiting and waiting[0][0] <= now_us and (not round_ or isinstance(waiting[0][2], SampleBatch)):
            round_.append(heapq.heappop(waiting)[2])
        batches = joined(round_)
        outputs = line.run(batches, now_us)
        for one in answering(outputs):
            n += 1
            heapq.heappush(waiting, (time_of(one), n, one))
        unkept += [*batches, *outputs]
        if len(unkept) > 400 or not waiting:
            steps += [
                one for each in unkept if isinstance(each, AlertTransitions) for one in each.transitions
            ]
            store.commit(unkept, None, now_us=now_us)
            unkept = []
    assert not line.failures
    return steps


def duty(batches: Sequence[Record]) -> list[Record]:
    """Acknowledge tsunamis after half an hour; answer the first of calls about anything else."""
    done: list[Record] = []
    for batch in batches:
        if isinstance(batch, AlertTransitions):
            done += [
                command("acknowledge_alert", step.alert_id, step.at_us + 30 * MINUTE)
                for step in batch.transitions
                if (step.change, step.rule) == ("opened", "sea_level") and not step.historic
            ]
            done += [
                command("comment_alert", step.alert_id, step.at_us + 2 * MINUTE, comment="a boat is out")
                for step in batch.transitions
                if (step.change, step.rule) == ("acknowledged", "sea_level")
            ]
        elif isinstance(batch, Calls):
            for order in batch.orders[:1]:
                receipt = CallReceipt.of(order, "answered", order.at_us + MINUTE)
                done.append(CallReceipts(receipts=[receipt]))
    return done


def command(kind: str, target: str, at_us: int, by: str = "duty", **arguments: object) -> Commands:
    one = Command(
        id=f"{kind} {target} {at_us}", kind=kind, target=target, by=by, at_us=at_us, arguments=arguments
    )
    return Commands(commands=[one])
