"""Recordings of u-blox receivers as RTCM 3, against RTKLIB's convbin on the recordings themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pyubx2 import UBXReader

from gnss.to_rtcm.converter import Converter
from gnss.ubx.framing import UbxFramer, build_ubx
from gnss.ubx.rawx import RXM_RAWX
from tests.gnss.to_rtcm.convbin import assert_equal, convbin, read_rinex, read_rtcm
from tests.gnss.ubx.recordings import later, recording

CONVBINS_LIMIT = 5
RECEIVED_US = 1_555_000_000_000_000


def converted(stream: bytes, piece: int = 1500) -> tuple[bytes, Converter]:
    converter = Converter("ubx")
    parts = [converter.feed(stream[at : at + piece], RECEIVED_US) for at in range(0, len(stream), piece)]
    return b"".join([*parts, converter.finish()]), converter


@pytest.mark.integration
@pytest.mark.parametrize(("name", "epochs"), [("zed-f9p-rawx", 119), ("neo-m8t-rawx", 39)])
def test_observations_equal_convbins(tmp_path: Path, name: str, epochs: int) -> None:
    stream = recording(name)
    ours, converter = converted(stream)
    values = read_rtcm(ours)
    observations, _ = convbin(tmp_path, "ubx", stream)
    theirs = read_rinex(observations)
    assert_equal(values, theirs)
    # it leaves out phases whose deviation is above a limit of its own; all else of ours it has
    left = Counter(key[2][0] for key in values.keys() - theirs.keys())
    assert left == Counter({"L": uncertain_phases(stream)})
    assert len({key[0] for key in values}) == converter.written.epochs == converter.counters.epochs == epochs
    assert converter.counters.damaged == converter.counters.bad == converter.written.values_left_out == 0


def uncertain_phases(stream: bytes) -> int:
    """Return how many valid phases have a deviation that convbin does not take, as pyubx2 reads them."""
    count = 0
    for frame in UbxFramer().feed(stream).frames:
        if frame.kind == RXM_RAWX:
            told = UBXReader.parse(build_ubx(frame.kind, frame.payload))
            for i in range(1, told.numMeas + 1):
                deviation, valid = getattr(told, f"cpStd_{i:02d}"), getattr(told, f"cpValid_{i:02d}")
                count += bool(valid) and deviation > CONVBINS_LIMIT
    return count


@pytest.mark.integration
def test_epochs_between_milliseconds_are_moved_as_convbin_moves_them(tmp_path: Path) -> None:
    stream = later(recording("zed-f9p-rawx"), 0.000_3127)
    ours, _ = converted(stream)
    observations, _ = convbin(tmp_path, "ubx", stream, "-ro", "-TADJ=0.001")
    # the time of the week is a double: light travels 3 cm in its last bit
    steps = {"C": 0.04, "L": 0.2, "D": 0.0011, "S": 0.0005}
    theirs = read_rinex(observations)
    # it moves also phases that are not there, from 0
    true = {key: value for key, value in theirs.items() if abs(value.value) > 1e6 or key[2][0] != "L"}
    assert len(true) > 0.8 * len(theirs)
    assert_equal(read_rtcm(ours), true, steps)


@pytest.mark.parametrize("piece", [1, 7, 100, 9_999])
def test_cuts_change_nothing(piece: int) -> None:
    stream = recording("neo-m8t-rawx")
    whole, of_whole = converted(stream, len(stream))
    pieces, of_pieces = converted(stream, piece)
    assert pieces == whole
    assert of_pieces.counters == of_whole.counters
    assert of_pieces.written == of_whole.written
