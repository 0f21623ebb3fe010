"""What the live list of 10,000 rovers costs a caster and who hears it, with telling all of them beside it.

Time of this process's processor, in simulated seconds: each rover says each 5 s that it is elsewhere, is told
to six decimals, and has another base every ten seconds: more than any network does. `make bench-sessions`.
"""

from __future__ import annotations

import json
import time

import numpy as np

from connectors.caster.accounts import Accounts
from connectors.caster.admission import Admission
from connectors.caster.rover_watch import RoverWatch
from connectors.caster.session_book import Sessions
from connectors.caster.telling import Telling, hear
from connectors.caster.upload import Upload, UploadCounters
from connectors.caster.volumes import Volumes
from dashboards.present_sessions import session
from gnss.ntrip import format_gga
from streams import codec
from streams.definitions import PrivacyDefinition

ROVERS, SECONDS, GGA_S = 10_000, 330, 5
BEGIN_US = 1_760_000_000_000_000


class Connection:
    """A rover on a roaming mountpoint, as far as it is watched."""

    def __init__(self, number: int) -> None:
        self.address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.station_id = "NEAREST"
        self.upload = Upload()
        self.rover = self
        self.base, self.base_since_us, self.last_reason = "", 0, "nearer"


def main() -> None:
    """Measure and print one JSON object."""
    now_us = BEGIN_US
    privacy = PrivacyDefinition(position_decimals=6, days=30)
    accounts = Accounts({})
    admission = Admission(
        accounts, Sessions("wuhan"), Volumes("wuhan"), lambda: now_us, time.monotonic, lambda _: None
    )
    watch = RoverWatch(admission, lambda: now_us, privacy)
    telling, other, counters = Telling(admission), Sessions("serve"), UploadCounters()
    rovers = [Connection(number) for number in range(ROVERS)]
    for rover in rovers:
        admission.begin(rover, "", "NEAREST", lambda: 5, lambda: 1)  # type: ignore[arg-type]
        watch.begin(rover, "NTRIP bench/1", 2)  # type: ignore[arg-type]
    telling.due(now_us)
    random = np.random.default_rng(5)
    spent = dict.fromkeys(("sentences", "look", "tell", "keep", "hear", "show"), 0.0)
    told = kept = size = shown = 0
    longest_s = 0.0

    def timed(what: str, begin_s: float) -> None:
        spent[what] += time.process_time() - begin_s

    reached = 0
    for second in range(SECONDS):
        now_us += 1_000_000
        moved = rovers[second % GGA_S :: GGA_S]
        places = random.uniform((75, 20), (130, 50), (len(moved), 2)).tolist()
        sentences = [format_gga(now_us, latitude, longitude, 0.0) for longitude, latitude in places]
        begin_s = time.process_time()
        for rover, sentence in zip(moved, sentences, strict=True):
            rover.upload.take(sentence, counters)
        timed("sentences", begin_s)
        for rover in rovers[second % 10 :: 10]:
            rover.base, rover.base_since_us = f"S{second:04d}", now_us
        begin_s = time.process_time()
        watch.look()
        longest_s = max(longest_s, time.process_time() - begin_s)
        timed("look", begin_s)
        begin_s = time.process_time()
        messages = [codec.encode(one) for _ in range(2) for one in telling.due(now_us)]
        timed("tell", begin_s)
        size += sum(map(len, messages))
        begin_s = time.process_time()
        while (batch := watch.keeping.take()) is not None:
            kept += len(batch.sessions)
            codec.encode(batch)
        timed("keep", begin_s)
        begin_s = time.process_time()
        for message in messages:
            record = codec.decode(message)
            hear(record, other, None, now_us)
            told += len(record.present)  # type: ignore[attr-defined]
        timed("hear", begin_s)
        begin_s = time.process_time()
        items = [session(one, "") for one in other.changed(reached)]
        reached, shown = other.change, shown + len(items)
        timed("show", begin_s)
    begin_s = time.process_time()
    for record in Telling(admission)._sessions(set(range(60))):
        hear(codec.decode(codec.encode(record)), other, None, now_us)
    all_s = time.process_time() - begin_s
    figures = {
        "rovers": ROVERS,
        "told_a_second": round(told / SECONDS),
        "kept_a_second": round(kept / SECONDS),
        "shown_a_second": round(shown / SECONDS),
        "kB_a_second": round(size / SECONDS / 1000),
        **{f"{name}_percent_of_core": round(100 * value / SECONDS, 2) for name, value in spent.items()},
        "longest_look_ms": round(1000 * longest_s, 1),
        "all_told_each_second_percent_of_core": round(100 * all_s, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
