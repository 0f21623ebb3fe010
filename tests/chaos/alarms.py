"""Alerts and webhooks against what an undisturbed run of the same samples makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import psycopg

from deploy.partitioning import pipeline
from deploy.registry import Registry
from deploy.settings import Settings
from streams.kafka.tasks import SENSE
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.records import AlertTransition, AlertTransitions, Detections, FlaggedSamples, SampleBatch
from tests.chaos import ledger
from tests.chaos.sensors import datastream_id
from tests.chaos.subscriber import Subscriber

GRACE_US = 20_000_000
"""Alerts whose onset is this near to the end of a span may come of samples behind it."""
ROWS = "SELECT transition FROM alert_transitions ORDER BY alert_id, number"
FLAGS = (
    "SELECT d.id, s.time_us, s.revision, s.flag FROM samples AS s "
    "JOIN datastreams AS d USING (datastream_key) WHERE s.time_us BETWEEN %s AND %s"
)


@dataclass
class Verdict:
    """Of the alerts until some moment."""

    transitions: int = 0
    webhook_ids: int = 0
    repeated_deliveries: int = 0
    missing: list[str] = field(default_factory=list)
    """Alerts, steps, answers and webhooks that should be there."""
    surplus: list[str] = field(default_factory=list)
    """Those that are there twice, or that nothing has caused."""


@dataclass
class Oracle:
    """Judges what was published, in its order, in one piece and without any broker."""

    folder: Path
    settings: Settings
    url: str
    subscriber: Subscriber
    expected: dict[str, Counter[str]] = field(default_factory=dict)
    """Changes of each alert."""
    flags: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """Revision and flag of each sample, once its successor has come."""
    _pipeline: Pipeline = field(init=False)
    _alert: Alert = field(default_factory=Alert)
    _fed: int = 0
    """Time of the last sample that was judged, microseconds."""

    def __post_init__(self) -> None:
        self._pipeline = pipeline(Registry.of(self.settings), [SENSE])

    def feed(self, until_us: int) -> None:
        """Judge the samples up to a time."""
        sent = ledger.read(self.folder, "samples")
        sent = sent[(sent["time_us"] > self._fed) & (sent["time_us"] <= until_us)]
        self._fed = until_us
        if not len(sent):
            return
        sent = sent[np.argsort(sent["time_us"], kind="stable")]
        numbers, series = np.unique(sent["sensor"], return_inverse=True)
        batch = SampleBatch(
            datastream_ids=[datastream_id(n) for n in numbers.tolist()],
            series=series.astype(np.int32),
            time_us=sent["time_us"].astype(np.int64),
            value=sent["value"].astype(np.float64),
            received_at_us=sent["time_us"].astype(np.int64) + 50_000,
        )
        for made in self._pipeline.run((batch,), until_us):
            if isinstance(made, Detections):
                self._count(self._alert.on_batch(made))
            elif isinstance(made, FlaggedSamples):
                self._judged(made)
        assert not self._pipeline.failures, self._pipeline.failures

    def _count(self, outputs: list[AlertTransitions]) -> None:  # type: ignore[type-arg]
        for output in outputs:
            for step in output.transitions:
                self.expected.setdefault(step.alert_id, Counter())[step.change] += 1

    def _judged(self, made: FlaggedSamples) -> None:
        columns = (made.series, made.time_us, made.revision, made.flag)
        for s, time_us, revision, flag in zip(*(column.tolist() for column in columns), strict=True):
            self.flags[made.datastream_ids[s], time_us] = (revision, flag)

    def verdict(self, until_us: int) -> Verdict:
        """Hold alerts and webhooks of everything until now against what was expected until `until_us`."""
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            rows = connection.execute(ROWS).fetchall()
        kept: dict[str, list[AlertTransition]] = {}
        for (raw,) in rows:
            step = msgspec.msgpack.decode(raw, type=AlertTransition)
            kept.setdefault(step.alert_id, []).append(step)
        result = Verdict(transitions=len(rows))
        for alert, changes in self.expected.items():
            self._hold(alert, changes, kept.get(alert, []), result)
        for alert, steps in kept.items():
            if alert not in self.expected and steps[0].onset_us < until_us - GRACE_US:
                result.surplus.append(f"alert {alert} of {steps[0].subject_id} at {steps[0].onset_us}")
        self._webhooks(kept, result)
        return result

    def _hold(self, alert: str, changes: Counter[str], steps: list[AlertTransition], into: Verdict) -> None:
        there = Counter(step.change for step in steps)
        if [step.number for step in steps] != list(range(1, len(steps) + 1)):
            into.missing.append(f"alert {alert} has the steps {[step.number for step in steps]}")
        over = ("ended", "closed")
        wanted = {
            "opened": (changes["opened"], there["opened"]),
            "level": (changes["level"], there["level"]),
            "over": (int(any(changes[c] for c in over)), int(any(there[c] for c in over))),
            "acknowledged": (int(alert in self.subscriber.answered), there["acknowledged"]),
        }
        for what, (should, does) in wanted.items():
            if does < should:
                into.missing.append(f"alert {alert}: {what}")
            elif does > should and what == "opened":
                into.surplus.append(f"alert {alert} was opened {does} times")
        if there["acknowledged"] > 1:
            into.surplus.append(f"alert {alert} was acknowledged {there['acknowledged']} times")

    def _webhooks(self, kept: dict[str, list[AlertTransition]], into: Verdict) -> None:
        names = {f"{alert}.{step.number}": step.change for alert, steps in kept.items() for step in steps}
        received = dict(self.subscriber.received)
        into.webhook_ids = len(received)
        into.repeated_deliveries = sum(received.values()) - len(received)
        into.missing += [f"webhook {name} ({names[name]})" for name in names if name not in received]
        told = {"level": "level_changed"}
        for name in received:
            change = names.get(name)
            if change is not None and self.subscriber.changes[name] != f"alert.{told.get(change, change)}":
                into.surplus.append(f"webhook {name} told {self.subscriber.changes[name]}, not {change}")

    def wrong_flags(self, since_us: int, until_us: int) -> list[str]:
        """Return samples whose stored verdict is not that of the undisturbed run."""
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            rows = connection.execute(FLAGS, (since_us, until_us)).fetchall()
        final = {key: value for key, value in self.flags.items() if key[1] <= self._fed - 5_000_000}
        return [
            f"{name} {time_us}: revision {revision} flag {flag}, not {final[name, time_us]}"
            for name, time_us, revision, flag in rows
            if (name, time_us) in final and final[name, time_us] != (revision, flag)
        ]
