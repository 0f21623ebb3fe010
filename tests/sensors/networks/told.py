"""What members tell, for tests of networks."""

import msgspec

from sensors.detectors.finding import Finding
from sensors.networks import Forward, Found, MemberFinding, MemberSample, find_network_kind, read_network

S = 1_000_000
T0 = 1_700_000_000 * S


def network(kind, stations, **parameters):
    """Return a network; `stations` is how many there are, each with one datastream."""
    made = find_network_kind(kind)
    members = {f"{name}.x": name for name in (f"s{i}" for i in range(stations))}
    return made.make(read_network(kind, parameters), "the net", members)


def found(station, onset_s, told_s, phase="begin", level="yellow", rule="shaking", channel="x", **evidence):
    finding = Finding(
        phase=phase, level=level, onset_us=T0 + round(onset_s * S), at_us=T0 + round(told_s * S), title="t",
        value=1.0, threshold=0.5, evidence=evidence,
    )  # fmt: skip
    return MemberFinding(
        member=f"{station}.{channel}", station=station, rule=rule, told_us=T0 + round(told_s * S),
        finding=finding,
    )  # fmt: skip


def sample(station, time_s, value, told_s=None, flag=1, revision=0):
    told_us = T0 + round((time_s if told_s is None else told_s) * S)
    return MemberSample(
        member=f"{station}.x", station=station, told_us=told_us, time_us=T0 + round(time_s * S), value=value,
        received_at_us=told_us, revision=revision, flag=flag, flags={"gross_range": flag},
    )  # fmt: skip


def tell(made, told, until_s=None, restart=None):
    """Tell it all, with the time between; return what is said, with its time in s."""
    said = []
    for one in told:
        said += pass_time(made, one.told_us)
        said += [((one.told_us - T0) / S, what) for what in made.take(one)]
        if restart is not None:
            state, made = made.snapshot(), restart()
            made.restore(state)
    if until_s is not None:
        said += pass_time(made, T0 + round(until_s * S))
    return said


def pass_time(made, until_us):
    said = []
    while (due_us := made.due_us()) is not None and due_us <= until_us:
        said += [((due_us - T0) / S, what) for what in made.advance(due_us)]
    return said


def network_findings(said):
    return [(at_s, one.finding) for at_s, one in said if isinstance(one, Found)]


def forwards(said):
    return [
        (at_s, one.found.station, one.found.finding.phase, one.level)
        for at_s, one in said
        if isinstance(one, Forward)
    ]


def plain(said):
    return [(at_s, type(one).__name__, msgspec.to_builtins(one)) for at_s, one in said]
