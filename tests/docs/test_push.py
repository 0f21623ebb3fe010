"""docs/push.md says what is so, and its snippets read what is written."""

import json
import re
from pathlib import Path

import numpy as np

from dashboards.client.follow import Pushed
from dashboards.push.channels import KINDS, channels_of
from streams import codec, topics
from tests.dashboards.push.messages import alerts, reports, samples

TEXT = (Path(__file__).parents[2] / "docs" / "push.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def rows_of(heading):
    """Return the cells of a table."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def run(snippet):
    found = {}
    exec(snippet, found)
    return found


def test_each_kind_of_channel_is_there():
    names = [re.findall(r"`([^`]+)`", cells[0]) for cells in rows_of("Channels")]
    assert {channel.partition(":")[0] for (channel,) in names} == {"network", *KINDS}
    assert len(channels_of([",".join(channel for (channel,) in names)])) == len(names)


def test_the_events_example_is_one():
    data = next(line for line in TEXT.splitlines() if line.startswith("data: "))
    channels = json.loads(data.removeprefix("data: "))["channels"]
    assert channels["property:rain"]["observations"][0]["value"] == 1.5
    assert set(channels["property:rain"]) <= set(Pushed.__struct_fields__)


def test_the_topics_are_as_the_code_has_them():
    days = {"7 days": 7 * 86_400, "1 day": 86_400, "for ever": -1}
    known = {topic.name: topic for topic in topics.TOPICS}
    for names, record, by, kept in rows_of("Straight from Kafka"):
        for number, name in enumerate(re.findall(r"`([^`]+)`", names)):
            topic = known[name]
            assert topic.batch.__name__ == re.findall(r"`([^`]+)`", record)[number]
            assert topic.retention_s == days[kept.split(", ")[min(number, kept.count(", "))]]
            assert (topic.partitions == 1) == (by == "one")


def test_the_snippet_with_this_program_reads_samples():
    rows = run(SNIPPETS[1])["rows"]
    message = codec.encode(samples(("gauge.rain", 1, 1.5), ("hill.rain", 2, 2.5)))
    assert [(name, value) for name, _, value in rows(message)] == [("gauge.rain", 1.5), ("hill.rain", 2.5)]


def test_the_snippet_without_it_reads_every_kind():
    decode = run(SNIPPETS[2])["decode"]
    batch = samples(("gauge.rain", 1, 1.5), ("hill.rain", 2, 2.5))
    read = decode(codec.encode(batch))
    assert read["type"] == "flagged_samples"
    assert read["datastream_ids"] == ["gauge.rain", "hill.rain"]
    for name in ("time_us", "value", "flags", "flag", "revision", "series"):
        assert read[name].dtype == getattr(batch, name).dtype
        assert np.array_equal(read[name], getattr(batch, name))
    assert decode(codec.encode(reports(("A", 0, "bad"))))["reports"][0]["station_id"] == "A"
    assert decode(codec.encode(alerts(("a1", 1, "red"))))["transitions"][0]["level"] == "red"
