"""The examples of docs/payloads.md do what is written beside them."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from deploy.settings import Settings
from sensors.payloads import Mapping, configured, first_match, opened

TEXT = (Path(__file__).parents[2] / "docs" / "payloads.md").read_text(encoding="utf-8")
SECTIONS = {
    title: dict(re.findall(r"```(\w+[^\n]*)\n(.*?)```", body, re.DOTALL))
    for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
}
NOW_US = 1_782_000_000_000_000


def test_every_format_has_an_example():
    with pytest.raises(ValueError, match="there is no format") as refused:
        configured(Mapping, {"format": "?"})
    known = str(refused.value).partition("only ")[2].split(", ")
    assert sorted(title for title, blocks in SECTIONS.items() if blocks) == known


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_gives_the_samples_beside_it(title):
    blocks = SECTIONS[title]
    settings = msgspec.convert(msgspec.toml.decode(blocks["toml"]), Settings, dec_hook=configured)
    ((head, message),) = [(head, text) for head, text in blocks.items() if head.startswith("message ")]
    topic = head.removeprefix("message ")
    payload = bytes.fromhex(message[4:]) if message.startswith("hex:") else message.encode()
    mapping = first_match(opened(settings.mqtt[0].mappings), topic)
    decoded = mapping.decode(topic, payload, NOW_US)
    assert decoded.errors == []
    expected = [line.split() for line in blocks["samples"].splitlines()]
    times = [f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in decoded.time_us]
    values = ["-" if math.isnan(value) else f"{value:g}" for value in decoded.value]
    places = [decoded.places.get(row) for row in range(len(decoded))]
    told = [[f"{part:g}" for part in place[:2]] if place else [] for place in places]
    rows = zip(decoded.datastream_ids, times, values, strict=True)
    found = [[*row, *place] for row, place in zip(rows, told, strict=True)]
    assert found == expected
