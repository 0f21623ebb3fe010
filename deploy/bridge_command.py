"""`groundswell bridge`: from a region to its parent, and back what is for the region; one in each region."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from dashboards.metrics import Figure
from deploy.clock import steady_clock_us, wall_clock_us
from deploy.kafka_access import kafka_access
from deploy.refusal import Refusal
from deploy.regional_accounts import RegionalAccounts, regional_accounts_figures
from deploy.registry import Registry
from deploy.settings import KafkaSettings, Settings
from deploy.start import run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.watched import watched
from streams.describing import InForce
from streams.kafka.bridge import Carrier, Rate, Side
from streams.kafka.describer import Describer
from streams.kafka.passage import Passage
from streams.objects import Base
from streams.regions import Region, RegionTree, UpRules
from streams.sharing import Downward, Upward, for_below
from streams.telling import Telling
from streams.together import together
from streams.topics import (
    ALERTS,
    COMMAND_OUTCOMES,
    COMMANDS,
    DETECTIONS,
    FLAGGED_SAMPLES,
    RAW,
    REGIONAL_COMMANDS,
    REGIONAL_DETECTIONS,
    REGIONAL_RAW,
    STATION_PERIODS,
    STATION_REPORTS,
    Topic,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """A topic that goes up, and where it arrives."""

    source: Topic
    target: Topic
    is_told: Callable[[UpRules], bool]
    is_urgent: bool = False
    """It does not share the rate."""


WAYS = (
    Way(ALERTS, ALERTS, lambda up: up.alerts != "none", is_urgent=True),
    Way(COMMAND_OUTCOMES, COMMAND_OUTCOMES, lambda _: True, is_urgent=True),
    Way(DETECTIONS, REGIONAL_DETECTIONS, lambda up: up.detections != "none", is_urgent=True),
    Way(REGIONAL_DETECTIONS, REGIONAL_DETECTIONS, lambda up: up.detections != "none", is_urgent=True),
    Way(STATION_REPORTS, STATION_REPORTS, lambda up: (up.reports, up.figures) != ("none", "none")),
    Way(STATION_PERIODS, STATION_PERIODS, lambda up: up.periods != "none"),
    Way(FLAGGED_SAMPLES, FLAGGED_SAMPLES, lambda up: up.samples != "none"),
    Way(RAW, REGIONAL_RAW, lambda up: up.raw != "none"),
    Way(REGIONAL_RAW, REGIONAL_RAW, lambda up: up.raw != "none"),
)


@dataclass(slots=True)
class Bridge:
    """All that goes between a region and its parent."""

    region: Region
    upward: Upward
    downward: Downward
    carriers: list[Carrier]
    describer: Describer | None
    """None at the top, which has nobody to tell."""
    accounts: RegionalAccounts

    @property
    def told(self) -> list[Carrier | Describer]:
        """All that goes on with a place of its own."""
        return [*self.carriers, *([] if self.describer is None else [self.describer])]

    @property
    def error(self) -> str:
        """Why something does not go on right now; empty when all is well."""
        return next((one.error for one in self.told if one.error), self.accounts.error)

    async def run(self) -> None:
        """Carry until cancelled."""
        names = [*(one.name for one in self.told), "accounts"]
        await together(*(one.run() for one in self.told), self.accounts.run(), names=names)


def bridge_of(
    tree: RegionTree,
    kafka: KafkaSettings,
    steady_us: Callable[[], int],
    clock_us: Callable[[], int],
    base: Base,
) -> Bridge:
    """Put a region's bridge together.

    Parameters
    ----------
    base
        What the region's configuration defines.

    Raises
    ------
    Refusal
        The region has no other, nobody says where the parent's Kafka is, or there is no way in.
    """
    own, parent = tree.own, tree.parent
    upward, downward = Upward(own.name, own.up), Downward(own.name, own.down, clock_us)
    if parent is None:
        if not tree.children:
            raise Refusal(f"{own.name} has no regions above or below it: it needs no bridge")
        here = Side(kafka_access(kafka, kafka.servers), kafka.prefix)
        accounts = RegionalAccounts(tree, here, None, clock_us, steady_us)
        return Bridge(own, upward, downward, [], None, accounts)
    if not parent.kafka:
        raise Refusal(f"region {parent.name}: nobody says where its Kafka is; write kafka = HOST:PORT there")
    if (kafka.servers, kafka.prefix) == (parent.kafka, parent.prefix):
        raise Refusal(
            f"{own.name} and {parent.name} have the same Kafka and prefix; give each its own, in [kafka] and "
            "in the parent's node"
        )
    here = Side(kafka_access(kafka, kafka.servers), kafka.prefix)
    above = Side(kafka_access(parent.security, parent.kafka, f"region {parent.name}"), parent.prefix)
    rate = Rate(own.rate_mb_s * 1e6, steady_us)
    carriers = [
        Carrier(
            Passage(f"{own.name}/{way.source.name}", way.source, above.prefix + way.target.name, upward),
            here, above, steady_us, None if way.is_urgent else rate,
        )
        for way in WAYS
        if way.is_told(own.up)
    ]  # fmt: skip
    if own.down.acknowledgements:
        passage = Passage(
            f"{parent.name}/{REGIONAL_COMMANDS.name}", REGIONAL_COMMANDS, here.prefix + COMMANDS.name,
            downward, copied=(here.prefix + REGIONAL_COMMANDS.name, for_below),
        )  # fmt: skip
        carriers.append(Carrier(passage, above, here, steady_us))
    telling = Telling(own.name, InForce(base, tree.children), upward.description)
    describer = Describer(telling, here, above, rate)
    accounts = RegionalAccounts(tree, here, above, clock_us, steady_us)
    return Bridge(own, upward, downward, carriers, describer, accounts)


def run_bridge(settings: Settings, *, http: str | None, seconds: float | None) -> None:
    """Carry until a signal, or for so long.

    Raises
    ------
    Refusal
        The configuration does not say which region this is, or has no way to its parent.
    """
    if settings.regions is None:
        raise Refusal("the configuration has no regions; write [regions] with here and its nodes")
    base = Registry.of(settings).base
    bridge = bridge_of(settings.regions, settings.kafka, steady_clock_us, wall_clock_us, base)
    run_async(_run(bridge, http, seconds))


async def _run(bridge: Bridge, http: str | None, seconds: float | None) -> None:
    stop = stop_on_signals()
    async with watched(http, bridge_figures(bridge), lambda: bridge.error):
        work = asyncio.create_task(bridge.run())
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        log.info("bridging", region=bridge.region.name, parent=bridge.region.parent)
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            stopping.cancel()
            await work  # it ends by a fault only, and a supervisor is to know
        for task in (stopping, work):
            task.cancel()
        await asyncio.gather(stopping, work, return_exceptions=True)
        sent = sum(one.sent for one in bridge.told)
        log.info("stopped", messages=sent)


def bridge_figures(bridge: Bridge) -> list[Figure]:
    """Return how a bridge is doing."""

    def each(value: Callable[[Carrier], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {(bridge.region.name, c.passage.source.name): value(c) for c in bridge.carriers}

    def every(
        value: Callable[[Carrier | Describer], float],
    ) -> Callable[[], Mapping[tuple[str, ...], float]]:
        found = {} if bridge.describer is None else {(bridge.region.name, "descriptions"): bridge.describer}
        return lambda: {**each(value)(), **{key: value(one) for key, one in found.items()}}

    def withheld() -> dict[tuple[str, ...], float]:
        found = bridge.upward.withheld + bridge.downward.withheld
        return {(bridge.region.name, what): count for what, count in found.items()}

    def unreadable() -> dict[tuple[str, ...], float]:
        found = {c.passage.source.name: float(c.passage.health.unreadable) for c in bridge.carriers}
        if bridge.describer is not None:
            found["descriptions"] = bridge.describer.left_out
        return {(bridge.region.name, topic): count for topic, count in found.items()}

    labels = "region", "topic"
    return [
        Figure("bridge_failing", "1 while it cannot be carried.", "gauge",
               every(lambda c: float(bool(c.error))), labels),
        Figure("bridge_lag_messages", "Messages that have not arrived.", "gauge",
               every(lambda c: c.lag), labels),
        Figure("bridge_messages", "Messages that arrived.", "counter", every(lambda c: c.sent), labels),
        Figure("bridge_bytes", "Their bytes.", "counter", every(lambda c: c.sent_bytes), labels),
        Figure("bridge_repeated", "Messages left out: made twice.", "counter",
               each(lambda c: c.passage.health.repeated), labels),
        Figure("bridge_unreadable", "Messages left out: damaged, or a newer program's.", "counter",
               unreadable, labels),
        Figure("bridge_too_large", "Records left out: too large for a message.", "counter",
               each(lambda c: c.passage.health.too_large), labels),
        Figure("bridge_lost", "Messages that Kafka deleted before they could be carried.", "counter",
               each(lambda c: c.passage.health.lost), labels),
        Figure("bridge_restarts", "How often a topic began anew.", "counter",
               each(lambda c: c.passage.health.restarts), labels),
        Figure("bridge_historic", "Steps of alerts from before its begin that call nobody.", "counter",
               each(lambda c: c.passage.health.historic), labels),
        Figure("bridge_withheld", "Records that stay by the sharing rules.", "counter",
               withheld, ("region", "what")),
        *regional_accounts_figures(bridge.accounts),
    ]  # fmt: skip
