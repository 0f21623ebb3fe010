"""Packed files, whole and damaged."""

from __future__ import annotations

import gzip

import hatanaka
import ncompress
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.rinex.observation import read_observations
from gnss.rinex.problems import NotRinexError, Problems
from gnss.rinex.unpack import compact, unpack
from tests.gnss.rinex.samples import HEAD_3, epoch_3, gps_3, sample_2

NOISE = np.random.default_rng(1).uniform(20e6, 25e6, (60, 8)).tolist()
NOISY = HEAD_3 + "".join(
    epoch_3(e, *(gps_3(s + 1, value) for s, value in enumerate(values))) for e, values in enumerate(NOISE)
)
SAMPLES = {"2": sample_2(40).encode(), "3": NOISY.encode()}
PACKERS = {
    "gzip": gzip.compress,
    "compress": ncompress.compress,
    "hatanaka": hatanaka.rnx2crx,
    "hatanaka and gzip": lambda text: gzip.compress(hatanaka.rnx2crx(text)),
    "hatanaka and compress": lambda text: ncompress.compress(hatanaka.rnx2crx(text)),
    "two gzip files": lambda text: gzip.compress(text[:500]) + gzip.compress(text[500:]),
}


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("packer", list(PACKERS))
def test_whole_files(packer: str, version: str) -> None:
    text = SAMPLES[version]
    problems = Problems()
    # Hatanaka's form has no blanks at line ends
    plain = b"\n".join(line.rstrip() for line in text.split(b"\n"))
    assert unpack(PACKERS[packer](plain), problems) == plain
    assert problems.total == 0


def test_compact_is_what_the_package_unpacks() -> None:
    text = SAMPLES["3"]
    assert hatanaka.crx2rnx(compact(text)) == b"\n".join(line.rstrip() for line in text.split(b"\n"))
    with pytest.raises(ValueError, match="not a RINEX observation file"):
        compact(b"something else\n" * 10)


@pytest.mark.parametrize("packer", ["gzip", "compress", "hatanaka", "hatanaka and gzip"])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.95])
def test_cut_files_give_what_stands_before_the_cut(packer: str, share: float) -> None:
    whole = read_observations(SAMPLES["3"]).epochs
    packed = PACKERS[packer](SAMPLES["3"])
    found = read_observations(packed[: int(len(packed) * share)])
    n = len(found.epochs.observations)
    assert found.problem_count >= 1
    assert 20 < n < len(whole.observations)
    # the last epoch may be cut
    kept = found.epochs.first[-1]
    np.testing.assert_array_equal(found.epochs.observations.range_m[:kept], whole.observations.range_m[:kept])
    np.testing.assert_array_equal(found.epochs.time_us, whole.time_us[: len(found.epochs)])


@settings(deadline=None, max_examples=40)
@given(packer=st.sampled_from(sorted(PACKERS)), at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=60))
def test_damaged_files_raise_nothing_else(packer: str, at: float, junk: bytes) -> None:
    packed = bytearray(PACKERS[packer](SAMPLES["3"]))
    begin = int(at * len(packed))
    packed[begin : begin + len(junk)] = junk
    try:
        read_observations(bytes(packed))
    except NotRinexError:
        return


@pytest.mark.parametrize("packer", ["gzip", "compress", "hatanaka"])
def test_the_limit_holds(packer: str) -> None:
    bomb = SAMPLES["3"] + b"\n" * 5_000_000 if packer != "hatanaka" else SAMPLES["3"] * 20
    packed = PACKERS[packer](bomb) if packer != "hatanaka" else b"1.0  COMPACT RINEX FORMAT\n" + bomb
    with pytest.raises(NotRinexError, match="longer than the limit"):
        unpack(packed, Problems(), max_bytes=100_000)


def test_too_long_plain_text() -> None:
    with pytest.raises(NotRinexError, match="max_bytes"):
        unpack(SAMPLES["3"], Problems(), max_bytes=100)


def test_nothing_but_a_compact_header() -> None:
    packed = hatanaka.rnx2crx(SAMPLES["3"])
    with pytest.raises(NotRinexError, match="cannot be restored"):
        read_observations(packed[:300])
