"""What travels on the topics. A message is a batch; times are microseconds of UTC since 1970, `*_us`.

Records are plain values: a processor gets them, returns them, and keeps no hidden ties to them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.quality.score import State
from sensors.detectors import Level, Phase
from streams.sample_extras import Places, Waves, check_extras
from streams.stream_state import StreamPhase

StationStateName = State
AlertStateName = Literal["open", "consultation", "acknowledged", "closed"]
AlertChange = Literal[
    "opened", "level", "consultation", "declined", "acknowledged", "commented", "ended", "closed", "silenced",
    "unsilenced",
]  # fmt: skip
ObjectKind = Literal[
    "station", "thing", "datastream", "rule", "silence", "account", "privacy",
    "person", "roster", "group", "plan", "network", "sighting", "token", "property", "sensor",
]  # fmt: skip
"""What can be changed while the program runs."""
ChangeVerb = Literal["put", "patch", "delete", "revert"]
LevelName = Level

EARLIEST_US, LATEST_US = -2_208_988_800_000_000, 7_258_118_400_000_000
"""1900 and 2200: a time outside is a mistake, and many a program behind could not hold it."""
TimeUs = Annotated[int, msgspec.Meta(ge=EARLIEST_US, le=LATEST_US)]
"""Microseconds of UTC since 1970; a message with another one is damaged."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all records."""


# --- stations -------------------------------------------------------------------------------------


class RawChunk(Record, frozen=True, kw_only=True):
    """The bytes of one read of one station's stream, exactly as they came."""

    station_id: str
    payload: bytes
    received_at_us: TimeUs | None = None
    """When the socket was read. None in a replay whose recording has no receiving times."""
    reference_us: TimeUs | None = None
    """Roughly when it was, to resolve the GPS week of a replay; live, `received_at_us` serves."""
    end_of_stream: bool = False
    """Last chunk of a finite source: what is pending is closed and judged."""


class RawBatch(Record, frozen=True, kw_only=True, tag="raw"):
    """Chunks of the stations of one partition, in the order of arrival for each station."""

    chunks: list[RawChunk]


class EphemerisMessage(Record, frozen=True, kw_only=True):
    """An ephemeris as a station sent it, an RTCM message without header and CRC."""

    payload: bytes
    known_us: TimeUs
    """When it was received first."""


class EphemerisMessages(Record, frozen=True, kw_only=True, tag="ephemerides"):
    """Ephemerides that are new to the stations of one partition, for those of all others."""

    messages: list[EphemerisMessage]


class NetworkShare(Record, frozen=True, kw_only=True, tag="network"):
    """What the stations of one partition showed in a minute, for the medians of the whole network."""

    source: str
    """The first id of these stations: no other partition has it."""
    minute: int
    """Minutes since 1970."""
    roti_tecu_min: NDArray[np.float32]
    """Mean of each station, shape (n,)."""
    slipped_share: NDArray[np.float32]
    """Mean share of slipped satellites of each station, shape (m,)."""


class Tick(Record, frozen=True, kw_only=True, tag="tick"):
    """Time goes on although nothing arrived."""

    now_us: TimeUs


class Reason(Record, frozen=True, kw_only=True):
    """Why a verdict is what it is, for an operator."""

    code: str
    """Stable short name, for instance `latency`."""
    text: str
    """One sentence with the value."""
    value: float | None = None
    threshold: float | None = None
    check: str = ""
    """What an operator should look at."""


class StationReport(Record, frozen=True):
    """The verdict on one station for one second (or epoch). Key: station_id, epoch_us."""

    station_id: str
    epoch_us: TimeUs
    """Time of the epoch; of the second that was judged when no epoch came."""
    received_at_us: TimeUs | None
    state: StationStateName
    score: int | None
    """0 to 100; None when the state is unknown."""
    reasons: list[Reason]
    epochs: int
    """Epochs received in this report (0 or 1)."""
    epochs_expected: int
    observations: int
    observations_expected: int | None
    satellites: int
    latency_s: float | None
    jitter_s: float | None
    cn0_dbhz: float | None
    """Mean over the signals of the epoch."""
    slips: int
    multipath_m: float | None
    """RMS of the code multipath over the window that `gnss.quality.multipath` states."""
    frames: int
    bad_frames: int
    ecef_m: tuple[float, float, float] | None = None
    """Antenna reference point, when the stream told it since the last report."""


class StationFigures(Record, frozen=True, kw_only=True):
    """What a station shows over minutes rather than seconds. Key: station_id, time_us.

    Made at the first epoch of each minute. The window is that of the verdicts: the last 60 epochs, or the
    last minute where there are more of them.
    """

    station_id: str
    time_us: TimeUs
    """Time of the epoch."""
    horizon_expected: int | None = None
    """Signals above the horizon that the ephemerides let expect at this epoch."""
    horizon_have: int | None = None
    """Of those, that came."""
    mask_expected: int | None = None
    """The same above 10 degrees."""
    mask_have: int | None = None
    expected_share: float | None = None
    """Signals above 10 degrees that came, of those expected, over the window; 0 to 1."""
    usable_share: float | None = None
    """Epochs of the window with four satellites of two carriers of one system; 0 to 1."""
    usable_systems: str = ""
    """Systems that have those at this epoch, by their RINEX letters."""
    slips_a_thousand: float | None = None
    """Cycle slips for each thousand observations of the window."""
    cn0_loss_db: float | None = None
    """Mean C/N0 below this station's own at the same elevations, over the window."""
    roti_tecu_min: float | None = None
    """Irregularity of the ionosphere: median over the satellites."""
    clock_step_ms: float | None = None
    """The last step of the receiver's clock by whole milliseconds."""
    clock_step_at_us: TimeUs | None = None
    offset_m: tuple[float, float, float] | None = None
    """Mean of single-point positions over a quarter of an hour: east, north and up of the coordinates."""
    offset_sd_m: tuple[float, float, float] | None = None


class StationReports(Record, frozen=True, kw_only=True, tag="station_reports"):
    """Verdicts, oldest first for each station; and figures that belong to them."""

    reports: list[StationReport]
    figures: list[StationFigures] = []


class StationPeriodRecord(Record, frozen=True, kw_only=True):
    """Figures of a station over an hour, or the part of it that was judged. Key: station_id, begin_us."""

    station_id: str
    begin_us: TimeUs
    end_us: TimeUs
    """Not in it."""
    period: bytes
    """A `gnss.quality.period.StationPeriod`, by `gnss.quality.period_codec`."""


class StationPeriods(Record, frozen=True, kw_only=True, tag="station_periods"):
    """Hours of stations, oldest first for each station."""

    periods: list[StationPeriodRecord]


# --- sensors --------------------------------------------------------------------------------------


class SampleBatch(Record, frozen=True, kw_only=True, omit_defaults=True, tag="samples"):
    """Samples of many series as columns: row i belongs to `datastream_ids[series[i]]`."""

    datastream_ids: list[str]
    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    """Phenomenon time."""
    value: NDArray[np.float64]
    """NaN: the sender said that there is no value."""
    received_at_us: NDArray[np.int64]
    places: Places | None = None
    """Where samples were taken that tell it."""
    waves: Waves | None = None
    """Of samples that are waveforms."""

    def __post_init__(self) -> None:
        """Refuse columns that do not fit: kernels would read beyond their ends."""
        _check_columns(self)

    def __len__(self) -> int:
        return len(self.series)


class FlaggedSamples(Record, frozen=True, kw_only=True, omit_defaults=True, tag="flagged_samples"):
    """Samples with their QARTOD flags. Key: datastream, time_us; the highest revision wins."""

    datastream_ids: list[str]
    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    received_at_us: NDArray[np.int64]
    revision: NDArray[np.int32]
    """0 when first judged; a spike verdict that comes with the next sample revises to 1; -1: came after a
    newer sample, and never replaces one that was judged in order."""
    tests: list[str]
    """Names of the tests, the columns of `flags`."""
    flags: NDArray[np.uint8]
    """Shape (n, len(tests)): 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""
    flag: NDArray[np.uint8]
    """Shape (n,): the sample's overall flag."""
    places: Places | None = None
    """Where samples were taken that tell it. A revision has none: it is that of the sample before."""
    waves: Waves | None = None
    """Of samples that are waveforms; values that the instrument cannot measure are NaN."""

    def __post_init__(self) -> None:
        """Refuse columns that do not fit: who stores or shows them would fail for ever."""
        _check_columns(self)
        n = len(self.series)
        for name, kind, shape in (
            ("revision", np.int32, (n,)),
            ("flags", np.uint8, (n, len(self.tests))),
            ("flag", np.uint8, (n,)),
        ):
            column = getattr(self, name)
            if column.shape != shape or column.dtype != kind:
                raise ValueError(f"column {name} of samples is {column.dtype} of shape {column.shape}")

    def __len__(self) -> int:
        return len(self.series)


_SAMPLE_COLUMNS = (
    ("series", np.dtype(np.int32)), ("time_us", np.dtype(np.int64)),
    ("value", np.dtype(np.float64)), ("received_at_us", np.dtype(np.int64)),
)  # fmt: skip


def _check_columns(batch: SampleBatch | FlaggedSamples) -> None:
    """Raise ValueError unless the columns are of one length, and series and times can be."""
    shape = (len(batch.series),)
    for name, kind in _SAMPLE_COLUMNS:
        column = getattr(batch, name)
        if column.shape != shape:
            raise ValueError("the columns of samples are not of one length")
        if column.dtype != kind:
            raise ValueError(f"column {name} of samples is {column.dtype}, not {kind}")
    check_extras(batch, LATEST_US)
    if not shape[0]:
        return
    if not (batch.series.min() >= 0 and batch.series.max() < len(batch.datastream_ids)):
        raise ValueError("a sample belongs to no datastream of its batch")
    for times in (batch.time_us, batch.received_at_us):
        if not (times.min() >= EARLIEST_US and times.max() <= LATEST_US):
            raise ValueError("a time of a sample lies outside 1900 to 2200")


# --- detections and alerts ------------------------------------------------------------------------


class Detection(Record, frozen=True, kw_only=True):
    """A detector's finding about one subject. `onset_us` and `subject_id` identify the event."""

    detector: str
    version: str
    subject_id: str
    """The datastream or thing that it is about."""
    phase: Phase
    level: LevelName
    onset_us: TimeUs
    """Event time at which the hazard began."""
    at_us: TimeUs
    """Event time of the sample that made this finding."""
    detected_at_us: TimeUs
    """The partition's time when it was found."""
    title: str
    value: float
    threshold: float
    unit: str
    evidence: dict[str, Any]
    """Inputs, flags, formula, thresholds and a picture's data: an expert can check it by hand."""
    historic: bool = False
    """From late data: stored, but calls nobody."""
    part_of: str = ""
    """`network/ID` or `thing/ID`: who looks at it first, and tells what is to be told. Empty: it is told."""


class Detections(Record, frozen=True, kw_only=True, tag="detections"):
    """Findings in the order in which they were made."""

    detections: list[Detection]


class AlertTransition(Record, frozen=True, kw_only=True):
    """One step of an alert's life, with the whole alert as it is after it. Key: alert_id, number."""

    alert_id: str
    number: int
    """1 for the opening, then 2, 3 ... A webhook's id is `alert_id` and this number."""
    state: AlertStateName
    level: LevelName
    rule: str
    subject_id: str
    title: str
    onset_us: TimeUs
    opened_at_us: TimeUs
    at_us: TimeUs
    change: AlertChange
    ended_at_us: TimeUs | None = None
    """When the hazard was found to be over. Without an answer the alert stays open all the same."""
    by: str = ""
    comment: str = ""
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    historic: bool = False
    silenced: str = ""
    """The silence that covers it: stored and shown, and nobody is called. Empty: none does."""
    proposed: LevelName | None = None
    """The level that was found and that people have to confirm first; None: none is."""
    decide_until_us: TimeUs | None = None
    """When what was proposed is decided without them."""


class AlertTransitions(Record, frozen=True, kw_only=True, tag="alerts"):
    """Transitions in order."""

    transitions: list[AlertTransition]


class DeliveryStep(Record, frozen=True, kw_only=True):
    """How far the telling of one transition to one webhook is. Key: webhook_id, alert_id, number."""

    webhook_id: str
    alert_id: str
    number: int
    """Of the transition."""
    state: Literal["pending", "delivered", "given_up"]
    next_attempt_us: TimeUs
    """When a pending one is due; of others, when that was settled."""
    attempts: int = 0
    error: str = ""
    """Of the last attempt that failed."""
    again: bool = False
    """A person wants it told once more, whatever became of it before."""


class WebhookStep(Record, frozen=True, kw_only=True):
    """A webhook is disabled, or sent to again. Key: webhook_id."""

    webhook_id: str
    state: Literal["active", "disabled"]
    at_us: TimeUs
    reason: str = ""


class WebhookOrder(Record, frozen=True, kw_only=True):
    """What a person wants of a webhook's sender. Key: webhook_id."""

    id: str
    """Of the command."""
    webhook_id: str
    what: Literal["resume", "replay"]
    at_us: TimeUs
    alert_id: str = ""
    """Of a replay: only this alert; empty: all."""
    number: int = 0
    """And of it only this step; 0: all."""
    start_us: TimeUs = EARLIEST_US
    end_us: TimeUs = LATEST_US
    """Of a replay: steps that happened in this time, the end not in it."""

    def wants(self, step: AlertTransition) -> bool:
        """Return whether a step is to be told once more."""
        return (
            self.start_us <= step.at_us < self.end_us
            and self.alert_id in {"", step.alert_id}
            and self.number in {0, step.number}
        )


class Deliveries(Record, frozen=True, kw_only=True, tag="deliveries"):
    """Steps in order, what is so of whole webhooks, and what people want of their sender."""

    steps: list[DeliveryStep]
    webhooks: list[WebhookStep] = []
    orders: list[WebhookOrder] = []


class Command(Record, frozen=True, kw_only=True):
    """What a person or program wants changed. Validated, audited, answered."""

    id: str
    kind: (
        Literal[
            "acknowledge_alert",
            "comment_alert",
            "lower_alert",
            "decide_alert",
            "resume_webhook",
            "replay_webhook",
            "device_command",
            "rehearse",
        ]
        | ChangeVerb
    )
    target: str
    """An alert, a webhook, a rehearsal, or a site, whose devices are meant; of a change `kind/id`:
    `station/WUHN00CHN`."""
    by: str
    at_us: TimeUs
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class Commands(Record, frozen=True, kw_only=True, tag="commands"):
    """Commands in the order of arrival."""

    commands: list[Command]


class CommandOutcome(Record, frozen=True, kw_only=True):
    """The answer to a command. Key: command id."""

    id: str
    ok: bool
    message: str


class CommandOutcomes(Record, frozen=True, kw_only=True, tag="command_outcomes"):
    """Answers in order."""

    outcomes: list[CommandOutcome]


class Change(Record, frozen=True, kw_only=True):
    """What a command made of an object (`streams.definitions`). The highest version holds. Key: kind, id."""

    kind: ObjectKind
    id: str
    version: int
    """Counts up over all changes."""
    verb: ChangeVerb
    """`revert`: what each process's configuration says holds again."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    """The whole definition; None: there is none any more."""
    by: str
    at_us: TimeUs
    command_id: str

    @property
    def key(self) -> tuple[ObjectKind, str]:
        """What it is about."""
        return self.kind, self.id


class Changes(Record, frozen=True, kw_only=True, tag="changes"):
    """Changes in the order of their versions."""

    changes: list[Change]


class SourceChange(Record, frozen=True, kw_only=True):
    """Another source of a station is gathered from now on. Key: station_id, at_us, why."""

    station_id: str
    at_us: TimeUs
    before: str
    """Name of the source that was chosen."""
    after: str
    why: Annotated[str, msgspec.Meta(max_length=20)]
    """stall, late, loss, better or gone; reference: the new source tells another place."""
    text: Annotated[str, msgspec.Meta(max_length=500)]
    """The same in words, with figures."""


class SourceChanges(Record, frozen=True, kw_only=True, tag="source_changes"):
    """Changes of sources, oldest first for each station."""

    changes: list[SourceChange]


class SourceState(Record, frozen=True, kw_only=True):
    """What a stream is doing, as `streams.stream_state.StreamState` has it. Key: gatherer, id."""

    id: str
    kind: str
    source: str
    """Without credentials."""
    phase: StreamPhase
    since_us: TimeUs
    bytes_received: int
    messages_received: int
    bad_messages: int
    bad_samples: int
    overload_drops: int
    refused_connections: int
    reconnects: int
    last_received_us: TimeUs | None
    last_error: str
    station: str
    name: str
    place: int
    is_chosen: bool
    chosen_since_us: TimeUs
    why: str
    latency_s: float | None
    bytes_per_s: float
    messages_per_s: float
    faults: int = 0


class SourceStates(Record, frozen=True, kw_only=True, tag="source_states"):
    """What streams of one gatherer are doing."""

    gatherer: str
    states: list[SourceState]
    gone: list[str] = []
    """Ids of those that are no more."""


# --- what there is in regions ---------------------------------------------------------------------

DescribedKind = Literal["station", "thing", "datastream"]
"""What a region describes to its parent."""
LongId = Annotated[str, msgspec.Meta(max_length=300, pattern=r"^[\w.:-]+\Z")]
"""With the names of regions before it."""
Line = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Height = Annotated[float, msgspec.Meta(ge=-20_000, le=20_000)]


class StationDescription(Record, frozen=True, kw_only=True, tag="station"):
    """A GNSS station of a region, without its source. Key: id."""

    id: LongId
    name: Line
    longitude: Longitude | None = None
    latitude: Latitude | None = None
    height_m: Height | None = None
    """Ellipsoidal."""
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 1.0
    antenna: Line | None = None
    receiver: Line | None = None
    paused: bool = False


class ThingDescription(Record, frozen=True, kw_only=True, tag="thing"):
    """A site with sensors of a region. Key: id."""

    id: LongId
    name: Line
    longitude: Longitude
    latitude: Latitude
    height_m: Height | None = None
    height_datum: Line = ""
    description: Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^[^\x00]*\Z")] = ""


class DatastreamDescription(Record, frozen=True, kw_only=True, tag="datastream"):
    """What is observed at a site of a region, without tests and detectors. Key: id."""

    id: LongId
    thing_id: LongId
    property_id: LongId
    name: Line
    unit: Line


class Gone(Record, frozen=True, kw_only=True, tag="gone"):
    """What was described before and is not any more. Key: kind, id."""

    kind: DescribedKind
    id: LongId
    is_deleted: bool
    """False: it is there, and is not told any more."""


Description = StationDescription | ThingDescription | DatastreamDescription | Gone


class Descriptions(Record, frozen=True, kw_only=True, tag="descriptions"):
    """What a region has; the newest description of an object holds."""

    descriptions: list[Description]


# --- who gets streams ------------------------------------------------------------------------------


class SessionRecord(Record, frozen=True, kw_only=True):
    """A rover that gets a stream of a caster."""

    number: int
    """Of this caster; no two are the same."""
    account: str
    mountpoint: str
    address: str
    """As coarse as the caster's privacy setting has it."""
    begun_us: TimeUs
    n_bytes: int
    longitude: float | None = None
    """Degrees, as coarse as the privacy setting has it; None: not known, or not to be told."""
    latitude: float | None = None
    base: str = ""
    """The station whose epochs it gets; empty: none at the moment."""
    base_since_us: TimeUs = 0
    reason: str = ""
    """Why it has this base and not the one before; empty on a mountpoint of one station."""
    quality: int | None = None
    """Of its last GGA: 0 no fix, 1 alone, 2 differential, 4 fixed, 5 float; None: it sent none."""
    age_s: float | None = None
    """Of its corrections, as its last GGA has it."""
    heard_us: TimeUs = 0
    """When it sent a GGA last, to 10 s; 0: never."""
    agent: str = ""
    version: int = 0
    """Of NTRIP; 0: not told."""
    n_epochs: int = 0


class Heard(Record, frozen=True, kw_only=True, tag="heard"):
    """How new what is known of accounts of the regions above is; told every few seconds. Key: `heard`."""

    at_us: TimeUs
    ages_us: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=16)]
    """Of each region above the one that is told, the nearest first: how long before `at_us` it said so."""


class CasterSessions(Record, frozen=True, kw_only=True, tag="sessions"):
    """Sessions of one caster: those that began, and those that go on, told again each minute."""

    caster: str
    first: int
    """Number of the first session of its life; those below are over."""
    present: list[SessionRecord]
    ended: list[int]
    """Numbers."""
    told_us: TimeUs = 0
    """When the caster said so; 0: an older program, which is not heard in other regions."""


class AccountVolume(Record, frozen=True, kw_only=True):
    """What an account has had of one caster; counts only grow."""

    account: str
    day: int
    """Days since 1970."""
    day_bytes: int
    month: int
    """Months since the year 0."""
    month_bytes: int


class CasterVolumes(Record, frozen=True, kw_only=True, tag="volumes"):
    """What some accounts have had of one caster. Key: caster and share."""

    caster: str
    share: int
    """Which accounts these are."""
    volumes: list[AccountVolume]


class SessionLeg(Record, frozen=True, kw_only=True):
    """A base that a rover had; until it had the next one."""

    since_us: TimeUs
    base: str
    """Empty: none."""
    reason: str = ""
    longitude: float | None = None
    """Where the rover was then, as coarse as the session's positions."""
    latitude: float | None = None


class KeptSession(Record, frozen=True, kw_only=True):
    """What is kept of a session. Key: caster, number; the one with the latest `at_us` holds."""

    caster: str
    number: int
    account: str
    mountpoint: str
    agent: str
    version: int
    begun_us: TimeUs
    at_us: TimeUs
    """As of then; of one that is over its end."""
    is_over: bool
    n_bytes: int
    n_epochs: int
    sentences: int
    """GGA that it sent with a position."""
    fixed: int
    """Of these, with quality 4."""
    floating: int
    """Of these, with quality 5."""
    decimals: int
    """Of degrees, to which positions are rounded; -1: there are none."""
    begin_longitude: float | None = None
    begin_latitude: float | None = None
    longitude: float | None = None
    latitude: float | None = None
    legs: list[SessionLeg] = []
    """Those that were not told before, or all of them again."""


class KeptSessions(Record, frozen=True, kw_only=True, tag="kept-sessions"):
    """Sessions for the store; told when they end, and now and then while they last."""

    sessions: list[KeptSession]


Batch = (
    RawBatch
    | Tick
    | EphemerisMessages
    | NetworkShare
    | StationReports
    | StationPeriods
    | SampleBatch
    | FlaggedSamples
    | Detections
    | AlertTransitions
    | Deliveries
    | Commands
    | CommandOutcomes
    | Changes
    | SourceChanges
    | SourceStates
    | Descriptions
    | CasterSessions
    | CasterVolumes
    | KeptSessions
    | Heard
)
