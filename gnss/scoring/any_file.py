"""A file of either kind, told apart by its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gnss.quality.period import StationPeriod
from gnss.quality.registry import Registered
from gnss.quality.score import Thresholds
from gnss.rinex.problems import NotRinexError, Problems
from gnss.rinex.unpack import unpack
from gnss.scoring.capture import score_capture
from gnss.scoring.epochs import NothingToScoreError, Progress
from gnss.scoring.rinex import read_ephemerides, score_rinex
from gnss.to_rtcm.recording import as_rtcm, left_out

_HEAD_BYTES = 16_384
_RINEX_MARKS = (b"RINEX VERSION / TYPE", b"END OF HEADER", b"OBSERVATION DATA", b"# / TYPES OF OBSERV")
_NAVIGATION_KINDS = b"NGHLJ"


def score_file(
    data: bytes,
    navigation: Sequence[bytes] = (),
    *,
    name: str = "",
    date_us: int | None = None,
    modified_us: int,
    thresholds: Thresholds | None = None,
    registered: Registered | None = None,
    progress: Progress | None = None,
) -> StationPeriod:
    """Return the report of a capture (RTCM 3, UBX or BINEX) or of a RINEX observation file.

    Parameters
    ----------
    data
        Plain, or packed with gzip or Unix compress; RINEX also in Hatanaka's form.
    navigation, name, thresholds, registered
        As for `gnss.scoring.rinex.score_rinex`.
    date_us, modified_us
        As for `gnss.scoring.capture.score_capture`; RINEX, UBX and BINEX tell their own date.
    progress
        Told the share that is done.

    Raises
    ------
    NothingToScoreError
        The file is of another kind, or nothing of it can be judged.
    """
    if not data:
        raise NothingToScoreError("the file is empty")
    packed = Problems()
    try:
        plain = unpack(data, packed)
    except NotRinexError as error:
        raise NothingToScoreError(str(error)) from error
    unpacking = [f"{text[:1].upper()}{text[1:]}." for text in packed.in_words()]
    if not plain:
        raise NothingToScoreError(" ".join(["nothing can be unpacked", *unpacking]))
    if is_rinex(plain):
        if is_navigation(plain):
            raise NothingToScoreError("it is a navigation file: give it beside an observation file")
        period = score_rinex(
            plain, navigation, name=name, thresholds=thresholds, registered=registered, progress=progress
        )
    else:
        ephemerides, problems = read_ephemerides(navigation)
        told = as_rtcm(plain, modified_us if date_us is None else date_us)
        problems += left_out(told.spoken, told.counters, told.written)
        period = score_capture(
            told.data,
            name=name,
            date_us=told.first_us or date_us,
            modified_us=modified_us,
            ephemerides=ephemerides,
            thresholds=thresholds,
            registered=registered,
            progress=progress,
        )
        unpacking += problems
    return replace(period, problems=unpacking + period.problems)


def is_rinex(plain: bytes) -> bool:
    """Whether a plain file looks like RINEX, damaged or not."""
    head = plain[:_HEAD_BYTES]
    return any(mark in head for mark in _RINEX_MARKS)


def is_navigation(plain: bytes) -> bool:
    """Whether the header of a RINEX file says that it holds ephemerides."""
    for line in plain[:_HEAD_BYTES].splitlines():
        if b"RINEX VERSION / TYPE" in line[60:]:
            return line[20:21].upper() in (bytes([kind]) for kind in _NAVIGATION_KINDS)
    return False
