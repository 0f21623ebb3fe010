from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from connectors.caster.link.whole_epochs import WholeEpochs, frame_ends
from connectors.gathering.chunks_kernel import take_chunks_off
from connectors.gathering.columns import Column, Place, empty_states
from connectors.gathering.cutter import EpochCutter
from connectors.gathering.sockets_kernel import HOLD_IN_BACKLOG_US, HOLD_US
from gnss.ntrip.body import ChunkedDecoder, encode_chunk
from gnss.ntrip.errors import MalformedError
from gnss.rtcm.framing import build_frame, find_frames
from tests.connectors.link.frames import epoch

EPOCHS = [epoch(n) for n in range(6)]


def message(number: int, *, open_bit: bool, n_bytes: int) -> bytes:
    """Return a frame whose flags say whether more follows."""
    payload = bytearray(max(n_bytes, 7))
    payload[0], payload[1] = number >> 4, (number & 15) << 4
    payload[6] = (2 if not 1009 <= number <= 1012 else 16) * open_bit
    return build_frame(bytes(payload))


MESSAGES = st.builds(
    message,
    st.sampled_from([1005, 1019, 1033, 1004, 1012, 1074, 1077, 1087, 1137, 1230, 4095]),
    open_bit=st.booleans(),
    n_bytes=st.integers(7, 300),
)
NOISE = st.binary(min_size=1, max_size=40).map(lambda some: some.replace(b"\xd3", b"\xd2"))
STREAMS = st.lists(st.one_of(MESSAGES, MESSAGES, MESSAGES, NOISE), max_size=25).map(b"".join)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@given(STREAMS, st.lists(st.integers(1, 700), max_size=20))
def test_nothing_is_lost_however_it_is_cut(stream, sizes):
    cutter = EpochCutter()
    pieces = [p for k, some in enumerate(cut(stream, sizes)) for p in cutter.feed(some, k, 1000 + k)]
    ends = set(np.cumsum([len(piece.payload) for piece in pieces]).tolist())
    pieces += cutter.finish(99)
    assert b"".join(piece.payload for piece in pieces) == stream
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    frames = b"".join(
        stream[s : s + n + 6] for s, n in zip(index.start.tolist(), index.length.tolist(), strict=True)
    )
    assert b"".join(piece.frames for piece in pieces) == frames
    assert sum(piece.n_frames for piece in pieces) == len(index)
    assert sum(piece.n_bad for piece in pieces) == index.bad
    assert sum(piece.n_bytes for piece in pieces) == len(stream)
    times = [piece.received_at_us for piece in pieces]
    assert times == sorted(times)
    if frames == stream:
        assert ends <= closed(stream)
    assert not cutter.is_holding


def closed(stream: bytes) -> set[int]:
    """Return where no epoch is open, by the rule of the link."""
    epochs, at, found = WholeEpochs(), 0, set()
    for end in frame_ends(stream):
        for _ in epochs.feed(stream[at:end], 0):
            pass
        at = end
        if not epochs.is_waiting:
            found.add(end)
    return found


def test_an_epoch_goes_on_with_its_last_byte():
    cutter = EpochCutter()
    for n, one in enumerate(EPOCHS):
        for at in range(0, len(one), 50):
            pieces = list(cutter.feed(one[at : at + 50], 1000 * n, n))
            assert [p.payload for p in pieces] == ([one] if at + 50 >= len(one) else [])


def test_the_rest_of_an_epoch_is_waited_for_as_long_as_it_may_come():
    for backlog, hold_us in ((b"", HOLD_US), (bytes(20_000), HOLD_IN_BACKLOG_US)):
        cutter = EpochCutter()
        list(cutter.feed(backlog, 0, 0))
        first = next(frame_ends(EPOCHS[0]))
        assert list(cutter.feed(EPOCHS[0][: first + 5], 10, 10)) == []
        assert cutter.due_us() == 10 + hold_us
        assert [p.payload for p in cutter.let_go(10 + hold_us)] == [EPOCHS[0][:first]]
        assert not cutter.is_holding
        (rest,) = cutter.feed(EPOCHS[0][first + 5 :], 20, 20)
        assert rest.payload == EPOCHS[0][first:]


def test_an_epoch_without_end_is_none():
    endless = message(1077, open_bit=True, n_bytes=1000)
    cutter = EpochCutter()
    pieces = list(cutter.feed(endless * 50, 0, 0))
    assert b"".join(p.payload for p in pieces) + b"".join(p.payload for p in cutter.finish(1)) == endless * 50
    assert max(len(p.payload) for p in pieces) <= 16_384


BODIES = st.lists(st.binary(max_size=60), max_size=8).map(lambda some: b"".join(map(encode_chunk, some)))
LINES = st.text("0123456789abcdefABCDEF \t;=\r\nxyz", max_size=30).map(str.encode)


@given(
    st.one_of(BODIES, st.tuples(BODIES, LINES, BODIES).map(b"".join)),
    st.lists(st.integers(1, 9), max_size=40),
)
def test_chunks_come_off_as_they_do_elsewhere(body, sizes):
    slow, state, out = ChunkedDecoder(), empty_states(1)[0], bytearray()
    expected, is_broken = bytearray(), False
    for some in [*cut(body, sizes), 260 * b"x" + b"\n"]:  # a line that is none is known by its end
        region = np.frombuffer(b"??" + some, np.uint8).copy()
        out += region[2 : 2 + take_chunks_off(state, region, 2, len(some))].tobytes()
        try:
            if not is_broken:
                slow.feed(some, expected)
        except MalformedError:
            is_broken = True
    assert out == expected
    assert (state[Column.CHUNK_PLACE] == Place.BROKEN) == is_broken
    assert (state[Column.CHUNK_PLACE] == Place.END) == (slow.finished and not is_broken)


@pytest.mark.parametrize(
    "line", [b"5" * 17 + b"\r\n", b"5 5\r\n", b";\r\n", b"\r\n", b"ffffffff\r\n", b"5" + b" " * 256]
)
def test_a_line_that_is_no_size_breaks_the_body(line):
    state = empty_states(1)[0]
    assert take_chunks_off(state, np.frombuffer(line, np.uint8).copy(), 0, len(line)) == 0
    assert state[Column.CHUNK_PLACE] == Place.BROKEN
