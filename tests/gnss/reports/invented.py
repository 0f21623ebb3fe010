"""Invented stations over invented periods: satellites on circular orbits, faults where a test wants them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnss.quality.bands import BAND, BANDS
from gnss.quality.period import (
    ELEVATION_BINS,
    ElevationFigures,
    Latencies,
    MinuteFigures,
    PositionFigures,
    ReasonFigures,
    SignalFigures,
    SkyTrack,
    StationPeriod,
)
from gnss.rtcm.signals import N_SYSTEMS
from gnss.systems import System
from gnss.time import DAY_US

BEGIN_US = 1_788_220_800_000_000
"""2026-09-01."""
MINUTE_US = 60_000_000
KINDS = [
    (System.GPS, 2), (System.GPS, 10), (System.GPS, 24), (System.GLONASS, 2), (System.GLONASS, 8),
    (System.GALILEO, 5), (System.GALILEO, 24), (System.QZSS, 2), (System.QZSS, 24),
    (System.BEIDOU, 2), (System.BEIDOU, 8), (System.BEIDOU, 30),
]  # fmt: skip
PLANES = {
    System.GPS: (32, 20_180e3, 55),
    System.GLONASS: (24, 19_130e3, 64.8),
    System.GALILEO: (27, 23_222e3, 56),
    System.BEIDOU: (28, 21_528e3, 55),
}


def empty(station_id="EMPTY", begin_us=BEGIN_US, end_us=BEGIN_US + DAY_US, **changes):
    """A station that nothing came from."""
    none = np.zeros(0)
    counts = {name: np.zeros(0, np.int64) for name in SignalFigures.__dataclass_fields__}
    counts |= dict.fromkeys(("multipath_squares", "cn0_sum", "cn0_squares"), none)
    counts |= {"system": np.zeros(0, np.uint8), "signal": np.zeros(0, np.uint8)}
    shape = (N_SYSTEMS, len(BANDS), ELEVATION_BINS)
    rows = dict.fromkeys(MinuteFigures.__dataclass_fields__, none)
    rows |= {name: np.zeros(0, np.int32) for name in ("epochs", "epochs_expected", "slips")}
    rows |= {"time_us": np.zeros(0, np.int64), "state": np.zeros(0, np.uint8)}
    sky = dict.fromkeys(SkyTrack.__dataclass_fields__, none)
    sky |= {
        "time_us": np.zeros(0, np.int64),
        "system": np.zeros(0, np.uint8),
        "satellite": np.zeros(0, np.uint8),
    }
    period = StationPeriod(
        station_id=station_id,
        begin_us=begin_us,
        end_us=end_us,
        interval_s=30.0,
        source="stream",
        epochs=0,
        epochs_expected=0,
        usable_epochs={},
        state_seconds={},
        score=None,
        signals=SignalFigures(**counts),
        elevation=ElevationFigures(*(np.zeros(shape) for _ in range(4))),
        minutes=MinuteFigures(**rows),
        sky=SkyTrack(**sky),
    )
    return replace(period, **changes)


def arcs(begin_us, minutes, latitude_deg=31.0, seed=0):
    """Azimuth and elevation of every satellite above the horizon, each five minutes."""
    rng = np.random.default_rng(seed)
    latitude = np.radians(latitude_deg)
    up = np.array([np.cos(latitude), 0, np.sin(latitude)])
    east, north = np.array([0, 1.0, 0]), np.array([-np.sin(latitude), 0, np.cos(latitude)])
    seconds = np.arange(0, minutes * 60, 300) + (begin_us - BEGIN_US) / 1e6
    rows = []
    for system, (count, height_m, inclination_deg) in PLANES.items():
        radius_m = 6_371e3 + height_m
        rate = np.sqrt(3.986e14 / radius_m**3)
        for satellite in range(1, count + 1):
            node = 2 * np.pi * (satellite % 6) / 6 + 0.45 * (satellite // 6) - 7.2921151e-5 * seconds
            place = 2 * np.pi * (satellite // 6) / (count / 6) + 0.3 * satellite + rate * seconds
            i = np.radians(inclination_deg)
            position = radius_m * np.stack(
                [
                    np.cos(node) * np.cos(place) - np.sin(node) * np.sin(place) * np.cos(i),
                    np.sin(node) * np.cos(place) + np.cos(node) * np.sin(place) * np.cos(i),
                    np.sin(place) * np.sin(i),
                ],
                axis=1,
            )
            rows.append((system, satellite, *_angles(position - 6_371e3 * up, east, north, up)))
    for satellite, longitude_deg in ((59, 10.0), (60, 60.0), (61, -20.0), (62, 35.0)):
        place = np.radians(longitude_deg)
        position = 42_164e3 * np.array([np.cos(place), np.sin(place), 0.0])
        look = np.repeat([position - 6_371e3 * up], len(seconds), axis=0)
        rows.append((System.BEIDOU, satellite, *_angles(look, east, north, up)))
    figures = {name: [] for name in SkyTrack.__dataclass_fields__}
    for system, satellite, azimuth, elevation in rows:
        seen = elevation > 0
        count = int(seen.sum())
        cn0 = 32 + 18 * np.sin(np.radians(elevation[seen])) + rng.normal(0, 1.2, count)
        blocked = (elevation[seen] < 18) & (azimuth[seen] > 200) & (azimuth[seen] < 250)
        cn0[blocked | (elevation[seen] < 3)] = np.nan
        if system is System.GPS and satellite == 7:
            cn0[:] = np.nan
        figures["time_us"].append(
            begin_us + np.arange(0, minutes * 60, 300)[seen].astype(np.int64) * 1_000_000
        )
        figures["system"].append(np.full(count, int(system), np.uint8))
        figures["satellite"].append(np.full(count, satellite, np.uint8))
        figures["azimuth_deg"].append(azimuth[seen])
        figures["elevation_deg"].append(elevation[seen])
        figures["cn0_dbhz"].append(cn0)
    return SkyTrack(**{name: np.concatenate(values) for name, values in figures.items()})


def _angles(look, east, north, up):
    e, n, u = look @ east, look @ north, look @ up
    return np.degrees(np.arctan2(e, n)) % 360, np.degrees(np.arctan2(u, np.hypot(e, n)))


def station(
    station_id="WUH2",
    begin_us=BEGIN_US,
    minutes=1440,
    seed=0,
    quality=1.0,
    interval_s=30.0,
    faults=True,
    **changes,
):
    """A station with a bad hour; `quality` below 1 makes all figures worse."""
    rng = np.random.default_rng(seed)
    time_us = begin_us + np.arange(minutes, dtype=np.int64) * MINUTE_US
    hour = np.arange(minutes) / 60.0
    each = round(60 / interval_s)
    fault = faults & (hour > 9.2) & (hour < 10.1)
    out = faults & (hour > 15.5) & (hour < 15.9)
    multipath = (0.38 + 0.06 * np.sin(hour) + rng.gamma(2, 0.02, minutes)) / quality + 0.9 * fault
    latency = (0.4 + rng.gamma(2, 0.05, minutes)) / quality + 2.5 * ((hour > 19) & (hour < 19.5))
    slips = (rng.poisson(0.6 / quality, minutes) + 14 * fault * (rng.random(minutes) < 0.5)).astype(np.int32)
    score = np.clip(96 * quality - 55 * fault + rng.normal(0, 1, minutes), 0, 100).round()
    score[out] = 0.0
    state = np.where(score >= 70, 1, np.where(score >= 40, 2, 3)).astype(np.uint8)
    if minutes > 1:
        state[:1] = 0
    epochs = np.where(out, 0, each).astype(np.int32)
    keep = ~out

    def known(values):
        return np.where(keep, values, np.nan)

    rows = MinuteFigures(
        time_us=time_us,
        state=state,
        score=np.where(state == 0, np.nan, score),
        epochs=epochs,
        epochs_expected=np.full(minutes, each, np.int32),
        observations_share=known(
            np.clip(0.985 * quality**0.2 - 0.1 * fault + rng.normal(0, 0.004, minutes), 0, 1)
        ),
        satellites=known((38 + 4 * np.sin(hour / 2) + rng.normal(0, 0.6, minutes)).round()),
        cn0_dbhz=known(43.5 * quality**0.3 + np.sin(hour) - 5 * fault + rng.normal(0, 0.2, minutes)),
        multipath_m=known(multipath),
        slips=np.where(keep, slips, 0).astype(np.int32),
        latency_s=known(latency),
        roti_tecu_min=known(0.06 + 0.5 * np.exp(-((hour - 13) ** 2)) + rng.gamma(2, 0.01, minutes)),
    )
    came = int(epochs.sum())
    gap_us = [time_us[out][0], time_us[out][-1] + MINUTE_US] if out.any() else None
    seconds = {
        name: 60.0 * int((state == n).sum()) for n, name in enumerate(("unknown", "good", "degraded", "bad"))
    }
    reasons = [
        ReasonFigures("multipath", 60.0 * int(fault.sum()), begin_us + 552 * MINUTE_US,
                      begin_us + 606 * MINUTE_US,
                      "The code multipath of the last minute is 1.32 m RMS (threshold 0.75 m).",
                      "New reflectors near the antenna (vehicles, metal roofs, water)",
                      1.52, 1.5),
        ReasonFigures("outage", 60.0 * int(out.sum()), begin_us + 930 * MINUTE_US, begin_us + 954 * MINUTE_US,
                      "No epoch has come for 1420 s (threshold 90 s).",
                      "Power and network of the station, the connection to the caster, the caster's own log.",
                      1420.0, 90.0),
    ]  # fmt: skip
    period = replace(
        empty(station_id, begin_us, begin_us + minutes * MINUTE_US),
        interval_s=interval_s,
        epochs=came,
        epochs_expected=minutes * each,
        usable_epochs={"G": came, "R": came - came // 50, "E": came - came // 90, "C": came},
        state_seconds=seconds,
        score=float(np.nanmean(rows.score)) if np.isfinite(rows.score).any() else None,
        signals=signals(came, quality, rng),
        elevation=elevation(came, quality),
        minutes=rows,
        sky=arcs(begin_us, minutes, seed=seed),
        latency=Latencies(came, 0.48 / quality, 0.9 / quality, 2.9, 4.1, 0.6 / quality),
        late_epochs=3,
        out_of_order_epochs=1,
        frames=came * 6,
        bad_frames=round(came * 0.002 / quality**3),
        messages={1006: came // 10, 1033: came // 10, 1077: came, 1087: came, 1097: came, 1127: came},
        gaps=[(int(gap_us[0]), int(gap_us[1]))] if gap_us else [],
        clock_jumps=[(begin_us + minutes // 2 * MINUTE_US, 1.0)],
        position=PositionFigures(came, 0.21, -0.34, 0.9, 0.8, 1.1, 2.3, "registry"),
        reasons=[reason for reason in reasons if reason.seconds > 0],
        metadata={
            "receiver": "TRIMBLE ALLOY 6.15",
            "antenna": "TRM59800.00 SCIS",
            "place": "30.53 N 114.36 E 28 m",
        },
    )
    return replace(period, **changes)


def signals(epochs, quality, rng):
    n = len(KINDS)
    per_epoch = np.array([10, 10, 6, 7, 7, 8, 8, 3, 3, 14, 14, 10])
    expected = epochs * per_epoch
    have = (expected * (0.955 * quality**0.3 - 0.02 * rng.random(n))).astype(np.int64)
    mask = (expected * 0.78).astype(np.int64)
    cn0_mean = np.array([43, 36, 47, 43, 40, 44, 46, 43, 46, 42, 44, 43.0]) * quality**0.3
    sigma = np.array([0.42, 0.31, 0.22, 0.61, 0.52, 0.36, 0.24, 0.4, 0.25, 0.5, 0.35, 0.34]) / quality
    return SignalFigures(
        system=np.array([s for s, _ in KINDS], np.uint8),
        signal=np.array([k for _, k in KINDS], np.uint8),
        observations=have,
        expected=expected.astype(np.int64),
        have=have,
        expected_mask=mask,
        have_mask=(mask * np.minimum(0.985 * quality**0.3 + 0.01 * rng.random(n), 1)).astype(np.int64),
        lock_slips=(have * 0.0012 / quality**3).astype(np.int64),
        phase_slips=(have * 0.0006 / quality**3).astype(np.int64),
        interruptions=(have * 0.002).astype(np.int64),
        multipath_squares=have * sigma**2,
        multipath_count=have,
        cn0_sum=have * cn0_mean,
        cn0_squares=have * (cn0_mean**2 + 16.0),
        cn0_count=have,
    )


def elevation(epochs, quality):
    shape = (N_SYSTEMS, len(BANDS), ELEVATION_BINS)
    count, cn0, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    sine = np.sin(np.radians(np.arange(5, 95, 10)))
    for number, (system, signal) in enumerate(KINDS):
        some = epochs * np.array([0.5, 1.6, 1.5, 1.3, 1.1, 0.9, 0.7, 0.5, 0.2])
        band = BAND[system, signal]
        count[system, band] += some
        cn0[system, band] += some * (33 + 0.4 * number + 16 * sine) * quality**0.3
        squares[system, band] += some * ((0.12 + 0.015 * number + 0.25 * np.exp(-3 * sine)) / quality) ** 2
    return ElevationFigures(cn0, count, squares, count.copy())


def network():
    """Forty stations of all kinds, one of them silent."""
    made = []
    for number in range(38):
        quality = [1.0, 1.05, 0.95, 0.9, 1.0, 0.8, 1.1, 0.7, 1.0, 0.45][number % 10] * (
            1 + 0.01 * (number % 7)
        )
        made.append(
            station(
                f"S{number:03d}",
                seed=number,
                quality=min(quality, 1.15),
                minutes=1440,
                faults=number % 3 == 0,
            )
        )
    return [*made, empty("DEAD", epochs_expected=2880, state_seconds={"bad": 86_400.0}), empty("NEW1")]
