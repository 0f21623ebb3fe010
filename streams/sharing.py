"""What goes from a region to its parent, and from the parent down: filtered, coarsened, ids made unique.

Pure: batches in, batches out. Coarsening twice is coarsening once, so that each step of the tree may do it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
import numpy as np

from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from gnss.quality.period import SkyTrack, StationPeriod
from gnss.quality.period_codec import pack_period, unpack_period
from streams.describing import kind_of
from streams.partition_time import believed
from streams.records import (
    AlertTransition,
    AlertTransitions,
    CommandOutcomes,
    Commands,
    DatastreamDescription,
    Description,
    Detection,
    Detections,
    FlaggedSamples,
    Gone,
    RawBatch,
    Record,
    StationDescription,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
    ThingDescription,
)
from streams.regions import DownRules, UpRules, from_above, qualified, region_of, to_above, within

COARSE_DIGITS = 2
"""Of a degree: 0.01 degrees are 1.1 km."""
COARSE_HEIGHT_M = 100.0
_METADATA = frozenset((
    "reference station", "receiver", "receiver serial", "firmware",
    "antenna", "antenna serial", "antenna height",
))  # fmt: skip
"""What is told in words about a station and not of its place."""

_ANSWERS = frozenset({"acknowledge_alert", "comment_alert"})
"""What a parent may ask of a region's alerts."""

Evident = TypeVar("Evident", Detection, AlertTransition)
Translate = Callable[[Record], Record | None]
"""A batch as the other side gets it; None: nothing of it."""


@dataclass(slots=True)
class Upward:
    """What a region tells its parent.

    Parameters
    ----------
    region
        Its name, which comes before each id.
    rules
        What may be told, and how exactly.
    """

    region: str
    rules: UpRules
    withheld: Counter[str] = field(default_factory=Counter)
    """Records that the rules kept here, by what they are."""

    def __call__(self, batch: Record) -> Record | None:
        """Return a batch as the parent gets it; None: nothing of it.

        Raises
        ------
        gnss.quality.period_codec.PeriodError
            An hour is damaged, or of a newer program.
        """
        if isinstance(batch, StationReports):
            return self._reports(batch)
        if isinstance(batch, StationPeriods):
            periods = [self._period(one) for one in batch.periods]
            return self._allowed("periods", self.rules.periods, batch, periods=periods)
        if isinstance(batch, FlaggedSamples):
            names = [qualified(self.region, name) for name in batch.datastream_ids]
            return self._allowed("samples", self.rules.samples, batch, count=len(batch), datastream_ids=names)
        if isinstance(batch, Detections):
            found = [self._evident(d, self.rules.detections == "coarsened") for d in batch.detections]
            return self._allowed("detections", self.rules.detections, batch, detections=found)
        if isinstance(batch, AlertTransitions):
            steps = [self._evident(t, self.rules.alerts == "coarsened") for t in batch.transitions]
            steps = [msgspec.structs.replace(t, alert_id=qualified(self.region, t.alert_id)) for t in steps]
            return self._allowed("alerts", self.rules.alerts, batch, transitions=steps)
        if isinstance(batch, RawBatch):
            chunks = [
                msgspec.structs.replace(c, station_id=qualified(self.region, c.station_id))
                for c in batch.chunks
            ]
            return self._allowed("raw", self.rules.raw, batch, chunks=chunks)
        if isinstance(batch, CommandOutcomes):
            return self._outcomes(batch)
        return None

    def description(self, one: Description) -> Description:
        """Return what the parent gets to know of an object; what it may not know is gone."""
        name = qualified(self.region, one.id)
        if isinstance(one, Gone):
            return msgspec.structs.replace(one, id=name)
        if isinstance(one, StationDescription):
            what, rule = "stations", self.rules.of_stations
        else:
            what, rule = "sites", self.rules.of_sites
        if rule == "none":
            self.withheld[what] += 1
            return Gone(kind=kind_of(one), id=name, is_deleted=False)
        changed: dict[str, Any] = {"id": name}
        if isinstance(one, DatastreamDescription):
            changed["thing_id"] = qualified(self.region, one.thing_id)
        elif rule == "coarsened":
            changed |= _coarse(one)
        return msgspec.structs.replace(one, **changed)

    def _reports(self, batch: StationReports) -> StationReports | None:
        coarsened = self.rules.reports == "coarsened"
        reports: list[StationReport] = []
        if self.rules.reports == "none":
            self.withheld["reports"] += len(batch.reports)
        else:
            for report in batch.reports:
                place = coarse_place(report.ecef_m) if coarsened else report.ecef_m
                name = qualified(self.region, report.station_id)
                reports.append(msgspec.structs.replace(report, station_id=name, ecef_m=place))
        figures = [
            msgspec.structs.replace(one, station_id=qualified(self.region, one.station_id))
            for one in batch.figures
        ]
        if self.rules.figures == "none":
            self.withheld["figures"] += len(figures)
            figures = []
        return StationReports(reports=reports, figures=figures) if reports or figures else None

    def _period(self, record: StationPeriodRecord) -> StationPeriodRecord:
        name = qualified(self.region, record.station_id)
        period = replace(unpack_period(record.period), station_id=name)
        if self.rules.periods == "coarsened":
            period = coarse_period(period)
        return msgspec.structs.replace(record, station_id=name, period=pack_period(period))

    def _evident(self, record: Evident, is_coarsened: bool) -> Evident:
        changed: dict[str, Any] = {"subject_id": qualified(self.region, record.subject_id)}
        if is_coarsened:
            changed["evidence"] = {}
        return msgspec.structs.replace(record, **changed)

    def _outcomes(self, batch: CommandOutcomes) -> CommandOutcomes | None:
        """Return the answers to what the parent has asked; the others stay here."""
        outcomes = [
            msgspec.structs.replace(one, id=name)
            for one in batch.outcomes
            if (name := to_above(one.id)) is not None
        ]
        return CommandOutcomes(outcomes=outcomes) if outcomes else None

    def _allowed(
        self, what: str, rule: str, batch: Record, count: int | None = None, **changed: Any
    ) -> Record | None:
        if count is None:
            (records,) = changed.values()
            count = len(records)
        if rule == "none":
            self.withheld[what] += count
            return None
        return msgspec.structs.replace(batch, **changed) if count else None


@dataclass(slots=True)
class Downward:
    """What a region takes from its parent: commands about itself and the regions below it.

    Parameters
    ----------
    clock_us
        The region's own: its parent's may be wrong, and is not believed further than that.
    """

    region: str
    rules: DownRules
    clock_us: Callable[[], int]
    withheld: Counter[str] = field(default_factory=Counter)

    def __call__(self, batch: Record) -> Record | None:
        """Return the commands for this region as it understands them; None: there are none."""
        if not isinstance(batch, Commands):
            return None
        commands = []
        for command in batch.commands:
            target = within(self.region, command.target)
            if target is None:
                continue
            if command.kind not in _ANSWERS or not self.rules.acknowledgements:
                self.withheld["commands"] += 1
                continue
            commands.append(msgspec.structs.replace(command, id=from_above(command.id), target=target))
        return believed(Commands(commands=commands), self.clock_us()) if commands else None


def for_below(batch: Record) -> Record | None:
    """Return the commands that regions below this one answer; None: there are none."""
    if not isinstance(batch, Commands):
        return None
    commands = [one for one in batch.commands if one.kind in _ANSWERS and region_of(one.target)]
    return Commands(commands=commands) if commands else None


def coarse_place(ecef_m: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    """Return a place on a grid of about a kilometre; None where there was none on the Earth.

    Rounding, and not noise: however often it is told, no more can be learned.
    """
    if ecef_m is None or not 6.2e6 < float(np.linalg.norm(ecef_m)) < 6.5e6:
        return None
    longitude, latitude, height_m = ecef_to_geodetic(*ecef_m)
    x_m, y_m, z_m = geodetic_to_ecef(
        round(float(longitude), COARSE_DIGITS),
        round(float(latitude), COARSE_DIGITS),
        _coarse_height_m(float(height_m)),
    )
    return float(x_m), float(y_m), float(z_m)


def coarse_period(period: StationPeriod) -> StationPeriod:
    """Return an hour from which a station's place cannot be found.

    With directions to satellites in fractions of a degree it could be computed; whole degrees are a hundred
    kilometres each.
    """
    sky = period.sky
    return replace(
        period,
        metadata={what: text for what, text in period.metadata.items() if what in _METADATA},
        sky=SkyTrack(
            time_us=sky.time_us,
            system=sky.system,
            satellite=sky.satellite,
            azimuth_deg=np.round(sky.azimuth_deg),
            elevation_deg=np.round(sky.elevation_deg),
            cn0_dbhz=sky.cn0_dbhz,
        ),
    )


def _coarse(one: StationDescription | ThingDescription) -> dict[str, float | None]:
    """Return the place on the grid of `coarse_place`."""
    return {
        "longitude": None if one.longitude is None else round(one.longitude, COARSE_DIGITS),
        "latitude": None if one.latitude is None else round(one.latitude, COARSE_DIGITS),
        "height_m": None if one.height_m is None else _coarse_height_m(one.height_m),
    }


def _coarse_height_m(height_m: float) -> float:
    return round(height_m / COARSE_HEIGHT_M) * COARSE_HEIGHT_M
