"""NTRIP 1 and 2 (RTCM 10410.0 and 10410.1) without any input or output: bytes in, values out.

A client uses `build_request` and `ResponseParser`; a caster `RequestParser`, `stream_head`, `encode_chunk`,
`sourcetable_answer` and `refusal`; both `parse_sourcetable` and `format_sourcetable`.
"""

from gnss.ntrip.answer import (
    CONTINUE,
    refusal,
    source_head,
    source_refusal,
    sourcetable_answer,
    stream_head,
)
from gnss.ntrip.body import LAST_CHUNK, BodyDecoder, encode_chunk
from gnss.ntrip.errors import (
    BusyError,
    HeadTooLargeError,
    MalformedError,
    MountpointNotFoundError,
    NtripError,
    RefusedError,
    SourcetableError,
    UnauthorisedError,
)
from gnss.ntrip.gga import format_gga
from gnss.ntrip.gga_reader import GgaReader, RoverPosition, parse_gga
from gnss.ntrip.head import DEFAULT_PORT, NtripVersion
from gnss.ntrip.request import Request, RequestParser, build_request
from gnss.ntrip.response import Response, ResponseParser
from gnss.ntrip.sourcetable import (
    CasEntry,
    NetEntry,
    Sourcetable,
    StrEntry,
    format_entry,
    format_sourcetable,
    parse_sourcetable,
)

__all__ = [
    "CONTINUE",
    "DEFAULT_PORT",
    "LAST_CHUNK",
    "BodyDecoder",
    "BusyError",
    "CasEntry",
    "GgaReader",
    "HeadTooLargeError",
    "MalformedError",
    "MountpointNotFoundError",
    "NetEntry",
    "NtripError",
    "NtripVersion",
    "RefusedError",
    "Request",
    "RequestParser",
    "Response",
    "ResponseParser",
    "RoverPosition",
    "Sourcetable",
    "SourcetableError",
    "StrEntry",
    "UnauthorisedError",
    "build_request",
    "encode_chunk",
    "format_entry",
    "format_gga",
    "format_sourcetable",
    "parse_gga",
    "parse_sourcetable",
    "refusal",
    "source_head",
    "source_refusal",
    "sourcetable_answer",
    "stream_head",
]
