"""An RTCM 3 capture to the report of its station: all of it is looked through before it is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gnss.assembly.table import Assembled, Chunk, EpochTable
from gnss.capture import WeekFrom, reference_time
from gnss.ephemeris import Ephemeris
from gnss.ephemeris_book import EphemerisBook
from gnss.epoch_columns import NO_TIME_US
from gnss.glonass_channels import with_channels
from gnss.quality.message_set import FOLLOWED
from gnss.quality.metadata_words import metadata_words
from gnss.quality.period import StationPeriod
from gnss.quality.period_builder import About
from gnss.quality.registry import Registered
from gnss.quality.score import Thresholds
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, decode_ephemeris
from gnss.rtcm.station import METADATA_MESSAGES, StationMetadata, update
from gnss.scoring.epochs import EpochScorer, NothingToScoreError, Progress, interval_of, part
from gnss.scoring.place import Place, mean_place
from gnss.scoring.problems import NO_PLACE, NO_SKY, left_out
from gnss.scoring.rinex import glonass_channels
from gnss.sky import Skies
from gnss.systems import UNKNOWN_CHANNEL

_WANTED = frozenset(EPHEMERIS_MESSAGES) | METADATA_MESSAGES | FOLLOWED
STEP_BYTES = 1 << 18
LOOKED_SHARE = 0.3
"""Of the progress, for looking through."""
MOST_EPHEMERIDES = 100_000


@dataclass(slots=True)
class _Contents:
    """What a capture holds, but for its observations."""

    times_us: list[NDArray[np.int64]] = field(default_factory=list)
    first: Assembled | None = None
    """The first piece that has epochs."""
    payloads: set[bytes] = field(default_factory=set)
    ephemerides: list[Ephemeris] = field(default_factory=list)
    metadata: StationMetadata = field(default_factory=StationMetadata)
    place_m: Place | None = None
    """The first one that is told."""
    messages: dict[int, int] = field(default_factory=dict)
    frames: int = 0
    bad_frames: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def score_capture(
    data: bytes,
    *,
    name: str = "",
    date_us: int | None = None,
    modified_us: int,
    ephemerides: Iterable[Ephemeris] = (),
    thresholds: Thresholds | None = None,
    registered: Registered | None = None,
    progress: Progress | None = None,
) -> StationPeriod:
    """Return the report of a capture.

    Its ephemerides and its first coordinates count from its begin. Damaged frames are left out and counted.

    Parameters
    ----------
    data
        The capture.
    name
        Of the file, for the report.
    date_us
        Roughly when it was made, UTC; None: as the ephemerides, else the file's time, tell.
    modified_us
        When the file was written, UTC.
    ephemerides
        Others than the capture's own.
    registered
        What the registry says of the station: place, antenna, receiver.

    Raises
    ------
    NothingToScoreError
        There is no frame, or no epoch, that can be judged.
    """
    reference_us, week_from = reference_time(data, date_us=date_us, modified_us=modified_us)
    contents = _look_through(data, reference_us, progress)
    contents.ephemerides += ephemerides
    book = EphemerisBook()
    book.extend(contents.ephemerides)
    times_us = np.concatenate([np.zeros(0, np.int64), *contents.times_us])
    if not contents.frames:
        raise NothingToScoreError(
            "no valid RTCM 3 frame was found; is it an RTCM 3 capture or a RINEX observation file?"
        )
    if contents.first is None:
        raise NothingToScoreError(
            f"{contents.frames:,} valid RTCM 3 frames, but no epoch of observations (MSM, or 1001 to 1012)"
        )
    sky = Skies(book) if len(book) else None
    channels = _channels(contents.ephemerides)
    interval_s = interval_of(times_us)
    problems = _problems(contents, week_from)
    scorer = EpochScorer(interval_s, sky, contents.place_m, thresholds, registered)
    reference = "message 1006" if contents.messages.get(1006) else "message 1005"
    if sky is None:
        problems.append(NO_SKY)
    elif not scorer.is_placed:
        found_m = mean_place(contents.first.epochs, sky)
        scorer = EpochScorer(interval_s, sky, found_m, thresholds, registered)
        reference = "mean position"
        if found_m is None:
            problems.append(NO_PLACE)
    for share, assembled in _assembled(EpochTable(_WANTED), data, reference_us):
        _judge(scorer, assembled, channels)
        if progress is not None:
            progress(LOOKED_SHARE + (1.0 - LOOKED_SHARE) * share)
    about = About(
        station_id=name or "unknown",
        source=name or "RTCM 3 capture",
        reference=reference,
        messages=contents.messages,
        metadata=metadata_words(contents.metadata),
        problems=problems,
    )
    # the frames behind the last epoch count too
    return scorer.finish(about, frames=contents.frames, bad_frames=contents.bad_frames)


def _assembled(table: EpochTable, data: bytes, reference_us: int) -> Iterator[tuple[float, Assembled]]:
    """Return the epochs of a capture piece by piece, with the share that is done."""
    for at in range(0, len(data), STEP_BYTES):
        yield at / len(data), table.feed([Chunk(0, data[at : at + STEP_BYTES], None, reference_us)])
    yield 1.0, table.finish()


def _look_through(data: bytes, reference_us: int, progress: Progress | None) -> _Contents:
    contents = _Contents()
    table = EpochTable(_WANTED - FOLLOWED)
    for share, assembled in _assembled(table, data, reference_us):
        if len(assembled.epochs):
            contents.times_us.append(assembled.epochs.time_us)
            contents.first = contents.first or assembled
        _hear(contents, assembled, reference_us)
        if progress is not None:
            progress(LOOKED_SHARE * share)
    counts = table.counts()
    if len(counts):
        names = (
            "bad_frames", "skipped_bytes", "damaged_messages", "unusable_times", "late_frames",
            "oversized_epochs",
        )  # fmt: skip
        contents.counts = {name: int(getattr(counts, name)[0]) for name in names}
        contents.frames, contents.bad_frames = int(counts.frames[0]), contents.counts["bad_frames"]
    messages = table.message_counts()
    contents.messages = {
        number: n
        for number, n in sorted(zip(messages.message.tolist(), messages.frames.tolist(), strict=True))
        if number >= 0
    }
    return contents


def _hear(contents: _Contents, assembled: Assembled, reference_us: int) -> None:
    """Take ephemerides, and what the station says of itself."""
    others = assembled.others
    for message, epoch_us, payload in zip(
        others.message.tolist(), others.epoch_us.tolist(), others.payload, strict=True
    ):
        near_us = reference_us if epoch_us == NO_TIME_US else epoch_us
        if message in METADATA_MESSAGES:
            contents.metadata = update(contents.metadata, payload)
            if contents.place_m is None and contents.metadata.position is not None:
                contents.place_m = contents.metadata.position.ecef_m
        elif payload not in contents.payloads and len(contents.payloads) < MOST_EPHEMERIDES:
            contents.payloads.add(payload)
            ephemeris = decode_ephemeris(payload, near_us)
            if ephemeris is not None:
                contents.ephemerides.append(ephemeris)


def _judge(scorer: EpochScorer, assembled: Assembled, channels: NDArray[np.int8]) -> None:
    """Judge a piece's epochs; what the station says anew counts behind the epochs that came before it."""
    others, epochs = assembled.others, assembled.epochs
    scorer.count(*assembled.messages()[1:])
    epochs = replace(epochs, observations=with_channels(epochs.observations, channels))
    begin = 0
    for message, epoch_us, payload in zip(
        others.message.tolist(), others.epoch_us.tolist(), others.payload, strict=True
    ):
        if message not in METADATA_MESSAGES:
            continue
        if scorer.facts.is_new(payload):
            until = np.flatnonzero(epochs.time_us[begin:] == epoch_us)
            if len(until):
                end = begin + int(until[-1]) + 1
                scorer.take(part(epochs, begin, end))
                begin = end
        scorer.hear(payload, epoch_us)
    scorer.take(part(epochs, begin, len(epochs)))


def _channels(ephemerides: Iterable[Ephemeris]) -> NDArray[np.int8]:
    """Return the GLONASS frequency number of each slot, shape (64,)."""
    channels = np.full(64, UNKNOWN_CHANNEL, np.int8)
    for slot, channel in glonass_channels(ephemerides).items():
        channels[slot - 1] = channel
    return channels


def _problems(contents: _Contents, week_from: WeekFrom) -> list[str]:
    told = left_out(contents.counts)
    if week_from == "file time":
        told.append("The week is taken from the file's time; give the date when that is wrong.")
    return told
