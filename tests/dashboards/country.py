"""A small country in a real store: four stations, a tide gauge with an alert, and a command desk."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from fastapi import FastAPI

from dashboards.access.access import Access, Rules
from dashboards.access.book import Book
from dashboards.api import create_app
from dashboards.live import LiveFeed, LiveHub
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source
from dashboards.push.hub import PushHub
from dashboards.push.window import Window
from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Changes,
    Command,
    CommandOutcome,
    FlaggedSamples,
    Reason,
    Record,
    StationFigures,
    StationReport,
    StationReports,
)
from streams.stream_state import StreamStates

SECOND_US = 1_000_000
START_US = 1_767_225_600 * SECOND_US  # 2026-01-01T00:00:00Z
HOUR_US = 3600 * SECOND_US
WATCHED_US = [START_US - minutes * 60 * SECOND_US for minutes in (10, 9, 8)]
GAUGE = "gauge-xiamen.water_level"

LATENCY = Reason(
    code="latency",
    text="Data arrive 6.2 s late; 2 s is usual.",
    value=6.2,
    threshold=2.0,
    check="Look at the station's link.",
)
OUTAGE = Reason(
    code="completeness",
    text="No epoch for 40 s.",
    value=40.0,
    threshold=5.0,
    check="Is the receiver powered and connected?",
)
SITES = (
    ("SHAO00CHN", "Shanghai", 121.2, 31.1, "good", 97, ()),
    ("XIAM00CHN", "Xiamen", 118.09, 24.48, "degraded", 61, (LATENCY,)),
    ("WENZ00CHN", "Wenzhou", 120.7, 28.0, "bad", 12, (OUTAGE,)),
    ("NEWW00CHN", "<b>New</b>", None, None, None, None, ()),
)


def report(site: tuple, time_us: int, **changes: object) -> StationReport:
    """Return a verdict on a station for one second."""
    station_id, _, _, _, state, score, reasons = site
    silent = state == "bad"
    values = StationReport(
        station_id=station_id,
        epoch_us=time_us,
        received_at_us=None if silent else time_us + 200_000,
        state=state,
        score=score,
        reasons=list(reasons),
        epochs=0 if silent else 1,
        epochs_expected=1,
        observations=0 if silent else 118,
        observations_expected=120,
        satellites=0 if silent else 31,
        latency_s=None if silent else 0.31,
        jitter_s=0.02,
        cn0_dbhz=None if silent else 44.6,
        slips=0,
        multipath_m=0.32,
        frames=7,
        bad_frames=0,
    )
    return msgspec.structs.replace(values, **changes)


def figures(station_id: str, time_us: int, **changes: object) -> StationFigures:
    """Return a station's figures of one minute."""
    values = StationFigures(
        station_id=station_id,
        time_us=time_us,
        horizon_expected=260,
        horizon_have=234,
        mask_expected=212,
        mask_have=208,
        expected_share=0.98123,
        usable_share=1.0,
        usable_systems="GREC",
        slips_a_thousand=0.125,
        cn0_loss_db=0.31,
        roti_tecu_min=0.08765,
        clock_step_ms=-1.0,
        clock_step_at_us=time_us - 90 * SECOND_US,
        offset_m=(0.3, -0.4, 1.25),
        offset_sd_m=(0.6, 0.7, 1.4),
    )
    return msgspec.structs.replace(values, **changes)


def samples(rows: list[tuple[int, float, int]], datastream_id: str = GAUGE) -> FlaggedSamples:
    """Return samples of one series: time_us, value, flag."""
    times = np.array([r[0] for r in rows], np.int64)
    flags = np.array([r[2] for r in rows], np.uint8)
    return FlaggedSamples(
        datastream_ids=[datastream_id],
        series=np.zeros(len(rows), np.int32),
        time_us=times,
        value=np.array([r[1] for r in rows], np.float64),
        received_at_us=times + 500_000,
        revision=np.zeros(len(rows), np.int32),
        tests=["gross_range", "spike"],
        flags=np.stack([flags, np.ones_like(flags)], axis=1),
        flag=flags,
    )


def alert(number: int = 1, change: str = "opened", **changes: object) -> AlertTransition:
    """Return a step of the tide gauge's alert."""
    values = AlertTransition(
        alert_id="a1",
        number=number,
        state={"acknowledged": "acknowledged", "closed": "closed"}.get(change, "open"),
        level="orange",
        rule="sea_level",
        subject_id=GAUGE,
        title="Sea level at Xiamen rises 0.62 m above the tide",
        onset_us=START_US - 600 * SECOND_US,
        opened_at_us=START_US - 480 * SECOND_US,
        at_us=START_US + (number - 5) * 60 * SECOND_US,
        change=change,
        evidence={
            "formula": "residual = value - fit; over when |residual| > threshold",
            "parameters": {"floor_m": 0.1, "min_duration_s": 120.0},
            "threshold_m": 0.3,
            "window": {"time_us": [t - HOUR_US // 4 for t in WATCHED_US], "fit_m": [3.3, 3.32, 3.34]},
            "samples": {
                "time_us": WATCHED_US,
                "tide_m": [3.35, 3.36, 3.37],
                "residual_m": [0.31, -0.05, 0.624],
            },
        },
    )
    return msgspec.structs.replace(values, **changes)


@dataclass
class Desk:
    """Takes commands as the pipeline does: the change is stored before the answer."""

    country: Country
    seen: list[Command] = field(default_factory=list)
    answer: CommandOutcome | None = None
    silent: bool = False

    async def command(self, command: Command) -> CommandOutcome:
        self.seen.append(command)
        if self.silent:
            raise TimeoutError
        if self.answer is not None:
            return self.answer
        if command.kind == "rehearse":
            return CommandOutcome(id=command.id, ok=True, message="written down")
        change = "commented" if command.kind == "comment_alert" else "acknowledged"
        step = alert(2, change, by=command.by, comment=command.arguments["comment"])
        self.country.keep(AlertTransitions(transitions=[step]))
        return CommandOutcome(id=command.id, ok=True, message="acknowledged")


@dataclass
class Country:
    """The store with what surrounds it, as the composition root has it."""

    store: SqliteStore | PostgresStore
    now_us: int = START_US
    hub: LiveHub = field(default_factory=LiveHub)
    feed: LiveFeed = field(default_factory=LiveFeed)
    streams: StreamStates = field(default_factory=StreamStates)
    trouble: str = ""
    changes: list[Changes] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    """Of each app."""
    push: PushHub = field(
        default_factory=lambda: PushHub(Window("country", dict.fromkeys(Source, 1)), Catalogue())
    )
    _apps: dict[tuple[int, LiveHub], FastAPI] = field(default_factory=dict)
    """An app takes a tenth of a second to make."""

    def __post_init__(self) -> None:
        self.desk = Desk(self)

    def keep(self, *batches: Record) -> None:
        """Store batches and tell the live feed, as a round of the pipeline does."""
        self.changes += [one for one in batches if isinstance(one, Changes)]
        self.store.commit(list(batches), None, now_us=self.now_us)
        self.feed.listen(batches)
        self.push.listen(batches, self.now_us)

    def app(self, **changes):
        """Return the app; one without settings of its own is made once for the changes and the hub."""
        if changes:
            return self._made(**{**self.settings, **changes})
        key = (len(self.changes), self.hub)
        if key not in self._apps:
            self._apps[key] = self._made(**self.settings)
        return self._apps[key]

    def _made(self, write_token="", open_writes=True, rules=None, key=b"", **changes):
        if "access" not in changes:
            book = Book()
            book.listen(self.changes)
            clock_us = lambda: self.now_us  # noqa: E731
            options = {
                "write_token": write_token, "open_writes": open_writes, "rules": rules or Rules(), "key": key,
            }  # fmt: skip
            changes["access"] = Access(book, clock_us, time.monotonic, **options)
        return create_app(
            self.store,
            **{
                "commands": self.desk,
                "hub": self.hub,
                "feed": self.feed,
                "streams": self.streams,
                "version": "1.2.3",
                "alive": lambda: self.trouble,
                "clock_us": lambda: self.now_us,
                "push_hub": self.push,
                **changes,
            },
        )


def tide_m(time_us: int) -> float:
    """Return the gauge's level: a tide, and a wave since the onset."""
    level = 2.5 + 1.1 * math.sin(2 * math.pi * time_us / SECOND_US / 44_714)
    since_s = (time_us - START_US) / SECOND_US + 600
    return level if since_s < 0 else level + 0.7 * math.sin(2 * math.pi * since_s / 700)


def found(folder: Path, *, minutes: int = 10, store: SqliteStore | PostgresStore | None = None) -> Country:
    """Return a country with some minutes of stations' reports and six hours of the gauge."""
    country = Country(store or SqliteStore(folder / "country.sqlite"))
    country.store.put_registry(
        stations=[Station(id=s[0], name=s[1], longitude=s[2], latitude=s[3]) for s in SITES],
        things=[Thing(id="gauge-xiamen", name="Tide gauge Xiamen", longitude=118.3, latitude=24.0)],
        properties=[
            ObservedProperty(
                id="water_level",
                name="water level",
                domain="ocean",
                unit="m",
                span=(-5.0, 15.0),
                sampling_period_s=60.0,
            )
        ],
        datastreams=[
            Datastream(
                id=GAUGE,
                thing_id="gauge-xiamen",
                property_id="water_level",
                name="Water level Xiamen",
                unit="m",
                detectors={"sea_level": {}},
            )
        ],
    )
    seconds = range(-60 * minutes, 1)
    reports = [report(s, START_US + t * SECOND_US) for s in SITES if s[4] for t in seconds]
    minutes_us = [START_US + t * 60 * SECOND_US for t in range(-360, 1)]
    gauge = [(t, tide_m(t), 3 if i % 120 == 60 else 1) for i, t in enumerate(minutes_us)]
    made = [figures("SHAO00CHN", START_US + t * 60 * SECOND_US) for t in range(-minutes, 1)]
    country.keep(
        StationReports(reports=reports, figures=made), samples(gauge), AlertTransitions(transitions=[alert()])
    )
    country.feed.tick(START_US)
    gauge_stream = country.streams.add("XIAM00CHN", "ntrip", "ntrip://caster.example/XIAM")
    gauge_stream.enter("streaming", START_US)
    gauge_stream.messages_received = 42
    return country
