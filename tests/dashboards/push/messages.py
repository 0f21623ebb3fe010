"""Messages as topics have them, of small networks."""

from __future__ import annotations

import json

import msgspec
import numpy as np

from streams.records import AlertTransitions, FlaggedSamples, StationReports
from tests.dashboards import country as c
from tests.dashboards.country import SECOND_US, START_US

GOOD, DEGRADED, BAD, _ = c.SITES


def reports(*rows):
    """Return verdicts: station, second, kind."""
    sites = {"good": GOOD, "degraded": DEGRADED, "bad": BAD}
    made = [
        c.report(sites[kind], START_US + second * SECOND_US, station_id=name) for name, second, kind in rows
    ]
    return StationReports(reports=made)


def samples(*rows):
    """Return samples: datastream, second, value."""
    names = sorted({name for name, *_ in rows})
    one = c.samples([(START_US + second * SECOND_US, value, 1) for _, second, value in rows])
    series = np.array([names.index(name) for name, *_ in rows], np.int32)
    found: FlaggedSamples = msgspec.structs.replace(one, datastream_ids=names, series=series)
    return found


def alerts(*rows):
    """Return steps: alert, number, level."""
    return AlertTransitions(
        transitions=[
            c.alert(number, "opened" if number == 1 else "level", alert_id=name, level=level)
            for name, number, level in rows
        ]
    )


def parsed(event):
    """Return name, id (or None) and content of a server-sent event."""
    fields = dict(line.split(": ", 1) for line in event.decode().rstrip("\n").split("\n"))
    return fields["event"], fields.get("id"), json.loads(fields["data"])


async def told(viewer):
    """Return the events that wait for a viewer."""
    events, found = aiter(viewer), []
    while viewer.n_bytes:
        found.append(parsed(await anext(events)))
    return found
