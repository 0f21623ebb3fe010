"""Whole recordings: which format they are in, and the same in RTCM 3."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gnss.rtcm.framing import find_frames
from gnss.to_rtcm.binex import BinexReader
from gnss.to_rtcm.converter import Converter, Counters, is_observation
from gnss.to_rtcm.formats import Spoken
from gnss.to_rtcm.reader import Heard, Reader
from gnss.to_rtcm.ubx import UbxReader
from gnss.to_rtcm.writer import RtcmWriter, Written

HEAD_BYTES = 1 << 18
"""In which the format is looked for."""
_READERS: dict[Spoken, type[UbxReader | BinexReader]] = {"ubx": UbxReader, "binex": BinexReader}


@dataclass(frozen=True, slots=True)
class AsRtcm:
    """A recording in RTCM 3."""

    spoken: Spoken
    """The format that it was in."""
    data: bytes
    """As it was, when that is RTCM 3."""
    first_us: int | None = None
    """UTC of the first epoch, which other formats tell with its date; None: not known."""
    counters: Counters = field(default_factory=Counters)
    written: Written = field(default_factory=Written)


def spoken_in(head: bytes) -> Spoken:
    """Return the format of a recording's first bytes; RTCM 3 where nothing else is sure.

    Observations in RTCM 3 decide; else the format with most epochs; else one whose frames are most of it.
    """
    index = find_frames(np.frombuffer(head, np.uint8))
    if is_observation(index.message).any():
        return "rtcm"
    heard = {spoken: _heard(kind(), head) for spoken, kind in _READERS.items()}
    most = max(heard, key=lambda spoken: heard[spoken].epochs)
    if heard[most].epochs:
        return most
    least = min(heard, key=lambda spoken: heard[spoken].skipped_bytes)
    is_most = heard[least].frames > len(index) and heard[least].skipped_bytes < len(head) // 2
    return least if is_most else "rtcm"


def as_rtcm(data: bytes, near_us: int) -> AsRtcm:
    """Return a recording in RTCM 3.

    Parameters
    ----------
    data
        All of it, in any known format.
    near_us
        UTC near its end, for ephemerides of a recording without observations.
    """
    spoken = spoken_in(data[:HEAD_BYTES])
    if spoken == "rtcm":
        return AsRtcm(spoken, data)
    converter = Converter(spoken)
    made = converter.feed(data, near_us) + converter.finish()
    return AsRtcm(spoken, made, converter.first_us or None, converter.counters, converter.written)


def left_out(name: Spoken, counters: Counters, written: Written) -> list[str]:
    """Return in sentences what of a recording in another format is not in its RTCM 3."""
    counts = {
        "frames whose observations contradict themselves": counters.damaged,
        "begins of frames that are none": counters.bad,
        "observations of signals or satellites without a number in MSM": counters.unknown_signals,
        "observations that MSM7 has no place for": written.observations_left_out,
        "values that MSM7 has no room for": written.values_left_out,
        "ephemerides that no message can say": written.ephemerides_left_out,
        "messages of observations in RTCM 3 beside them": counters.rtcm_observations,
    }
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    return [f"Read as {name.upper()}; left out: {', '.join(told)}."] if told else []


def _heard(reader: Reader, head: bytes) -> Heard:
    return reader.feed(head, RtcmWriter(), 0)
