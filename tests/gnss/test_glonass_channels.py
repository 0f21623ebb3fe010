import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gnss.glonass_channels import with_channels
from gnss.observations import Observations
from gnss.systems import UNKNOWN_CHANNEL

CELLS = st.tuples(st.integers(0, 6), st.integers(0, 255), st.sampled_from([UNKNOWN_CHANNEL, -7, 0, 6]))


def observations(cells):
    n = len(cells)
    system, satellite, channel = (
        np.array([cell[k] for cell in cells], dtype) for k, dtype in enumerate((np.uint8, np.uint8, np.int8))
    )
    columns = {name: np.zeros(n) for name in Observations.__slots__}
    return Observations(**columns | {"system": system, "satellite": satellite, "channel": channel})


@given(st.lists(CELLS, max_size=20))
def test_only_unknown_channels_of_glonass_are_filled(cells):
    known = np.arange(-7, 17, dtype=np.int8)
    before = observations(cells)
    after = with_channels(before, known)
    for (system, slot, channel), made in zip(cells, after.channel.tolist(), strict=True):
        is_filled = system == 1 and channel == UNKNOWN_CHANNEL and 1 <= slot <= 24
        assert made == (slot - 8 if is_filled else channel)
    assert before.channel.tolist() == [cell[2] for cell in cells]
