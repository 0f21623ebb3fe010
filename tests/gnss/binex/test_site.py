"""What a site tells of itself."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.binex.framing import BinexFramer, Record
from gnss.binex.site import Site, update
from tests.gnss.binex.encode import counted, site_record


@pytest.mark.parametrize("is_big", [True, False])
def test_texts_are_told_and_other_fields_passed_over(is_big: bool) -> None:
    order = ">" if is_big else "<"
    stream = site_record(
        [
            (0x00, counted("a comment")),
            (0x08, counted("MFLE")),
            (0x0C, counted("2004-05-06") + struct.pack(order + "hI", 2004, 181_440)),
            (0x0F, counted("mfle")),
            (0x17, counted("TRM59800.80")),
            (0x1D, counted("") + struct.pack(order + "3d", -1.3e6, -4.6e6, 4.1e6)),
            (0x1E, counted("WGS84") + struct.pack(order + "3d", -106.0, 40.0, 1500.0)),
            (0x1F, struct.pack(order + "3d", 0.01, 0.0, 0.0)),
            (0x20, counted("SCIT")),
            (0x42, counted("not known yet")),
            (0x19, counted("TRIMBLE\x07 NETR9 ")),
        ],
        is_big=is_big,
    )
    (record,) = BinexFramer().feed(stream).records
    told = update(Site(receiver_serial="5"), record)
    assert told == Site(
        marker_name="MFLE",
        antenna="TRM59800.80",
        radome="SCIT",
        receiver="TRIMBLE NETR9",
        receiver_serial="5",
        approximate_m=(-1.3e6, -4.6e6, 4.1e6),
    )


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_read_to_their_end(message: bytes, is_big: bool) -> None:
    told = update(Site(), Record(0x00, message, is_big))
    assert told.marker_name is None or told.marker_name.isprintable()
    assert update(told, Record(0x01, message, is_big)) == told


def test_of_a_cut_record_the_fields_before_count() -> None:
    (record,) = BinexFramer().feed(site_record([(0x08, counted("ONE")), (0x19, counted("TWO"))])).records
    cut = Record(record.record, record.message[:-1], True)
    assert update(Site(), cut) == Site(marker_name="ONE")
