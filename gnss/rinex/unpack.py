"""Files as archives keep them: gzip, Unix compress, Hatanaka; to plain text and back.

Hatanaka compression (CRINEX 1 and 3) is done by the package `hatanaka`, which carries the original programs.
"""

from __future__ import annotations

import warnings
import zlib

import hatanaka  # type: ignore[import-untyped]
import ncompress  # type: ignore[import-untyped]

from gnss.rinex.problems import NotRinexError, Problems

MAX_BYTES = 1 << 30
"""Of plain text: a day at 1 Hz of five systems."""
_GZIP, _COMPRESS, _COMPACT = b"\x1f\x8b", b"\x1f\x9d", b"COMPACT RINEX"
_GZIP_WINDOW = 31
_MAX_LAYERS = 3
_COMPACT_EXPANSION = 4
"""A compact file may hold a line in one byte and cannot be stopped while it is unpacked: so it may be a
quarter of the limit at most."""
_STRANGE_LINES = b"\n\0\n" + 10 * b"&\n"
"""A line with a zero makes the program give up the epoch that was cut."""


class _TooLongError(ValueError):
    def __init__(self) -> None:
        super().__init__("the unpacked file is longer than the limit: give a larger max_bytes")


class _Sink:
    """What ncompress writes to; stops it at the limit."""

    def __init__(self, max_bytes: int) -> None:
        self.pieces: list[bytes] = []
        self._left = max_bytes

    def write(self, piece: bytes) -> int:
        self._left -= len(piece)
        if self._left < 0:
            raise _TooLongError
        self.pieces.append(piece)
        return len(piece)


def unpack(data: bytes, problems: Problems, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the plain text of a file that may be packed.

    A file that was cut or damaged gives what stands before the damage, and a problem.

    Parameters
    ----------
    data
        Plain, gzip, Unix compress (.Z), Hatanaka, or Hatanaka in one of them.
    problems
        Takes what was found wrong.
    max_bytes
        Longest plain text.

    Raises
    ------
    NotRinexError
        Nothing can be unpacked, or it is longer than `max_bytes`.
    """
    for _ in range(_MAX_LAYERS):
        if data[:2] == _GZIP:
            data = _gunzip(data, problems, max_bytes)
        elif data[:2] == _COMPRESS:
            data = _uncompress(data, problems, max_bytes)
        elif _COMPACT in data[:80]:
            data = _restore(data, problems, max_bytes)
        else:
            break
    if len(data) > max_bytes:
        raise NotRinexError(str(_TooLongError()))
    return data


def compact(text: bytes) -> bytes:
    """Return a RINEX observation file in Hatanaka's compact form (CRINEX 1 or 3).

    Raises
    ------
    ValueError
        The text is no RINEX observation file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(hatanaka.rnx2crx(text))
    except hatanaka.HatanakaException as error:
        raise ValueError(f"not a RINEX observation file: {error}") from error


def _gunzip(data: bytes, problems: Problems, max_bytes: int) -> bytes:
    pieces, left = [], max_bytes
    while data[:2] == _GZIP:
        stream = zlib.decompressobj(_GZIP_WINDOW)
        try:
            piece = stream.decompress(data, left + 1)
        except zlib.error:
            piece = _before_damage(data, left + 1)
            problems.add(0, "the gzip file is damaged: what stands before the damage is read")
            pieces.append(piece)
            break
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise NotRinexError(str(_TooLongError()))
        if not stream.eof:
            problems.add(0, "the gzip file was cut: what stands before the cut is read")
            break
        data = stream.unused_data
    return b"".join(pieces)


def _before_damage(data: bytes, limit: int) -> bytes:
    """Unpack in small steps: what came out before the step with the damage is kept."""
    stream, pieces, size = zlib.decompressobj(_GZIP_WINDOW), [], 0
    step = 1024
    try:
        for at in range(0, len(data), step):
            piece = stream.decompress(data[at : at + step], limit - size)
            pieces.append(piece)
            size += len(piece)
            if size >= limit or stream.eof:
                break
    except zlib.error:
        pass  # the caller has said so
    return b"".join(pieces)


def _uncompress(data: bytes, problems: Problems, max_bytes: int) -> bytes:
    sink = _Sink(max_bytes)
    try:
        ncompress.decompress(data, sink)
    except _TooLongError as error:
        raise NotRinexError(str(error)) from error
    except ValueError:
        problems.add(0, "the compressed file is damaged: what stands before the damage is read")
    return b"".join(sink.pieces)


def _restore(data: bytes, problems: Problems, max_bytes: int) -> bytes:
    if len(data) * _COMPACT_EXPANSION > max_bytes + 4096:
        raise NotRinexError(str(_TooLongError()))
    try:
        return _crx2rnx(data, skip=False)
    except hatanaka.HatanakaException as error:
        reason = str(error)
    # The program gives nothing for a file that is cut in an epoch, but skips an epoch that is strange.
    problems.add(0, f"the compact file is damaged: {reason}")
    whole_lines = data[: data.rfind(b"\n")]
    try:
        return _crx2rnx(whole_lines + _STRANGE_LINES, skip=True)
    except hatanaka.HatanakaException as error:
        raise NotRinexError(f"the compact file cannot be restored: {reason}") from error


def _crx2rnx(data: bytes, *, skip: bool) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the epochs that it skips are found missing by the reader
        return bytes(hatanaka.crx2rnx(data, skip_strange_epochs=skip))
