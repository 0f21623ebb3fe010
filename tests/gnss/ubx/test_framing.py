"""Frames in a stream: what is found, what is not, and what noise costs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyubx2 import UBXMessage, UBXReader

from gnss.ubx.framing import MAX_PAYLOAD_BYTES, UbxFrame, UbxFramer, build_ubx
from tests.gnss.ubx.recordings import recording

PAYLOADS = st.one_of(st.binary(max_size=300), st.just(bytes(MAX_PAYLOAD_BYTES)))


@settings(deadline=None)
@given(
    parts=st.lists(
        st.one_of(
            st.tuples(st.integers(0, 0xFFFF), PAYLOADS),
            st.binary(max_size=20).filter(lambda noise: b"\xb5" not in noise),
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
            stream += build_ubx(*part)
            wanted.append(UbxFrame(*part))
    framer, found, counts = UbxFramer(), [], [0, 0]
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for begin, end in itertools.pairwise(edges):
        heard = framer.feed(stream[begin:end])
        found += heard.frames
        counts = [counts[0] + heard.bad, counts[1] + heard.skipped_bytes]
    heard = framer.finish()
    assert found + heard.frames == wanted
    assert [counts[0] + heard.bad, counts[1] + heard.skipped_bytes] == [0, noise]


@given(payload=st.binary(min_size=1, max_size=300), at=st.integers(0, 10_000))
def test_a_damaged_frame_is_none_and_the_next_one_is_found(payload: bytes, at: int) -> None:
    frame = build_ubx(0x0215, payload)
    at = 6 + at % (len(frame) - 6)
    damaged = frame[:at] + bytes((frame[at] ^ 0x10,)) + frame[at + 1 :]
    framer = UbxFramer()
    found = [*framer.feed(damaged + build_ubx(0x0213, b"behind")).frames, *framer.finish().frames]
    assert UbxFrame(0x0215, payload) not in found
    assert UbxFrame(0x0213, b"behind") in found


@pytest.mark.parametrize("name", ["zed-f9p-rawx", "neo-m8t-rawx", "neo-m8t-sfrbx", "zed-f9p-sfrbx"])
def test_frames_of_recordings_are_those_of_pyubx2(name: str) -> None:
    stream = recording(name)
    found = UbxFramer().feed(stream).frames
    theirs = [
        message
        for raw, message in UBXReader(_Stream(stream), protfilter=2, quitonerror=0)
        if isinstance(message, UBXMessage) and raw
    ]
    assert [frame.kind.to_bytes(2, "big") for frame in found] == [m.msg_cls + m.msg_id for m in theirs]
    assert [frame.payload for frame in found] == [m.payload or b"" for m in theirs]
    assert len(found) > 50


class _Stream:
    """What pyubx2 reads from."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def read(self, n: int) -> bytes:
        self._at += n
        return self._content[self._at - n : self._at]

    def readline(self) -> bytes:
        end = self._content.find(b"\n", self._at) + 1 or len(self._content)
        return self.read(end - self._at)


@pytest.mark.parametrize(
    "pattern", [b"\xb5", b"\xb5\x62", b"\xb5\x62\x02\x15\xff\x3f", b"\xb5\x62\xb5\x62\x00\x3f"]
)
def test_noise_keeps_no_more_than_a_frame(pattern: bytes) -> None:
    framer = UbxFramer()
    for _ in range(40):
        framer.feed(pattern * 10_000)
    assert len(framer._tail) <= MAX_PAYLOAD_BYTES + 8
    assert not framer.finish().frames


def test_a_payload_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        build_ubx(0x0215, bytes(65_536))
