"""Records in a stream: what is found, what is not, and what noise costs."""

from __future__ import annotations

import binascii
import hashlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.binex.checksum import check_of
from gnss.binex.framing import MAX_MESSAGE_BYTES, BinexFramer, Record, build_record

MESSAGES = st.one_of(
    st.binary(max_size=300), st.sampled_from([120, 125, 4090, 5000, MAX_MESSAGE_BYTES]).map(bytes)
)


def test_a_record_of_a_station_is_found() -> None:
    # from a stream of Trimble's (UNAVCO, station MFLE), as an open decoder's tests have it
    text = b"\x17BINEX Stream Restarted!"
    record = b"\xe2\x00\x1f\x01\x39\x87\x20\x00\x00\x00" + text + b"\x84"
    found = BinexFramer().feed(record)
    assert found.records == [Record(0x00, record[3:-1], True)]
    assert (found.bad, found.skipped_bytes) == (0, 0)
    assert build_record(0x00, record[3:-1]) == record


@settings(deadline=None)
@given(
    parts=st.lists(
        st.one_of(
            st.tuples(st.sampled_from([0, 1, 0x7D, 0x7F, 300, 70_000, 5_000_000]), MESSAGES, st.booleans()),
            st.binary(max_size=20).filter(lambda noise: not set(noise) & {0xC2, 0xE2}),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 40_000), max_size=6),
)
def test_cuts_change_nothing(parts, cuts) -> None:
    stream, wanted, noise = b"", [], 0
    for part in parts:
        if isinstance(part, bytes):
            stream += part
            noise += len(part)
        else:
            number, message, is_big = part
            stream += build_record(number, message, is_big=is_big)
            wanted.append(Record(number, message, is_big))
    framer, found, counts = BinexFramer(), [], [0, 0]
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for begin, end in itertools.pairwise(edges):
        heard = framer.feed(stream[begin:end])
        found += heard.records
        counts = [counts[0] + heard.bad, counts[1] + heard.skipped_bytes]
    heard = framer.finish()
    assert found + heard.records == wanted
    assert [counts[0] + heard.bad, counts[1] + heard.skipped_bytes] == [0, noise]


@settings(deadline=None)
@given(message=st.binary(min_size=1, max_size=300), at=st.integers(0, 10_000), is_big=st.booleans())
def test_a_damaged_record_is_no_record_and_the_next_one_is_found(message, at, is_big) -> None:
    record = build_record(0x7F, message, is_big=is_big)
    at = 3 + at % (len(record) - 3) if len(record) > 140 else len(record) - 1
    damaged = record[:at] + bytes((record[at] ^ 0x10,)) + record[at + 1 :]
    after = build_record(0x01, b"behind" * 30, is_big=is_big)
    framer = BinexFramer()
    found = [*framer.feed(damaged + after).records, *framer.finish().records]
    assert Record(0x7F, message, is_big) not in found
    assert Record(0x01, b"behind" * 30, is_big) in found


@given(st.binary(max_size=200))
def test_checks_are_those_of_other_libraries(covered: bytes) -> None:
    if len(covered) < 128:
        total = 0
        for byte in covered:
            total ^= byte
        assert check_of(covered, is_big=True) == bytes((total,))
    else:
        assert check_of(covered, is_big=True) == binascii.crc_hqx(covered, 0).to_bytes(2, "big")
        assert check_of(covered, is_big=False) == binascii.crc_hqx(covered, 0).to_bytes(2, "little")


def test_long_checks() -> None:
    long = random.Random(7).randbytes(5_000)
    register = 0
    for byte in long:  # bit by bit, as the polynomial says
        for bit in range(7, -1, -1):
            carry = (register >> 31) ^ (byte >> bit & 1)
            register = (register << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if carry else 0)
    assert check_of(long, is_big=True) == register.to_bytes(4, "big")
    longest = bytes(1_048_576)
    assert check_of(longest, is_big=True) == hashlib.md5(longest).digest()


def test_a_record_longer_than_any_station_sends_is_noise() -> None:
    framer = BinexFramer()
    after = build_record(0x7F, b"behind" * 30)
    heard = framer.feed(build_record(0x7F, bytes(MAX_MESSAGE_BYTES + 1)) + after)
    assert [record.message for record in heard.records] == [b"behind" * 30]
    assert heard.bad == 1


@pytest.mark.parametrize("pattern", [b"\xe2", b"\xe2\x7f\xff\x00", b"\xc2\x01\x81\x7f", b"\xe2\x7f\xfb\x7f"])
def test_noise_keeps_no_more_than_a_record(pattern: bytes) -> None:
    framer = BinexFramer()
    for _ in range(40):
        framer.feed(pattern * 10_000)
    assert len(framer._tail) <= MAX_MESSAGE_BYTES + 13
    assert not framer.finish().records


def test_a_number_that_cannot_be_said_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of BINEX"):
        build_record(1 << 29, b"")
