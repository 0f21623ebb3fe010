"""A nation in a real store: 4,000 stations in five regions, sensors of many kinds, alerts, calls, rovers.

Commands change it as they would in the program: the processor `Control` answers them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from connectors.caster.session_book import Sessions
from deploy.registry import catalogue as every_property
from gnss.quality.period_codec import pack_period
from sensors.model import Datastream, Station, Thing
from storage.sqlite import SqliteStore
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.definitions import StationDefinition, ThingDefinition
from streams.objects import sensors_base
from streams.processors.control import Control
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    StationPeriodRecord,
    StationPeriods,
    StationReports,
)
from tests.dashboards import country as c
from tests.dashboards.country import HOUR_US, SECOND_US, START_US, Country
from tests.gnss.reports import invented
from tests.streams.calls import answer, order

STATIONS = 4_000
REGIONS = ("", "zhejiang", "zhejiang:hangzhou", "yunnan", "hunan")
STATES = ("good",) * 17 + ("degraded", "unknown", "bad")
STATION = "SHAO00CHN"
SENSORS = (
    # thing, name, longitude, latitude, property, detectors, unit
    ("gauge-xiamen", "Xiamen tide gauge", 118.3, 24.0, "water_level", {"sea_level": {}}),
    ("gauge-dalian", "Dalian tide gauge", 121.7, 38.9, "water_level", {"sea_level": {}}),
    ("slope-7", "Slope 7, Badong", 110.34, 31.04, "crack", {"crack": {}}),
    ("slope-9", "Slope 9, Lijiang", 100.2, 26.9, "tilt", {"tilt": {}}),
    ("bay-2", "Buoy Bohai 2", 119.4, 38.6, "dissolved_oxygen", {"dissolved_oxygen": {}}),
)
STEPS = {
    "acknowledge_alert": "acknowledged", "comment_alert": "commented", "lower_alert": "level",
    "decide_alert": "level",
}  # fmt: skip
"""What commands make of an alert."""
RED, ORANGE = "a-red", "a-orange"


@dataclass
class RealDesk:
    """Takes commands as the program does; those about alerts become steps of theirs."""

    country: Country
    control: Control
    seen: list[Command] = field(default_factory=list)

    async def command(self, command: Command) -> CommandOutcome:
        self.seen.append(command)
        if command.kind in STEPS:
            return self.about_alert(command)
        outputs = self.control.on_batch(Commands(commands=[command]))
        self.country.keep(Commands(commands=[command]), *outputs)
        (outcomes,) = [one for one in outputs if isinstance(one, CommandOutcomes)]
        assert not isinstance(outputs[0], Changes) or outputs[0].changes
        return outcomes.outcomes[0]

    def about_alert(self, command: Command) -> CommandOutcome:
        history = self.country.store.alert(command.target)
        assert history is not None
        level = command.arguments.get("level", history.alert.level)
        change = STEPS[command.kind]
        step = alert(
            command.target, history.alert.number + 1, change, subject_id=history.alert.subject_id,
            state="acknowledged" if change == "acknowledged" else history.alert.state,
            title=history.alert.title, level=level, by=command.by,
            comment=command.arguments.get("comment", ""),
        )  # fmt: skip
        self.country.keep(AlertTransitions(transitions=[step]))
        return CommandOutcome(id=command.id, ok=True, message="Done.")


def alert(alert_id: str, number: int = 1, change: str = "opened", **changes: object) -> AlertTransition:
    """Return a step of an alert."""
    return c.alert(number, change, alert_id=alert_id, **changes)


def place(number: int) -> tuple[float, float]:
    """Return where a station is: over the land of the nation, evenly but not in rows."""
    along, across = (number * 7919 % 4001) / 4001, (number * number * 31 + number * 1733) % 4001 / 4001
    latitude = 21.5 + 26 * across
    west = 99.0 + abs(latitude - 30) * 0.35
    return round(west + (121.2 - west) * along, 4), round(latitude, 4)


def station_id(number: int) -> str:
    """Return the id of a station; that of the first is well known."""
    if number == 0:
        return STATION
    region = REGIONS[number % len(REGIONS)]
    name = f"S{number:04d}00CHN"
    return f"{region}:{name}" if region else name


def state_of(number: int) -> str:
    """Return how a station is; the first one is well."""
    return "good" if number == 0 else STATES[number * 2_654_435_761 % 2**32 // 1_000_003 % len(STATES)]


def report(number: int, time_us: int, **changes: object):
    """Return a verdict of one second."""
    state = state_of(number)
    reasons = {"bad": (c.OUTAGE,), "degraded": (c.LATENCY,)}.get(state, ())
    score = {"good": 90 + number % 11, "degraded": 55 + number % 20, "bad": number % 25, "unknown": None}[
        state
    ]
    site = (station_id(number), "", 0, 0, state, score, reasons)
    return c.report(site, time_us, **changes)


def found(folder: Path, stations: int = STATIONS) -> tuple[Country, Sessions]:
    """Return the nation and its book of rovers."""
    country = Country(SqliteStore(folder / "nation.sqlite"))
    catalogue = every_property()
    units = {one.id: one.unit for one in catalogue}
    registry = [
        Station(id=station_id(n), name="Shanghai" if n == 0 else f"Station {n}", longitude=x, latitude=y)
        for n in range(stations)
        for x, y in [(121.2, 31.1) if n == 0 else place(n)]
    ]
    things = [Thing(id=s[0], name=s[1], longitude=s[2], latitude=s[3]) for s in SENSORS]
    datastreams = [
        Datastream(id=f"{s[0]}.{s[4]}", thing_id=s[0], property_id=s[4],
                   name=f"{s[1]} {s[4].replace('_', ' ')}", unit=units[s[4]], detectors=s[5])
        for s in SENSORS
    ]  # fmt: skip
    country.store.put_registry(
        stations=registry, things=things, properties=catalogue, datastreams=datastreams
    )
    base = {**sensors_base(datastreams), **{("thing", t.id): definition_of(t) for t in things}}
    base |= {
        ("station", STATION): StationDefinition(
            source="ntrip://caster.example/SHAO", longitude=121.2, latitude=31.1
        )
    }
    country.desk = RealDesk(country, Control(base, catalogue))
    fill_stations(country, stations)
    fill_sensors(country)
    fill_alerts(country)
    fill_streams(country)
    country.feed.tick(START_US)
    return country, rovers()


def definition_of(thing: Thing) -> ThingDefinition:
    """Return a site's definition."""
    return ThingDefinition(longitude=thing.longitude, latitude=thing.latitude, name=thing.name)


def fill_stations(country: Country, stations: int) -> None:
    """Store the newest verdict of all, ten minutes and a month of the first, and a day of the network."""
    newest = [report(n, START_US) for n in range(stations) if state_of(n) != "unknown"]
    past = [
        report(
            0,
            START_US - s * SECOND_US,
            latency_s=0.3 + 0.1 * math.sin(s / 40),
            cn0_dbhz=44.6 + math.sin(s / 90),
        )
        for s in range(600, 0, -1)
    ]
    figures = [
        c.figures(STATION, START_US - m * 60 * SECOND_US, roti_tecu_min=0.09 + 0.03 * math.sin(m / 9))
        for m in range(360, -1, -1)
    ]
    country.keep(StationReports(reports=[*past, *newest], figures=figures))
    begin_us = START_US - 3 * HOUR_US
    period = invented.station(STATION, begin_us=begin_us, minutes=180)
    record = StationPeriodRecord(
        station_id=STATION, begin_us=begin_us, end_us=START_US, period=pack_period(period)
    )
    country.keep(StationPeriods(periods=[record]))
    with country.store._transaction() as connection:
        connection.execute(HOURS, {"start_us": START_US, "hour_us": HOUR_US})
        connection.execute(MONTH, {"start_us": START_US, "hour_us": HOUR_US, "id": STATION})


_ROW = """
    INSERT OR REPLACE INTO station_hours
    SELECT station_key, :start_us - h * :hour_us, 3600, {epochs}, 3600, 424800, 424800, 3600, 10800000,
        6000, 3000, 4000, 0, NULL, 3600, 16056000, 0, 0, NULL, 25200, 0, 3600, 324000, 80, 1, {states},
        NULL, NULL
    FROM stations, hours WHERE {where}"""
HOURS = """
    WITH RECURSIVE hours(h) AS (SELECT 1 UNION ALL SELECT h + 1 FROM hours WHERE h < 24)""" + _ROW.format(
    epochs=3600,
    states="""CASE WHEN station_key * 7919 % 100 > 10 THEN 3600 ELSE 0 END, 0,
        CASE WHEN station_key * 7919 % 100 BETWEEN 5 AND 10 - abs(h - 9) / 3 THEN 3600 ELSE 0 END,
        CASE WHEN station_key * 7919 % 100 < 5 - h % 4 THEN 3600 ELSE 0 END""",
    where="true",
)
MONTH = """
    WITH RECURSIVE hours(h) AS (SELECT 1 UNION ALL SELECT h + 1 FROM hours WHERE h < 600)""" + _ROW.format(
    epochs="""3600 - CASE WHEN h % 31 = 7 THEN 20 WHEN h % 83 = 11 THEN 500
        WHEN h BETWEEN 200 AND 205 THEN 3600 ELSE 0 END""",
    states="3600, 0, 0, 0",
    where="id = :id",
)


def fill_sensors(country: Country) -> None:
    """Store six hours of each series; that of the first has suspect and failed samples and a wave."""
    minutes = [START_US - m * 60 * SECOND_US for m in range(360, -1, -1)]
    gauge = [(t, c.tide_m(t), 4 if i == 200 else 3 if i % 60 == 30 else 1) for i, t in enumerate(minutes)]
    gauge[200] = (gauge[200][0], 12.5, 4)
    country.keep(c.samples(gauge, "gauge-xiamen.water_level"))
    for number, (thing, _, _, _, observed, _) in enumerate(SENSORS[1:], 1):
        rows = [
            (t, 2.0 + number + math.sin(i / 50 + number) * 0.4, 1)
            for i, t in enumerate(minutes[:: 1 + number % 2])
        ]
        country.keep(c.samples(rows, f"{thing}.{observed}"))


def fill_alerts(country: Country) -> None:
    """Store a red alert that is being called about, an orange one, and a closed one."""
    rate = {"rate_mm_per_h": 12.1, "threshold_mm_per_h": 10.0}
    red = alert(
        RED,
        level="red",
        subject_id="slope-7.crack",
        rule="crack",
        title="Crack at Slope 7 opens by 12 mm/h",
        at_us=START_US - 480 * SECOND_US,
        evidence={"formula": "rate = slope of a robust line over 3 h", **rate},
    )
    orange = alert(ORANGE, subject_id="gauge-xiamen.water_level")
    times_us = [START_US - m * 60 * SECOND_US for m in (30, 20, 10)]
    shown = {"stations": {"time_us": times_us, "east_mm": [0.0, 4.0, 11.0], "north_mm": [0.0, -2.0, -3.0]}}
    of = {
        "subject_id": "bay-2", "level": "blue", "title": "Low oxygen at Buoy Bohai 2", "evidence": shown,
    }  # fmt: skip
    closed = [alert("a-old", 1, **of), alert("a-old", 2, "closed", **of)]
    country.keep(AlertTransitions(transitions=[red, orange, *closed]))
    asked = {"alert_id": RED, "subject_id": "slope-7.crack"}
    first = order("c1", **asked, at_us=START_US - 400 * SECOND_US, deadline_us=START_US - 220 * SECOND_US)
    second = order(
        "c2",
        **asked,
        person="wang",
        step=2,
        at_us=START_US - 200 * SECOND_US,
        deadline_us=START_US + 180 * SECOND_US,
    )
    given_up = answer(
        alert_id=RED, called_us=first.at_us, at_us=first.deadline_us, deadline_us=first.deadline_us
    )
    country.keep(
        Calls(orders=[first, second], answers=[given_up]),
        CallReceipts(receipts=[CallReceipt.of(first, "delivered", first.at_us + 4 * SECOND_US)]),
    )


def fill_streams(country: Country) -> None:
    """Let streams come in: one of the first station, one that stalls, a broker."""
    for name, kind, source, phase, station in (
        (STATION, "ntrip", "ntrip://caster.example/SHAO", "streaming", STATION),
        ("S000200CHN", "ntrip", "ntrip://caster.example/S0002", "stalled", ""),
        ("broker", "mqtt", "mqtt://broker.example:1883", "streaming", ""),
    ):
        stream = country.streams.add(name, kind, source)
        stream.enter(phase, START_US, "no data for 30 s" if phase == "stalled" else "")
        stream.messages_received = 4200
        if station:
            stream.station, stream.name, stream.place = station, "main", 1


def rovers(count: int = 300) -> Sessions:
    """Return a book of sessions, some of which were handed over."""
    book = Sessions("wuhan")
    for number in range(count):
        one = book.begin(f"team-{number % 40}", "NEAREST", "203.0.113.0/24", START_US - number * SECOND_US)
        one.longitude, one.latitude = place(number * 13 + 5)
        one.base, one.quality = station_id(number % 50), (4, 4, 4, 5, 1)[number % 5]
        one.base_since_us = START_US + (SECOND_US if number % 9 == 0 else -number * SECOND_US)
        one.reason = "the one before went bad" if number % 9 == 0 else ""
        one.age_s, one.n_bytes, one.agent = 1.2, 2_500_000 + number, "NTRIP test/1"
        one.n_epochs = 3600 + number
        book.touch(one)
    return book


def worse(time_us: int, numbers: range) -> StationReports:
    """Return verdicts by which some stations have gone bad."""
    return StationReports(
        reports=[report(n, time_us, state="bad", score=5, reasons=[c.OUTAGE]) for n in numbers]
    )
