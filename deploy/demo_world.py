"""The simulated country of `groundswell demo`: 20 stations, 12 sensors, and what goes wrong when."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.settings import DatastreamSettings, ThingSettings
from gnss.simulate import Fault, FaultKind, SimulatedStation
from sensors.simulate import (
    GroundTemperature,
    Rain,
    SimulatedSensor,
    Slope,
    TideGauge,
    Tilt,
    Tsunami,
)

SECOND_US = 1_000_000

SITES: tuple[tuple[str, str, float, float, float], ...] = (
    ("DLIA00CHN", "Dalian", 121.61, 38.91, 62.0),
    ("TJIN00CHN", "Tianjin", 117.20, 39.08, 12.0),
    ("QDAO00CHN", "Qingdao", 120.38, 36.07, 45.0),
    ("LYGG00CHN", "Lianyungang", 119.22, 34.60, 30.0),
    ("SHAO00CHN", "Shanghai", 121.20, 31.10, 22.0),
    ("NGBO00CHN", "Ningbo", 121.55, 29.88, 18.0),
    ("WENZ00CHN", "Wenzhou", 120.70, 28.00, 35.0),
    ("FZHO00CHN", "Fuzhou", 119.30, 26.08, 84.0),
    ("XIAM00CHN", "Xiamen", 118.09, 24.48, 60.0),
    ("SHNT00CHN", "Shantou", 116.68, 23.35, 25.0),
    ("GZHO00CHN", "Guangzhou", 113.26, 23.13, 31.0),
    ("ZHJG00CHN", "Zhanjiang", 110.36, 21.27, 28.0),
    ("HKOU00CHN", "Haikou", 110.32, 20.03, 20.0),
    ("NNIN00CHN", "Nanning", 108.37, 22.82, 80.0),
    ("KUNM00CHN", "Kunming", 102.83, 24.88, 1990.0),
    ("CHDU00CHN", "Chengdu", 104.07, 30.57, 510.0),
    ("WUHN00CHN", "Wuhan", 114.36, 30.53, 28.0),
    ("XIAN00CHN", "Xi'an", 108.94, 34.34, 430.0),
    ("LANZ00CHN", "Lanzhou", 103.83, 36.06, 1530.0),
    ("URUM00CHN", "Urumqi", 87.63, 43.81, 860.0),
)
"""Invented stations at known cities: id, name, longitude, latitude, ellipsoidal height."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When what goes wrong, in seconds after the start."""

    outage_s: float = 20.0
    jamming_s: float = 25.0
    latency_s: float = 30.0
    tsunami_s: float = 15.0
    recovery_s: float = 180.0


@dataclass(frozen=True, slots=True)
class DemoSensor:
    """One simulated series and where it is published."""

    datastream_id: str
    sensor: SimulatedSensor
    period_s: float
    backlog_s: float = 0.0
    """The device sends this much of its memory first, one sample a minute."""


def stations(start_us: int, plan: Plan) -> dict[str, SimulatedStation]:
    """Return the stations by id; three of them fall ill after a while."""

    def fault(kind: FaultKind, begin_s: float, magnitude: float = 0.0) -> Fault:
        begin_us = start_us + int(begin_s * SECOND_US)
        end_us = start_us + int((begin_s + plan.recovery_s) * SECOND_US)
        return Fault(kind, begin_us, end_us, magnitude)

    ill = {
        "WENZ00CHN": (fault("outage", plan.outage_s),),
        "XIAM00CHN": (fault("jamming", plan.jamming_s, 14.0),),
        "LANZ00CHN": (fault("latency", plan.latency_s, 4.0), fault("corruption", plan.latency_s, 0.1)),
    }
    return {
        name: SimulatedStation(1000 + i, longitude, latitude, height_m, seed=i + 1, faults=ill.get(name, ()))
        for i, (name, _, longitude, latitude, height_m) in enumerate(SITES)
    }


def things(min_duration_s: float) -> list[ThingSettings]:
    """Return the monitored sites with their datastreams, as a configuration would name them."""

    def gauge(name: str, title: str, longitude: float, latitude: float) -> ThingSettings:
        level = DatastreamSettings(
            property="water_level",
            detectors={"sea_level": {"min_duration_s": min_duration_s}},
            tests={"rate_of_change": {"off": True}},
        )
        return ThingSettings(
            id=name, name=title, longitude=longitude, latitude=latitude, height_m=0.0, datastream=[level]
        )

    def slope(name: str, title: str, longitude: float, latitude: float, height_m: float) -> ThingSettings:
        streams = [DatastreamSettings(property=p) for p in ("displacement", "tilt", "rain")]
        return ThingSettings(
            id=name,
            name=title,
            longitude=longitude,
            latitude=latitude,
            height_m=height_m,
            datastream=streams,
        )

    depths = [
        DatastreamSettings(
            property="ground_temperature",
            id=f"borehole-xian.ground_temperature_{depth}m",
            name=f"Borehole Xi'an ground temperature at {depth} m",
        )
        for depth in (2, 10, 50)
    ]
    return [
        gauge("gauge-xiamen", "Tide gauge Xiamen", 118.07, 24.45),
        gauge("gauge-wenzhou", "Tide gauge Wenzhou", 120.95, 27.93),
        gauge("gauge-qingdao", "Tide gauge Qingdao", 120.32, 36.05),
        slope("slope-lanzhou", "Loess slope Lanzhou", 103.70, 36.10, 1650.0),
        slope("slope-kunming", "Slope Kunming", 102.95, 25.05, 2080.0),
        ThingSettings(
            id="borehole-xian", name="Borehole Xi'an", longitude=108.99, latitude=34.25, datastream=depths
        ),
    ]


def sensors(start_us: int, plan: Plan) -> list[DemoSensor]:
    """Return the 12 simulated series."""
    tsunami = Tsunami(start_us + int(plan.tsunami_s * SECOND_US), amplitude_m=1.4, period_s=720.0)
    failure_us = start_us + 3600 * SECOND_US
    backlog_s = 3 * 3600.0
    series = [
        DemoSensor("gauge-xiamen.water_level", TideGauge(11, tsunami), 2.0, backlog_s),
        DemoSensor("gauge-wenzhou.water_level", TideGauge(12), 2.0, backlog_s),
        DemoSensor("gauge-qingdao.water_level", TideGauge(13), 2.0, backlog_s),
    ]
    for i, site in enumerate(("slope-lanzhou", "slope-kunming")):
        moving = failure_us if site == "slope-lanzhou" else None
        series += [
            DemoSensor(f"{site}.displacement", Slope(20 + i, start_us, failure_us=moving), 5.0),
            DemoSensor(f"{site}.tilt", Tilt(30 + i, origin_us=start_us), 5.0),
            DemoSensor(
                f"{site}.rain", Rain(40 + i, storm_begin_us=start_us if moving else None, period_s=5.0), 5.0
            ),
        ]
    series += [
        DemoSensor(f"borehole-xian.ground_temperature_{d}m", GroundTemperature(50 + d, float(d)), 10.0)
        for d in (2, 10, 50)
    ]
    return series
