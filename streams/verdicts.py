"""State and score of stations, read from their reports without the rest of these."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams.codec import VERSION, CodecError, UnknownVersionError
from streams.records import StationReports


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """State and score of a station; fields as in `streams.records.StationReport`."""

    station_id: str
    epoch_us: int
    state: str
    score: int | None


class _Verdicts(msgspec.Struct, frozen=True, tag=StationReports.__struct_config__.tag):
    reports: list[Verdict]


_decoder = msgspec.msgpack.Decoder(_Verdicts, ext_hook=lambda _code, _data: None)


def decode_verdicts(message: bytes) -> Sequence[Verdict]:
    """Return the verdicts of a message of the topic `station-reports`, in its order.

    Raises
    ------
    UnknownVersionError
        Written by another version of the program.
    CodecError
        Damaged.
    """
    if message[:1] != bytes((VERSION,)):
        raise UnknownVersionError(f"the message is not of version {VERSION}, which this program reads")
    try:
        return _decoder.decode(memoryview(message)[1:]).reports
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CodecError(f"damaged message: {error}") from error
