"""Viewers that are cut anywhere and go on at any server: no gap that is not told, and no repetition."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.push import catching_up
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source
from dashboards.push.cursor import cursor_of
from dashboards.push.hub import PushHub
from dashboards.push.window import Window
from streams import codec
from tests.dashboards.country import START_US
from tests.dashboards.push.messages import alerts, reports, samples, told

PARTITIONS = {Source.REPORTS: 2, Source.SAMPLES: 2, Source.ALERTS: 1}
CHANNELS = ("level:red", "network", "property:rain", "station:A", "station:B")
STATIONS = (("A", "C"), ("B",))
SERIES = (("gauge.rain", "gauge.level"), ("hill.rain",))
HALF_S = 500_000


def world(chance):
    """Return the messages of each partition, as (offset, batch), with holes between offsets."""
    topics = {(source, p): [] for source in Source for p in range(PARTITIONS[source])}
    numbers = defaultdict(int)
    for second in range(12):
        for p, names in enumerate(STATIONS):
            if chance.random() < 0.8:
                rows = [(n, second, chance.choice(["good", "good", "degraded", "bad"])) for n in names]
                topics[Source.REPORTS, p].append(reports(*rows))
        for p, names in enumerate(SERIES):
            if chance.random() < 0.5:
                topics[Source.SAMPLES, p].append(samples(*((n, second, float(second)) for n in names)))
        if chance.random() < 0.4:
            name = chance.choice(["a1", "a2"])
            numbers[name] += chance.random() < 0.8  # sometimes one comes again
            topics[Source.ALERTS, 0].append(
                alerts((name, max(numbers[name], 1), chance.choice(["red", "blue"])))
            )
    for key, batches in topics.items():
        offset, placed = 0, []
        for batch in batches:
            offset += 1 + (chance.random() < 0.3)
            placed.append((offset, batch))
        topics[key] = placed
    return topics


def expected(topics):
    """Return what each channel tells of each station, series and alert, worked out without a server."""
    found = defaultdict(list)
    for (source, _), messages in topics.items():
        last = {}
        for _, batch in messages:
            if source is Source.REPORTS:
                for one in batch.reports:
                    key = (one.state, [reason.code for reason in one.reasons])
                    if last.get(one.station_id) != key:
                        found["network", one.station_id].append(one.epoch_us)
                    last[one.station_id] = key
                    found[f"station:{one.station_id}", one.station_id].append(one.epoch_us)
            elif source is Source.SAMPLES:
                for series, time_us in zip(batch.series.tolist(), batch.time_us.tolist(), strict=True):
                    name = batch.datastream_ids[series]
                    found[f"property:{name.split('.')[1]}", name].append(time_us)
            else:
                for one in batch.transitions:
                    number, level = last.get(one.alert_id, (0, None))
                    if one.number > number:
                        found["network", one.alert_id].append(one.number)
                        if "red" in {one.level, level}:
                            found["level:red", one.alert_id].append(one.number)
                        last[one.alert_id] = (one.number, one.level)
    return {key: places for key, places in found.items() if key[0] in CHANNELS}


def of_update(content):
    """Yield what an update tells in the same words."""
    from datetime import datetime

    def us(text):
        return round(datetime.fromisoformat(text).timestamp() * 1e6)

    for channel, lists in content["channels"].items():
        for one in lists.get("stations", ()):
            yield (channel, one["id"]), us(one["latest"]["judged_at"])
        for one in lists.get("observations", ()):
            yield (channel, one["datastream_id"]), us(one["phenomenon_time"])
        for one in lists.get("alerts", ()):
            yield (channel, one["id"]), one["number"]


class Server:
    """Reads partitions at its own pace, from some place on."""

    def __init__(self, topics, chance, *, begins=None, **window):
        self.hub = PushHub(Window("kafka", PARTITIONS, **window), Catalogue())
        self.topics, self.chance = topics, chance
        self.at = dict.fromkeys(topics, 0)
        for source in Source:
            opened = {p: (begins or {}).get((source, p), 0) for p in range(PARTITIONS[source])}
            self.hub.window.open(source, opened)
            for p, begin in opened.items():
                self.at[source, p] = sum(offset < begin for offset, _ in topics[source, p])

    def read(self, most):
        """Take some messages, of any partitions; return whether there are more."""
        for _ in range(most):
            left = [key for key, messages in self.topics.items() if self.at[key] < len(messages)]
            if not left:
                return False
            key = self.chance.choice(left)
            offset, batch = self.topics[key][self.at[key]]
            self.at[key] += 1
            self.hub.take(batch, START_US, partition=key[1], offset=offset, message=codec.encode(batch))
        return True


async def watch(servers, chance, *, most_steps=60):
    """Be a viewer that is cut again and again; return what it was told, and of how many gaps."""
    got, gaps, last = defaultdict(list), 0, None
    now_us = START_US
    is_first = True
    for _ in range(most_steps):
        server = servers[0] if is_first else chance.choice(servers)
        is_first = False
        after = None if last is None else cursor_of(last)
        with server.hub.viewer(CHANNELS, "stream", after) as viewer:
            for _ in range(chance.randint(1, 4)):
                now_us += HALF_S
                for one in servers:
                    if one is not server:
                        one.read(chance.randint(0, 6))
                        await one.hub.step(now_us)
                await server.hub.step(now_us)
                server.read(chance.randint(0, 6))
            await server.hub.step(now_us)
            events = await told(viewer)
            for name, identity, content in events[: chance.randint(1, len(events))]:
                gaps += name == "gap"
                last = identity or last
                if name == "update":
                    for key, place in of_update(content):
                        got[key].append(place)
    for _ in range(80):  # all read to the end, and nothing cuts any more
        now_us += HALF_S
        for one in servers:
            while one.read(1):
                pass
            await one.hub.step(now_us)
    server = chance.choice(servers)
    with server.hub.viewer(CHANNELS, "stream", None if last is None else cursor_of(last)) as viewer:
        for _ in range(3):
            await server.hub.step(now_us)
        for name, _, content in await told(viewer):
            gaps += name == "gap"
            if name == "update":
                for key, place in of_update(content):
                    got[key].append(place)
    return dict(got), gaps


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([1, 1_000]))
def test_any_cut_and_any_server_tell_each_thing_once(seed, event_items):
    chance = random.Random(seed)
    topics = world(chance)
    servers = [Server(topics, chance) for _ in range(3)]
    before, catching_up.EVENT_ITEMS = catching_up.EVENT_ITEMS, event_items
    try:
        got, gaps = asyncio.run(watch(servers, chance))
    finally:
        catching_up.EVENT_ITEMS = before
    assert gaps == 0
    assert got == expected(topics)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_servers_that_began_later_tell_nothing_twice_and_say_what_is_missing(seed):
    chance = random.Random(seed)
    topics = world(chance)
    servers = [Server(topics, chance)]
    for kept in (2_000, 1_000_000):
        begins = {
            key: chance.randint(0, len(messages))
            for key, messages in topics.items()
            if key[0] is not Source.ALERTS  # each server reads all of them
        }
        sizes = dict.fromkeys(Source, kept)
        servers.append(Server(topics, chance, begins=begins, kept_bytes=sizes))
    got, gaps = asyncio.run(watch(servers, chance))
    whole = expected(topics)
    for key, places in got.items():
        wanted = whole[key]
        if key[0] == "network" and gaps:  # behind a gap a verdict may be told that was the same before
            assert places == sorted(set(places))
        else:
            rest = iter(wanted)
            assert all(place in rest for place in places), (key, places, wanted)
    if not gaps:
        assert got == whole
