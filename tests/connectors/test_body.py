"""Bodies of foreign messages: the same in any cut, and never larger than is allowed."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.body import MOST_MEMBERS, Body, BodyError, EncodingError, TooLargeError


def read(data: bytes, cut: int, most: int, encoding: str) -> bytes:
    body = Body(most, encoding)
    for begin in range(0, len(data), cut):
        body.add(data[begin : begin + cut])
    return body.whole()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 400))
def test_a_body_is_the_same_in_any_cut_packed_or_not(members, cut):
    whole = b"".join(members)
    packed = b"".join(map(gzip.compress, members))
    assert read(whole, cut, 2000, "") == whole
    assert read(packed, cut, 2000, " GZIP ") == gzip.decompress(packed) == whole


@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 4000))
def test_no_body_is_larger_than_allowed(size, most, cut):
    for data, encoding in ((b"x" * size, "identity"), (gzip.compress(b"x" * size), "gzip")):
        if size <= most and len(data) <= most:
            assert read(data, cut, most, encoding) == b"x" * size
        else:
            with pytest.raises(TooLargeError, match=f"larger than {most} bytes"):
                read(data, cut, most, encoding)


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    body = Body(1_000_000, "gzip")
    with pytest.raises(TooLargeError):
        body.add(bomb)
    assert len(body._bytes) <= 1_000_001


@given(st.binary(min_size=1, max_size=50))
def test_what_is_no_gzip_is_refused_in_words(data):
    try:
        expected = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        with pytest.raises(BodyError):
            read(data, 7, 1000, "gzip")
    else:
        assert read(data, 7, 1000, "gzip") == expected


def test_half_a_gzip_many_members_and_other_encodings_are_refused():
    packed = gzip.compress(b"x" * 100)
    with pytest.raises(BodyError, match="ends too early"):
        read(packed[:-1], 10, 1000, "gzip")
    with pytest.raises(BodyError, match="members"):
        read(gzip.compress(b"") * (MOST_MEMBERS + 1), 64, 10_000, "gzip")
    with pytest.raises(EncodingError, match="Content-Encoding 'br'"):
        Body(10, "br")
