"""A region's bridge: what the configuration makes of it, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.metrics import exposition
from deploy import bridge_command
from deploy.bridge_command import Bridge, bridge_figures, bridge_of, run_bridge
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import Settings
from deploy.settings_file import load
from streams.kafka.bridge import Rate
from streams.records import Change, Changes, RawBatch, RawChunk
from streams.regions import Region, RegionTree
from streams.sharing import for_below

TREE = """
[kafka]
servers = "10.1.0.1:9092"
prefix = "own."

[regions]
here = "{here}"

[[regions.node]]
name = "china"
level = "ministry"
kafka = "{kafka}"
prefix = "{prefix}"

[[regions.node]]
name = "zhejiang"
level = "province"
parent = "china"
{more}
"""


def settings(
    folder: Path, here: str = "zhejiang", kafka: str = "10.0.0.1:9092", prefix: str = "", more: str = ""
) -> Settings:
    path = folder / "groundswell.toml"
    path.write_text(TREE.format(here=here, kafka=kafka, prefix=prefix, more=more))
    return load(path)


def bridge(found: Settings) -> Bridge:
    assert found.regions is not None
    return bridge_of(found.regions, found.kafka, lambda: 0, lambda: 0, Registry.of(found).base)


def ways(one: Bridge) -> dict[str, str]:
    return {carrier.passage.name: carrier.passage.target for carrier in one.carriers}


def test_what_is_shared_by_default_has_a_way_up_and_acknowledgements_one_down(tmp_path):
    one = bridge(settings(tmp_path))
    assert ways(one) == {
        "zhejiang/alerts": "alerts",
        "zhejiang/command-outcomes": "command-outcomes",
        "zhejiang/detections": "regional-detections",
        "zhejiang/regional-detections": "regional-detections",
        "zhejiang/station-reports": "station-reports",
        "zhejiang/station-periods": "station-periods",
        "zhejiang/flagged-samples": "flagged-samples",
        "china/regional-commands": "own.commands",
    }
    assert all(
        (carrier.source.kafka.servers == "10.0.0.1:9092")
        == (carrier.passage.name == "china/regional-commands")
        for carrier in one.carriers
    )
    assert one.carriers[-1].passage.copied == ("own.regional-commands", for_below)


def test_alerts_wait_for_no_rate_and_the_others_share_one(tmp_path):
    one = bridge(settings(tmp_path, more="rate_mb_s = 2.0"))
    rates = {carrier.passage.source.name: carrier.rate for carrier in one.carriers}
    urgent = ("alerts", "command-outcomes", "regional-commands", "detections", "regional-detections")
    assert all(rates[name] is None for name in urgent)
    (shared,) = {id(rate): rate for rate in rates.values() if rate is not None}.values()
    assert shared.bytes_a_second == 2e6


def test_rules_open_and_close_ways(tmp_path):
    more = 'up = { raw = "exact", samples = "none", reports = "none", figures = "none" }\n'
    one = bridge(settings(tmp_path, more=more + "down = { acknowledgements = false }"))
    assert "zhejiang/raw" in ways(one)
    assert ways(one)["zhejiang/regional-raw"] == "regional-raw"
    for closed in ("zhejiang/flagged-samples", "zhejiang/station-reports", "china/regional-commands"):
        assert closed not in ways(one)


def test_what_the_file_defines_is_described_with_the_regions_below(tmp_path):
    below = '[[regions.node]]\nname = "hangzhou"\nlevel = "city"\nparent = "zhejiang"\n'
    site = '[[thing]]\nid = "gauge"\nlongitude = 1.0\nlatitude = 2.0\n'
    site += 'datastream = [{ property = "water_level" }]\n'
    known = bridge(settings(tmp_path, more=below + site)).describer.telling.known
    assert list(known.below) == ["hangzhou"]
    assert list(known) == [("thing", "gauge"), ("datastream", "gauge.water_level")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kafka": ""}, "region china: nobody says where its Kafka is; write kafka = HOST:PORT"),
        ({"kafka": "10.1.0.1:9092", "prefix": "own."}, "have the same Kafka and prefix"),
    ],
)
def test_a_region_without_a_way_up_is_refused(tmp_path, changed, words):
    with pytest.raises(Refusal, match=words):
        bridge(settings(tmp_path, **changed))


def test_the_top_has_a_bridge_for_the_accounts_of_the_regions_below(tmp_path):
    one = bridge(settings(tmp_path, here="china"))
    assert (one.carriers, one.describer, one.accounts.receiver) == ([], None, None)
    lines = {line.name: [topic.name for topic in line.topics] for line in one.accounts.exchange.lines}
    assert lines == {
        "zhejiang/counts-below": ["sessions-zhejiang", "volumes-zhejiang"],
        "china/counts-down": ["sessions", "regional-sessions", "volumes", "regional-volumes"],
    }
    assert one.error.startswith(
        "china/accounts-down: has not begun yet; if it stays so, run `groundswell top"
    )
    one.accounts.teller.told["zhejiang"].learn(Changes(changes=[account("li")]))
    one.accounts.exchange._guards["zhejiang"].refused["caster"] += 3
    text = exposition(bridge_figures(one)).decode()
    assert 'groundswell_bridge_told_accounts{region="zhejiang"} 1.0' in text
    assert 'groundswell_bridge_counts_refused_total{reason="caster",region="zhejiang"} 3.0' in text
    assert 'groundswell_bridge_line_failing{line="accounts-down",region="china"} 1.0' in text


def test_a_top_without_regions_below_needs_no_bridge():
    tree = RegionTree(here="china", node=[Region(name="china", level="ministry")])
    with pytest.raises(Refusal, match="china has no regions above or below it"):
        bridge_of(tree, Settings().kafka, lambda: 0, lambda: 0, {})


def account(name: str) -> Change:
    return Change(kind="account", id=name, version=1, verb="put", before=None, after={"password_hash": "x"},
                  by="", at_us=1, command_id="")  # fmt: skip


@pytest.mark.parametrize(
    ("more", "names", "is_followed"),
    [
        ("", {"zhejiang/counts", "zhejiang/counts-in"}, True),
        ('up = { sessions = "none" }', {"zhejiang/counts-in"}, True),
        ("down = { accounts = false }", set(), False),
    ],
)
def test_a_region_tells_of_sessions_by_its_rules(tmp_path, more, names, is_followed):
    found = bridge(settings(tmp_path, more=more)).accounts
    assert {line.name for line in found.exchange.lines} == names
    assert (found.receiver is not None) == is_followed
    assert found.teller is None
    assert set(found.errors) == {name.partition("/")[2] for name in names} | (
        {"accounts-in"} if is_followed else set()
    )


def test_a_configuration_without_regions_is_refused():
    with pytest.raises(Refusal, match=r"no regions; write \[regions\]"):
        run_bridge(Settings(), http=None, seconds=None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"here": "beijing"}, "regions: here = 'beijing' is none of the regions"),
        ({"more": 'up = { raw = "coarsened" }'}, "regions, node number 2, up, raw: 'coarsened' is none of"),
        ({"more": 'up = { row = "exact" }'}, "regions, node number 2, up: there is no key row here"),
        ({"more": "rate_mb_s = 0"}, "regions, node number 2, rate_mb_s"),
    ],
)
def test_a_tree_that_makes_no_sense_is_refused_with_its_place(tmp_path, changed, words):
    with pytest.raises(Refusal, match=words):
        settings(tmp_path, **changed)


def test_figures_tell_of_each_topic_and_of_what_stays(tmp_path):
    one = bridge(settings(tmp_path))
    one.upward(RawBatch(chunks=[RawChunk(station_id="A", payload=b"")]))
    one.carriers[0].lag = 7
    text = exposition(bridge_figures(one)).decode()
    assert 'groundswell_bridge_lag_messages{region="zhejiang",topic="alerts"} 7.0' in text
    assert 'groundswell_bridge_withheld_total{region="zhejiang",what="raw"} 1.0' in text
    assert 'groundswell_bridge_failing{region="zhejiang",topic="alerts"} 1.0' in text
    assert 'groundswell_bridge_lag_messages{region="zhejiang",topic="descriptions"} 0.0' in text
    assert 'groundswell_bridge_unreadable_total{region="zhejiang",topic="descriptions"} 0.0' in text
    assert one.describer.error.startswith("zhejiang/descriptions: has not begun yet; if it stays so, name")
    assert one.error.startswith("zhejiang/alerts: has not begun yet; if it stays so, run `groundswell topics")


def test_a_clock_that_is_set_back_holds_up_nothing(tmp_path, monkeypatch):
    class BegunError(Exception):
        """It would run now."""

    clocks: list[Callable[[], int]] = []

    def begun(*arguments: Any) -> None:
        clocks.append(arguments[2])
        raise BegunError

    monkeypatch.setattr(bridge_command, "bridge_of", begun)
    with pytest.raises(BegunError):
        run_bridge(settings(tmp_path), http=None, seconds=None)
    (steady_us,) = clocks
    before_us = steady_us()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert steady_us() >= before_us


async def test_a_rate_lets_bytes_pass_in_their_order_and_no_faster(monkeypatch):
    now_us = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now_us
        now_us += seconds * 1e6

    monkeypatch.setattr("streams.kafka.bridge.asyncio.sleep", sleep)
    rate = Rate(1000.0, lambda: round(now_us))
    for _ in range(5):
        await rate.wait(500)
    assert now_us == pytest.approx(2e6)  # the last 500 bytes are on their way
    now_us += 60e6  # nothing is saved up
    await rate.wait(500)
    await rate.wait(500)
    assert now_us == pytest.approx(62.5e6)
