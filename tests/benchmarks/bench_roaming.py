"""What it costs to lead 10,000 rovers among 4,000 stations, with a search over all stations beside it.

Time of this process's processor, in simulated seconds: each has an epoch of every station and a sentence of
every rover, more than any network sends. `make bench-roaming`.
"""

from __future__ import annotations

import json
import logging
import time

import numpy as np
import structlog

from connectors.caster.roaming.near import point_km
from gnss.ntrip import GgaReader, RoverPosition, format_gga
from tests.connectors.link.frames import observed
from tests.connectors.roaming.world import World

STATIONS, ROVERS, SECONDS = 4000, 10_000, 20
WEST_EAST_SOUTH_NORTH = (75.0, 130.0, 20.0, 50.0)


def main() -> None:
    """Measure and print one JSON object."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    random = np.random.default_rng(3)
    west, east, south, north = WEST_EAST_SOUTH_NORTH

    def somewhere(count: int) -> list[list[float]]:
        return random.uniform((west, south), (east, north), (count, 2)).tolist()

    places = {f"S{i:04d}": (one[0], one[1]) for i, one in enumerate(somewhere(STATIONS))}
    world = World(places)
    spent = dict.fromkeys(("epochs", "ticks", "sentences", "positions"), 0.0)

    def timed(what: str, begin_s: float) -> None:
        spent[what] += time.process_time() - begin_s

    def epoch(second: int) -> bytes:
        numbers = (1077, 1087, 1097, 1127)
        return b"".join(observed(n, 1000 * second, more=n != 1127, length=300) for n in numbers)

    def all_send(second: int) -> None:
        frames = epoch(second)
        begin_s = time.process_time()
        for name in places:
            world.relay.publish(name, frames)
        timed("epochs", begin_s)

    def tick() -> float:
        begin_s = time.process_time()
        world.roaming.tick()
        took_s = time.process_time() - begin_s
        spent["ticks"] += took_s
        world.clock.now_s += 0.5
        return took_s

    all_send(1)
    tick()
    rovers = [world.rover("BEST", (one[0], one[1]))[0] for one in somewhere(ROVERS)]
    all_send(2)
    led = sum(bool(rover.base) for rover in rovers)
    readers = [GgaReader() for _ in rovers]
    spent = dict.fromkeys(spent, 0.0)
    longest_s = 0.0
    for second in range(3, 3 + SECONDS):
        all_send(second)
        moved = somewhere(ROVERS)
        sentences = [format_gga(0, latitude, longitude, 0.0) for longitude, latitude in moved]
        begin_s = time.process_time()
        positions = [reader.feed(one) for reader, one in zip(readers, sentences, strict=True)]
        timed("sentences", begin_s)
        begin_s = time.process_time()
        for rover, position in zip(rovers, positions, strict=True):
            assert isinstance(position, RoverPosition)
            world.roaming.tell(rover, position)
        timed("positions", begin_s)
        longest_s = max(longest_s, tick(), tick())
    changes = sum(world.roaming.counters.changes.values()) - led

    all_km = np.array([point_km(*place) for place in places.values()])
    here_km = [point_km(*one) for one in somewhere(200)]
    begin_s = time.process_time()
    for one in here_km:
        np.sqrt(((all_km - one) ** 2).sum(axis=1)).argmin()
    plain_us = 1e6 * (time.process_time() - begin_s) / len(here_km)
    figures = {
        "rovers": ROVERS,
        "stations": STATIONS,
        "led": led,
        "changes": changes,
        **{f"{name}_percent_of_core": round(100 * value / SECONDS, 2) for name, value in spent.items()},
        "longest_tick_ms": round(1000 * longest_s, 1),
        "us_per_question": round(1e6 * spent["ticks"] / (SECONDS * ROVERS / 5), 1),
        "us_per_plain_search": round(plain_us, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
