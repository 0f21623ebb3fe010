"""What of a file could not be read or judged, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MOST_SENTENCES = 60
"""Of one file, about single lines of it."""

_COUNTED = {
    "bad_frames": ("frame", "Left out because their checksum is wrong: {}."),
    "skipped_bytes": ("byte", "Skipped because they belong to no valid frame: {}."),
    "damaged_messages": ("observation message", "Left out because their content is impossible: {}."),
    "unusable_times": (
        "observation message",
        "Left out because no clock shows their time, or no other message has it: {}.",
    ),
    "late_frames": ("observation message", "Left out because their epoch was over when they came: {}."),
    "oversized_epochs": ("epoch", "Cut because they are too long: {}."),
    "empty_epochs": ("epoch", "Left out because no observation of theirs has a value: {}."),
    "repeated_epochs": ("epoch", "Left out because they have the time of the epoch before: {}."),
    "restarts": ("time", "The recording begins anew, its time goes back or ahead by more than a week: {}."),
    "surplus_epochs": ("epoch", "Left out because there were too many at once: {}."),
    "partial_observations": (
        "observation",
        "Sent without whole milliseconds, and nothing was known to restore them by: {}.",
    ),
    "signals_without_room": ("observation", "Left out because there were too many signals: {}."),
}
NO_SKY = (
    "No ephemerides: what was to be expected by elevation, and positions, could not be judged."
    " Give a navigation file."
)
NO_PLACE = (
    "The station's place is not known and could not be found from its codes: elevations could not be judged."
)


def left_out(counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each thing that was left out, by what."""
    return [
        sentence.format(f"{counts[name]:,} {noun}{'' if counts[name] == 1 else 's'}")
        for name, (noun, sentence) in _COUNTED.items()
        if counts.get(name, 0)
    ]


def shortened(sentences: Iterable[str], total: int | None = None) -> list[str]:
    """Return the first sentences, and how many more there were.

    Parameters
    ----------
    total
        How many there were, if not all are given.
    """
    some = list(sentences)
    rest = max(len(some), total or 0) - min(len(some), MOST_SENTENCES)
    return some[:MOST_SENTENCES] + ([f"And {rest:,} more of this kind."] if rest > 0 else [])
