"""Fetching the sourcetable of another caster."""

from __future__ import annotations

import asyncio
import ssl

import msgspec

from connectors.reconnect import StreamError
from connectors.tcp import check_address, connected, format_address
from gnss import ntrip

MOST_BYTES = 16_000_000
"""The largest tables have some 300 kB."""
TIMEOUT_S = 30.0
READ_BYTES = 65_536
_END_BYTES = 32
_WRONG_VERSION = {0, 400, 405, 426, 500, 501, 505}


class SourcetableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose sourcetable."""

    host: str
    port: int = ntrip.DEFAULT_PORT
    username: str = ""
    password: str = ""
    tls: bool = False
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_address(self.host, self.port, self.timeout_s)
        if ":" in self.username:
            raise ValueError("the user name holds a colon, which NTRIP cannot carry; correct it")

    def __repr__(self) -> str:
        return f"SourcetableConfig({self.source})"  # the password belongs in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people: without credentials."""
        return f"ntrip{'s' if self.tls else ''}://{format_address(self.host, self.port)}"


async def fetch(config: SourcetableConfig) -> ntrip.Sourcetable:
    """Return the table; asks by version 2 of NTRIP, and by 1 if the caster does not understand.

    Raises
    ------
    StreamError
        There is none to be had; the sentence says why.
    """
    try:
        return await _asked(config, 2)
    except (ntrip.NtripError, StreamError) as error:
        if not _is_odd(error):
            raise _explained(error) from error
    try:
        return await _asked(config, 1)
    except ntrip.NtripError as error:
        raise _explained(error) from error


async def _asked(config: SourcetableConfig, version: ntrip.NtripVersion) -> ntrip.Sourcetable:
    parser = ntrip.ResponseParser(expect="sourcetable")
    tls = ssl.create_default_context() if config.tls else None
    request = ntrip.build_request(
        "",
        host=config.host,
        port=config.port,
        version=version,
        username=config.username,
        password=config.password,
    )
    table = bytearray()
    try:
        async with (
            asyncio.timeout(config.timeout_s),
            connected(config.host, config.port, tls) as (reader, writer),
        ):
            writer.write(request)
            while not (parser.finished or _is_ended(table)):
                data = await reader.read(READ_BYTES)
                if not data:
                    parser.finish()
                    break
                table += parser.feed(data)
                if len(table) > MOST_BYTES:
                    raise StreamError(f"the sourcetable has more than {MOST_BYTES // 1_000_000} MB")
    except TimeoutError as error:
        text = f"the sourcetable did not come within {config.timeout_s:g} s; check the caster, or wait longer"
        raise StreamError(text, stalled=True) from error
    except OSError as error:
        raise _BrokenError(f"the connection broke ({error.strerror or error}); try again") from error
    if not table and version == 2:
        raise _BrokenError("the sourcetable is empty")
    return ntrip.parse_sourcetable(bytes(table))


class _BrokenError(StreamError):
    """The caster hangs up, as some do that do not know version 2."""


def _is_ended(table: bytearray) -> bool:
    """Whether the last line is the end line: not all casters hang up behind it."""
    return b"\nENDSOURCETABLE" in b"\n" + table[-_END_BYTES:]


def _is_odd(error: Exception) -> bool:
    """Whether a caster answers as if it did not know version 2."""
    if isinstance(error, ntrip.RefusedError):
        return error.status in _WRONG_VERSION
    return isinstance(error, ntrip.MalformedError | _BrokenError)


def _explained(error: Exception) -> StreamError:
    if isinstance(error, StreamError):
        return error
    if isinstance(error, ntrip.MountpointNotFoundError):
        return StreamError("the caster has no sourcetable there; check host and port")
    retry_soon = error.retry_soon if isinstance(error, ntrip.NtripError) else True
    return StreamError(str(error), retry_soon=retry_soon)
