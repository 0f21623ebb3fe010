"""Sites with networks over them, for tests of what they say together."""

import msgspec
import numpy as np

from streams.definitions import DatastreamDefinition, ThingDefinition
from streams.network_definition import NetworkDefinition
from streams.records import AlertTransitions, Detection, Detections, FlaggedSamples

S = 1_000_000
T0 = 1_700_000_000 * S


def base(networks, sites, fusion=None):
    """Return what a configuration would define: each site has one datastream, `SITE.x`."""
    made = {}
    for site in sites:
        made["thing", site] = ThingDefinition(longitude=0.0, latitude=0.0, fusion=fusion)
        made["datastream", f"{site}.x"] = DatastreamDefinition(thing=site, property="p", name=site, unit="m")
    for name, (kind, members, parameters) in networks.items():
        made["network", name] = NetworkDefinition(
            kind=kind, members=[f"{one}.x" for one in members], parameters=parameters
        )
    return made


def datastreams(made):
    return [one.datastream(key[1]) for key, one in made.items() if key[0] == "datastream"]


def things(made):
    return [one.thing(key[1]) for key, one in made.items() if key[0] == "thing"]


def detection(site, rule, at_s, onset_s=None, phase="begin", level="yellow", part_of="", **evidence):
    at_us = T0 + round(at_s * S)
    return Detection(
        detector=rule, version="1", subject_id=f"{site}.x", phase=phase, level=level,
        onset_us=at_us if onset_s is None else T0 + round(onset_s * S), at_us=at_us, detected_at_us=at_us,
        title=f"{rule} at {site}", value=1.0, threshold=0.5, unit="m", evidence=evidence, part_of=part_of,
    )  # fmt: skip


def flagged(*rows, revision=0):
    """Return judged samples of (site, time in s, value), received when they were measured."""
    names = list(dict.fromkeys(f"{site}.x" for site, *_ in rows))
    at_us = np.array([T0 + round(at_s * S) for _, at_s, _ in rows], np.int64)
    n = len(rows)
    return FlaggedSamples(
        datastream_ids=names,
        series=np.array([names.index(f"{site}.x") for site, *_ in rows], np.int32),
        time_us=at_us,
        value=np.array([value for *_, value in rows], np.float64),
        received_at_us=at_us,
        revision=np.full(n, revision, np.int32),
        tests=["gross_range", "spike"],
        flags=np.tile(np.array([1, 2], np.uint8), (n, 1)),
        flag=np.full(n, 2, np.uint8),
    )


def detections(outputs):
    return [one for batch in outputs if isinstance(batch, Detections) for one in batch.detections]


def transitions(outputs):
    return [one for batch in outputs if isinstance(batch, AlertTransitions) for one in batch.transitions]


def revisions(outputs):
    """Return (site, time in s, revision, neighbour's flag, overall flag) of revised samples."""
    return [
        (
            batch.datastream_ids[batch.series[i]][:-2],
            (int(batch.time_us[i]) - T0) / S,
            int(batch.revision[i]),
            int(batch.flags[i, batch.tests.index("neighbor")]),
            int(batch.flag[i]),
        )
        for batch in outputs
        if isinstance(batch, FlaggedSamples) and "neighbor" in batch.tests
        for i in range(len(batch))
    ]


def plain(records):
    return [msgspec.to_builtins(one) for one in records]
