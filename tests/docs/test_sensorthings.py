"""docs/sensorthings.md names each requirement class that is claimed, and tests that there are."""

import re
from pathlib import Path

from dashboards.sta.conformance import CLASSES, CREATED_BY_MQTT

ROOT = Path(__file__).parents[2]
ROWS = dict(
    re.findall(
        r"^\| `([\w/-]+)` \| (.*) \|$", (ROOT / "docs" / "sensorthings.md").read_text("utf-8"), re.MULTILINE
    )
)


def test_each_class_that_is_claimed_has_its_tests():
    claimed = [one.partition("/req/")[2] for one in (*CLASSES, CREATED_BY_MQTT)]
    assert sorted(ROWS) == sorted(claimed)
    written = "".join(file.read_text("utf-8") for file in ROOT.glob("tests/*/test_sta_*.py"))
    for named in ROWS.values():
        tests = re.findall(r"`(test_\w+)`", named)
        assert tests
        assert all(f"def {test}(" in written for test in tests), tests
