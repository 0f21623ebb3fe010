"""Frames that failed the CRC against all frames.

TCP does not flip bits: bad frames come from the receiver's own link (radio, serial line), from a
caster that drops bytes, or from a sender that mixes two streams.
"""

from __future__ import annotations


def bad_share(frames: float, bad_frames: float) -> float | None:
    """Return the share of bad frames; None when there were no frames at all.

    Parameters
    ----------
    frames
        Frames with a valid CRC.
    bad_frames
        Candidates that failed.
    """
    total = frames + bad_frames
    return bad_frames / total if total > 0 else None
