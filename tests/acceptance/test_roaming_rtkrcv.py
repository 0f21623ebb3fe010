"""RTKLIB's rtkrcv drives past four bases on BEST, one of which turns bad, and knows where it is all the time.

`make drive` drives the whole road.
"""

from __future__ import annotations

import pytest

from tests.drive.drive import Plan, drive
from tests.drive.shortcomings import shortcomings

pytestmark = pytest.mark.acceptance


async def test_rtkrcv_stays_within_a_decimetre_from_half_a_minute_after_each_hand_over(tmp_path):
    driven = await drive(Plan(70.0, 138.0, 170.0, bad="S3", bad_km=97.0), tmp_path)
    assert shortcomings(driven) == []
    changes = [(one.to, one.reason) for one in driven.hand_overs]
    assert changes == [("S2", "first"), ("S3", "nearer"), ("S4", "bad"), ("S5", "nearer")]
    assert sum(one.solution is not None and one.solution.quality == 1 for one in driven.seconds) > 300
