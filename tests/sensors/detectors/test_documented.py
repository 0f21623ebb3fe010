"""What docs/detectors.md shows can be configured as it stands there."""

import re
import tomllib
from pathlib import Path

from sensors.detectors import Subject, make_detector

PAGE = Path(__file__).parents[3] / "docs" / "detectors.md"


def named(node):
    """Return all detectors and their parameters in a piece of configuration."""
    if isinstance(node, list):
        return [one for part in node for one in named(part)]
    if not isinstance(node, dict):
        return []
    found = list(node.get("detectors", {}).items())
    return found + [one for name, part in node.items() if name != "detectors" for one in named(part)]


def test_every_example_makes_a_detector():
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    detectors = [one for block in blocks for one in named(tomllib.loads(block))]
    assert {"shaking", "rainfall", "river"} <= {name for name, _ in detectors}
    for name, parameters in detectors:
        assert make_detector(name, parameters, Subject("x", "m")).version
