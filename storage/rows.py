"""What queries return. Times are microseconds of UTC since 1970; missing values are None, never NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.model import Datastream, Station
from streams.call_records import CallOrder, CallReceipt
from streams.records import AlertTransition, Command, StationFigures, StationReport, StationStateName

T = TypeVar("T")
DeliveryStateName = Literal["pending", "delivered", "given_up"]
Aggregate = Literal["mean", "min", "max", "sum", "count", "last"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` continues it when given back as `after`, None at the end."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert transition on its way to one webhook. It stays in the store until it is settled."""

    webhook_id: str
    message_id: str
    """`alert_id.number`: a repeated delivery shares it."""
    transition: AlertTransition
    attempts: int
    next_attempt_us: int
    refusals: int = 0
    """Attempts that were answered by a refusal of this message."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """How far the telling of one step to one webhook is."""

    alert_id: str
    number: int
    state: DeliveryStateName
    attempts: int
    at_us: int
    """When it happened, or was to be told first."""
    next_attempt_us: int
    delivered_at_us: int | None
    error: str


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """How one webhook is doing."""

    webhook_id: str
    state: Literal["active", "disabled"]
    since_us: int
    """0: for ever."""
    reason: str
    pending: int
    delivered: int
    given_up: int
    oldest_us: int | None
    """Of what is pending."""
    delivered_at_us: int | None
    """The last one."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call about an alert with all that was said of it."""

    order: CallOrder
    receipts: list[CallReceipt]
    """The oldest first."""
    is_withdrawn: bool
    """It was not needed any more."""


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Geodetic coordinates, degrees and ellipsoidal metres."""

    longitude: float
    latitude: float
    height_m: float


class StationRow(Station, frozen=True, kw_only=True, gc=False):
    """A station with its latest verdict. Its coordinates are the registered ones, else the streamed."""

    report: StationReport | None = None
    figures: StationFigures | None = None
    """The newest ones."""
    position_source: Literal["registry", "stream"] | None = None
    streamed: Position | None = None
    """What the station's own stream last said, whatever the registry says."""


class NetworkStates(msgspec.Struct, frozen=True, kw_only=True):
    """How long the stations of the network together were in each state over one window."""

    start_us: int
    good_s: float
    degraded_s: float
    bad_s: float
    unknown_s: float
    """Of those that reported; a station that sent nothing has no second here."""


class QualityWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A station's quality over one window, from its reports in it."""

    start_us: int
    """Begin of the window, a multiple of its length since 1970."""
    reports: int
    epochs: int
    epochs_expected: int
    completeness: float | None
    """epochs / epochs_expected; None when none was expected."""
    observations: int
    observations_expected: int | None
    """Over the reports that knew it; None when none did."""
    latency_mean_s: float | None
    latency_median_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None
    jitter_s: float | None
    """Mean of the reports' jitter."""
    cn0_dbhz: float | None
    slips: int
    multipath_m: float | None
    """RMS over the reports."""
    frames: int
    bad_frames: int
    score_min: int | None
    score_mean: float | None
    state: StationStateName
    """The worst one: bad, degraded, unknown, good in this order."""
    seconds_by_state: dict[StationStateName, int]
    """Seconds in which there was a report of this state."""
    reasons: dict[str, int]
    """Reports by code of their reasons, most frequent first."""


class SamplePlace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a sample was taken, as the platform said: degrees, metres."""

    longitude: float
    latitude: float
    height_m: float | None = None


class Box(NamedTuple):
    """Part of a map, in degrees; `west` above `east` goes over 180 degrees."""

    west: float
    south: float
    east: float
    north: float


class Waveform(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that holds many values."""

    time_us: int
    """Of the first value."""
    step_us: float
    values: list[float | None]


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One sample with its flags."""

    time_us: int
    value: float | None
    flag: int
    """QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""
    test_flags: dict[str, int]
    revision: int
    received_at_us: int
    place: SamplePlace | None = None
    """Where it was taken, of platforms that move."""


@dataclass(frozen=True, slots=True)
class ReceivedSamples:
    """Samples as columns of shape (n,), in no particular order."""

    series: NDArray[np.int32]
    """Places in the list of datastreams that was asked for."""
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    """NaN: none."""
    received_at_us: NDArray[np.int64]
    is_late: NDArray[np.bool_]
    """It came after a newer sample of its datastream."""

    def __len__(self) -> int:
        return len(self.series)


class ObservationWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one window. A window without samples does not exist."""

    start_us: int
    """Begin of the window, a multiple of its length since 1970."""
    values: dict[Aggregate, float | None]
    """What was asked for; None when no sample counted (`count` is 0 then)."""
    flags: dict[int, int]
    """Samples by overall flag, all of them."""


class DatastreamRow(Datastream, frozen=True, kw_only=True):
    """A datastream with its newest sample."""

    latest: Observation | None = None


class AlertHistory(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is now, and how it came to be so."""

    alert: AlertTransition
    transitions: list[AlertTransition]
    """Oldest first."""


class CommandRow(msgspec.Struct, frozen=True, kw_only=True):
    """An audited command; `ok` is None while it has no answer."""

    command: Command
    ok: bool | None
    message: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Figures for metrics. All are cheap to get, however large the tables are."""

    stations_by_state: dict[StationStateName, int]
    """Stations without a report are counted as unknown."""
    things: int
    datastreams: int
    alerts_open: dict[str, int]
    """Alerts that are not closed, by level."""
    deliveries_pending: int
    deliveries_given_up: int
    journal_messages: int
    database_bytes: int


@dataclass(frozen=True, slots=True)
class RawSegment:
    """Where a piece of a station's raw stream lies. Key: station_id, slot_us, position."""

    station_id: str
    slot_us: int
    """Begin of the 10-second slot of its chunks' time."""
    position: int
    """Bytes of the slot's stream before it."""
    path: str
    """The object, relative to the archive's folder."""
    offset: int
    length: int
    """Where it stands in the object, compressed."""
    size: int
    """Bytes of stream in it."""
    chunks: int
    start_us: int
    end_us: int
    """Lowest and highest time of its chunks."""
    sha256: bytes
    """Of the timing table and the plain bytes."""


@dataclass(frozen=True, slots=True)
class StoredTimes:
    """What a store says of the time, beside any clock."""

    newest_us: int | None
    """Of its rows, as far as it may be believed; None: there are none."""
    floor_us: int | None
    """Before it rows of some level are gone for ever, and sums are not made anew; None: nothing has gone."""


@dataclass(frozen=True, slots=True)
class RollupHealth:
    """How far the rollups are behind."""

    marks: int
    """Spans that are still to be made anew."""
    oldest_us: int | None
    """When the oldest one of minutes was marked; None: there is none."""
    frozen: int
    """Spans since the start that could not be made anew: what they are made of has expired."""
