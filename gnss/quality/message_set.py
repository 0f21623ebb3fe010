"""Which messages come and how often, against what was promised or what came before.

Counts of messages by number are looked at once a minute of the station's time. A number whose interval was
promised (a sourcetable's format details, `1077(1)`) is missing when it has not come for three intervals, two
minutes at least; one that nobody promised but that came regularly is missing when it has stayed away for
ten of its own intervals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gnss.quality.score import Finding

LOOK_US = 60_000_000
LEAST_AWAY_US = 120_000_000
PROMISED_INTERVALS, LEARNT_INTERVALS = 3, 10
LEARNT_COUNT = 10
LONGEST_LEARNT_US = 120_000_000
"""Messages that came less often were no promise."""
FORGOTTEN_US = 86_400_000_000
MOST_NUMBERS = 64
POINTS = 60.0


class Heard(msgspec.Struct):
    """One message number of a station."""

    count: int
    """At the last look."""
    first_us: int
    last_us: int
    seen: int = 0
    """Since `first_us`."""

    @property
    def interval_us(self) -> float:
        """Mean time between messages; a minute's look is how exact it is."""
        return (self.last_us - self.first_us) / self.seen if self.seen else float("inf")


class MessageSet(msgspec.Struct):
    """State of one station."""

    looked_us: int | None = None
    heard: dict[int, Heard] = {}

    def look(self, now_us: int, counts: Mapping[int, int]) -> bool:
        """Take the counts by message number since the begin of the stream; return whether a look was due."""
        if self.looked_us is not None and 0 <= now_us - self.looked_us < LOOK_US:
            return False
        begin_us = now_us if self.looked_us is None or now_us < self.looked_us else self.looked_us
        self.looked_us = now_us
        for number, count in counts.items():
            one = self.heard.get(number)
            if one is None:
                if len(self.heard) < MOST_NUMBERS:
                    self.heard[number] = Heard(count, now_us, now_us)
                continue
            if count > one.count:
                if now_us - one.last_us > FORGOTTEN_US or now_us < one.last_us:
                    one.first_us, one.seen = begin_us, 0
                one.seen += count - one.count
                one.last_us = now_us
            one.count = count
        return True

    def findings(self, now_us: int, promised: Mapping[int, float]) -> tuple[Finding, ...]:
        """Return which messages stay away.

        Parameters
        ----------
        promised
            Interval in s by message number; what is not there may come or not.
        """
        found = []
        for number, interval_s in sorted(promised.items()):
            one = self.heard.get(number)
            away_us = now_us - (one.last_us if one is not None else self.heard_since(now_us))
            if away_us > max(PROMISED_INTERVALS * interval_s * 1e6, LEAST_AWAY_US):
                found.append(_missing(number, away_us, f"promised every {interval_s:g} s"))
        for number, one in sorted(self.heard.items()):
            if number in promised or one.seen < LEARNT_COUNT or one.interval_us > LONGEST_LEARNT_US:
                continue
            away_us = now_us - one.last_us
            if max(LEARNT_INTERVALS * one.interval_us, LEAST_AWAY_US) < away_us < FORGOTTEN_US:
                found.append(_missing(number, away_us, f"it came every {one.interval_us * 1e-6:.0f} s"))
        return tuple(found)

    def heard_since(self, now_us: int) -> int:
        """Return since when this station is heard."""
        return min((one.first_us for one in self.heard.values()), default=now_us)


def _missing(number: int, away_us: int, promise: str) -> Finding:
    text = f"Message {number} has not come for {away_us * 1e-6:.0f} s ({promise})."
    check = "The receiver's output configuration, the sourcetable or registry."
    return Finding("messages", text, away_us * 1e-6, None, check)


def promised_messages(format_details: str) -> dict[int, float]:
    """Return interval in s by message number from a sourcetable's format details, as "1005(10),1077(1)".

    Numbers without an interval, and what is no number, are left out.
    """
    pairs = re.findall(r"\b(\d{4})\s*\(\s*(\d+(?:\.\d+)?)\s*\)", format_details)
    return {int(number): float(interval) for number, interval in pairs if float(interval) > 0}
