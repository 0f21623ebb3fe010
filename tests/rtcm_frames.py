"""RTCM 3 frames that carry a number, made and checked with pyrtcm's CRC-24Q."""

from __future__ import annotations

from collections.abc import Iterator

from pyrtcm import calc_crc24q


def frame(message: bytes) -> bytes:
    """Wrap a message."""
    head = b"\xd3" + len(message).to_bytes(2, "big")
    return head + message + calc_crc24q(head + message).to_bytes(3, "big")


def of_type(number: int, length: int = 40) -> bytes:
    """Return a frame of a message type, filled with zeros."""
    return frame((number << 4).to_bytes(2, "big") + bytes(length - 2))


def text_frame(text: str) -> bytes:
    """Return a 1029 (Unicode text) of station 7."""
    units = text.encode()
    bits = 0
    for value, width in ((1029, 12), (7, 12), (0, 16), (0, 17), (len(text), 7), (len(units), 8)):
        bits = bits << width | value
    return frame(bits.to_bytes(9, "big") + units)


def split(stream: bytes) -> Iterator[bytes]:
    """Yield the frames of a stream that must be nothing but whole frames with a valid CRC."""
    position = 0
    while position < len(stream):
        assert stream[position] == 0xD3, f"no frame begins at {position}"
        end = position + 6 + int.from_bytes(stream[position + 1 : position + 3], "big")
        one = stream[position:end]
        assert len(one) == end - position, "the last frame is cut"
        assert calc_crc24q(one) == 0, f"the CRC of the frame at {position} is wrong"
        yield one
        position = end
