"""What the API and the live stream say, as it is sent (`dashboards.present` makes it).

Times are ISO 8601 in UTC with their offset. Each structure is also the schema shown under `/docs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from streams.access_definitions import Role
from streams.records import (
    AlertChange,
    AlertStateName,
    ChangeVerb,
    LevelName,
    ObjectKind,
    Reason,
    StationStateName,
)
from streams.stream_state import StreamPhase

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


class StationLatest(Answer, frozen=True, kw_only=True):
    """A station's figures in the second that was judged last."""

    judged_at: Time
    received_at: Time | None
    epochs: int
    epochs_expected: int
    observations: int
    observations_expected: int | None
    satellites: int
    latency_s: float | None
    jitter_s: float | None
    cn0_dbhz: float | None
    slips: int
    multipath_m: float | None
    frames: int
    bad_frames: int


class StationFigures(Answer, frozen=True, kw_only=True):
    """What a station shows over minutes rather than seconds; null: not known.

    The window is the last 60 epochs, or the last minute where there are more of them.
    """

    station_id: str
    at: Time
    """The epoch at which it was looked at."""
    horizon_expected: int | None
    """Signals above the horizon that the ephemerides let expect at this epoch."""
    horizon_have: int | None
    """Of those, that came."""
    mask_expected: int | None
    """The same above 10 degrees."""
    mask_have: int | None
    expected_share: float | None
    """Signals above 10 degrees that came, of those expected, over the window; 0 to 1."""
    usable_share: float | None
    """Epochs of the window with four satellites of two carriers of one system; 0 to 1."""
    usable_systems: str
    """Systems that have those at this epoch, by their RINEX letters."""
    slips_a_thousand: float | None
    """Cycle slips for each thousand observations of the window."""
    cn0_loss_db: float | None
    """Mean C/N0 below this station's own at the same elevations, over the window."""
    roti_tecu_min: float | None
    """Irregularity of the ionosphere (ROTI): median over the satellites."""
    clock_step_ms: float | None
    """The last step of the receiver's clock by whole milliseconds."""
    clock_step_at: Time | None
    east_m: float | None
    """Mean of single-point positions over a quarter of an hour, from the station's coordinates."""
    north_m: float | None
    up_m: float | None
    east_sd_m: float | None
    """Standard deviation of these positions."""
    north_sd_m: float | None
    up_sd_m: float | None


class StationVerdict(Answer, frozen=True, kw_only=True):
    """What changes from second to second: all that a live update carries of a station."""

    id: str
    state: StationStateName
    score: int | None
    """0 to 100; null when the state is unknown."""
    reasons: Sequence[Reason]
    last_epoch: Time | None
    """Time of the last epoch that came; null when none is known since the program began."""
    latest: StationLatest | None


class StationAnswer(StationVerdict, frozen=True, kw_only=True):
    """A station with its latest verdict."""

    name: str
    region: str
    """Where it belongs, as the way down the tree (`zhejiang:hangzhou`); empty: to this installation."""
    longitude: float | None
    latitude: float | None
    """Degrees; null while neither the registry nor the stream told the position."""
    height_m: float | None
    """Ellipsoidal."""
    position_source: Literal["registry", "stream"] | None
    interval_s: float
    paused: bool
    """Neither gathered nor judged, until it is resumed."""
    figures: StationFigures | None
    """The newest of those that are made once a minute."""


class QualityAnswer(Answer, frozen=True, kw_only=True):
    """A station's quality over one window. `state` is the worst one in it."""

    start: Time
    state: StationStateName
    seconds_by_state: dict[StationStateName, int]
    reasons: dict[str, int]
    score_min: int | None
    score_mean: float | None
    reports: int
    epochs: int
    epochs_expected: int
    completeness: float | None
    observations: int
    observations_expected: int | None
    latency_mean_s: float | None
    latency_median_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None
    jitter_s: float | None
    cn0_dbhz: float | None
    slips: int
    multipath_m: float | None
    frames: int
    bad_frames: int


class ObservationAnswer(Answer, frozen=True, kw_only=True):
    """One sample. `flag` follows QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""

    phenomenon_time: Time
    value: float | None
    flag: int
    flags: dict[str, int]
    """The verdict of each test."""
    revision: int
    received_at: Time
    longitude: float | UnsetType = UNSET
    """Where it was taken, as a platform that moves said: degrees."""
    latitude: float | UnsetType = UNSET
    height_m: float | UnsetType = UNSET


class WaveformAnswer(Answer, frozen=True, kw_only=True):
    """A sample that holds many values, evenly in time."""

    begin: Time
    """Time of the first value."""
    step_s: float
    values: list[float | None]


class ObservationWindowAnswer(Answer, frozen=True, kw_only=True):
    """Samples of one window: the aggregates that were asked for."""

    start: Time
    mean: float | UnsetType | None = UNSET
    min: float | UnsetType | None = UNSET
    max: float | UnsetType | None = UNSET
    sum: float | UnsetType | None = UNSET
    last: float | UnsetType | None = UNSET
    count: int | UnsetType = UNSET
    """Samples in the window, whatever their flag."""
    flags: dict[int, int]
    """Samples by flag; those with flag 1 make the other aggregates unless `quality=all`."""


class ThingAnswer(Answer, frozen=True, kw_only=True):
    """A site: a tide gauge, a slope, a borehole."""

    id: str
    name: str
    region: str
    """Where it belongs, as of a station."""
    longitude: float
    latitude: float
    """Degrees, CGCS2000 (EPSG:4490)."""
    height_m: float | None
    height_datum: str
    """`EPSG:5737`: the 1985 national height datum; or `ellipsoidal`."""
    description: str
    properties: dict[str, Any]
    """What else is to be known of it."""


class DatastreamAnswer(Answer, frozen=True, kw_only=True):
    """One observed property of one thing, with its newest sample."""

    id: str
    region: str
    """Where it belongs, as of a station."""
    thing_id: str
    property_id: str
    name: str
    unit: str
    detectors: list[str]
    latest: ObservationAnswer | None


class LiveObservation(Answer, frozen=True, kw_only=True):
    """The newest sample of a datastream, in a live update."""

    datastream_id: str
    phenomenon_time: Time
    value: float | None
    flag: int


class TransitionAnswer(Answer, frozen=True, kw_only=True):
    """One step of an alert's life."""

    number: int
    change: AlertChange
    state: AlertStateName
    level: LevelName
    at: Time
    by: str
    comment: str


class AlertAnswer(Answer, frozen=True, kw_only=True):
    """An alert as it is now."""

    id: str
    region: str
    """Where it was raised, as of a station."""
    level: LevelName
    state: AlertStateName
    title: str
    rule: str
    subject_id: str
    """The datastream or thing that it is about."""
    onset_at: Time
    """When the hazard began."""
    opened_at: Time
    """When we knew."""
    updated_at: Time
    acknowledged_by: str | None
    acknowledged_at: Time | None
    ended_at: Time | None
    """When the hazard was found to be over; the alert stays open until somebody has answered."""
    closed_at: Time | None
    historic: bool
    """Found in late data: it called nobody."""
    proposed: LevelName | None
    """The level that was found and that people are asked about; null: none is."""
    silenced: bool
    """A silence covers it: it calls nobody for a while."""
    number: int
    """Of the last transition."""
    evidence: dict[str, Any]
    transitions: list[TransitionAnswer] | UnsetType = UNSET


class StreamAnswer(Answer, frozen=True, kw_only=True):
    """What an incoming stream is doing."""

    id: str
    kind: str
    source: str
    phase: StreamPhase
    since: Time | None
    bytes_received: int
    messages_received: int
    bad_messages: int
    overload_drops: int
    refused_connections: int
    faults: int
    """Errors of this program, not of the source; each time it began anew."""
    reconnects: int
    last_received: Time | None
    last_error: str
    station: str
    """Whose source it is; empty: of no station."""
    name: str
    """Of the source, among those of its station."""
    place: int
    """Of the source in their order, from 1."""
    gatherer: str
    """The process that has it, where several processes share the work."""
    chosen: bool
    """What it brings goes on: of several sources of a station one does."""
    chosen_since: Time | None
    """Since when it goes on, or does not."""
    why: str
    """That it goes on, in words."""
    latency_s: float | None
    """From an epoch to its arrival, each few seconds."""
    bytes_per_s: float
    messages_per_s: float


class SourceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source of a station."""

    source: str
    """`ntrip://user:password@host:port/MOUNTPOINT`, `ntrips://`, `tcp://host:port`, `push:` or
    `tcp-listen://host:port`."""
    version: str | int = "auto"
    format: str = "auto"
    stall_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 30.0
    push_password: str = ""
    allow: list[str] = []
    standby: Literal["hot", "cold"] = "hot"
    """`cold`: it is connected only while no source before it brings anything."""
    paused: bool = False
    place: int | None = None
    """In the order, from 1; null: where it is, or at the end."""


class SourceChangeAnswer(Answer, frozen=True, kw_only=True):
    """Another source of a station took over."""

    at: Time
    before: str
    after: str
    why: str
    """stall, late, loss, better or gone; reference: the new source tells another place."""
    text: str


class HealthAnswer(Answer, frozen=True, kw_only=True):
    """The program answers."""

    status: Literal["ok", "without database"]
    """Without it alerts come from memory, and the live page goes on."""
    version: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Who has seen an alert."""

    by: str = ""
    """A name; without one the address that asked is recorded."""
    comment: str = ""


class CommentBody(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says about an alert."""

    comment: str
    by: str = ""
    """A name; without one the address that asked is recorded."""


class DeviceCommandBody(Answer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the devices of a site are to do."""

    command: str
    """Its name as the devices know it; `sampling_level` with the argument `level` sets their interval."""
    device: str = ""
    """Empty: all that the site has."""
    arguments: dict[str, str | int | float | bool] = {}


class SilenceBody(Answer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that call nobody for a while. All that is given must match."""

    end: Time
    start: Time | None = None
    """Now, when it is left out."""
    reason: str = ""
    station: str = ""
    site: str = ""
    """A thing's id: all of its datastreams."""
    datastream: str = ""
    property: str = ""
    rule: str = ""
    """A detector's name."""


class AccountBody(Answer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets streams from the caster."""

    password: str
    mountpoints: Sequence[str] = ()
    """That may be had, with * and ?; none: all."""
    enabled: bool = True
    valid_from: Time | None = None
    valid_until: Time | None = None
    areas: Sequence[Sequence[Sequence[float]]] = ()
    """Rings of [longitude, latitude] in which rovers may be, and must tell that they are; none: anywhere."""
    most_sessions: int = 0
    """At once, in all casters together; 0: any number."""
    when_full: Literal["newest", "refuse"] = "newest"
    """Whose is the place of a session that is one too many: the newest's (the oldest is cut), or nobody's."""
    rate_bytes_s: float = 0.0
    """Of each session; 0: any."""
    day_bytes: int = 0
    """In a day of UTC; 0: any."""
    month_bytes: int = 0
    """In a month of UTC; 0: any."""
    regions: Sequence[str] | None = None
    """Below, in which it holds, too (`zhejiang`, `zhejiang:hangzhou`); null: all; with none here alone."""
    roles: Sequence[Role] = ()
    """At the API and the page, here alone: docs/access.md has what each may; none: it is for rovers alone."""


class SessionAnswer(Answer, frozen=True, kw_only=True):
    """A rover that gets a stream now."""

    id: str
    account: str
    """Its name as rovers send it; empty where the caster is open to all."""
    mountpoint: str
    """Empty where another region does not tell it."""
    address: str
    """As coarse as `addresses` of `[caster]` has it."""
    since: Time
    bytes_sent: int
    """As of the last minute."""
    caster: str
    """`zhejiang:c1` is one of the region zhejiang, `..:c1` one of the region above."""
    longitude: float | None = None
    """Where it said that it is, as coarse as the privacy setting has it; null: not said, or not told."""
    latitude: float | None = None
    region: str = ""
    """Of its caster; empty: of this installation."""
    base: str = ""
    """The station whose epochs it gets; empty: none at the moment."""
    base_since: Time | None = None
    reason: str = ""
    """Why it has this base and not the one before; empty on a mountpoint of one station."""
    quality: int | None = None
    """Of its last GGA: 0 no fix, 1 alone, 2 differential, 4 fixed, 5 float; null: it sent none."""
    correction_age_s: float | None = None
    """As its last GGA has it."""
    heard: Time | None = None
    """When it sent a GGA last, to 10 s."""
    agent: str = ""
    """What it calls itself."""
    ntrip_version: int | None = None
    epochs_sent: int = 0


class SessionCount(Answer, frozen=True, kw_only=True):
    """Rovers of a base, a region or a caster."""

    name: str
    """Empty: without a base, or of this installation."""
    rovers: int
    fixed: int
    """Of these, whose last GGA has quality 4."""
    floating: int
    """Quality 5."""


class SessionCounts(Answer, frozen=True, kw_only=True):
    """How many rovers get streams now, the most first."""

    rovers: int
    with_position: int
    by_base: list[SessionCount]
    by_region: list[SessionCount]
    by_caster: list[SessionCount]


class SessionChanges(Answer, frozen=True, kw_only=True):
    """What has changed of the sessions since an earlier answer."""

    is_whole: bool
    """All of them are here: what is known from before is to be forgotten."""
    items: list[SessionAnswer]
    """Those that have begun or changed."""
    ended: list[str]
    """Ids of those that are over."""
    next: str
    """Give back as `after`."""
    is_more: bool
    """Ask again at once: there are more."""


class LegAnswer(Answer, frozen=True, kw_only=True):
    """A base that a rover had, until it had the next one."""

    base: str
    """Empty: none."""
    since: Time
    reason: str
    longitude: float | None
    """Where the rover was then."""
    latitude: float | None


class KeptSessionAnswer(Answer, frozen=True, kw_only=True):
    """What is kept of a session."""

    id: str
    account: str
    mountpoint: str
    caster: str
    agent: str
    ntrip_version: int | None
    begin: Time
    end: Time | None
    """null: it was not over when it was kept last."""
    as_of: Time
    bytes_sent: int
    epochs_sent: int
    positions: int
    """GGA with a position that it sent."""
    fixed: int
    """Of these, with quality 4."""
    floating: int
    """Quality 5."""
    begin_longitude: float | None
    begin_latitude: float | None
    longitude: float | None
    """At its end."""
    latitude: float | None
    bases: list[LegAnswer]


class PrivacyAnswer(Answer, frozen=True, kw_only=True):
    """What is told and kept of rovers."""

    position_decimals: int | None
    """To which positions are rounded, in degrees; null: nobody is told them."""
    addresses: Literal["full", "network", "none"]
    days: int
    """That sessions are kept after their end; 0: nothing is kept."""


class WebhookAnswer(Answer, frozen=True, kw_only=True):
    """A subscriber of alerts, without its address."""

    id: str
    state: Literal["active", "disabled"]
    """disabled: it answered 410, and nothing is sent until somebody resumes it."""
    since: Time | None
    reason: str
    pending: int
    """Messages that wait."""
    delivered: int
    given_up: int
    oldest_pending_at: Time | None
    last_delivered_at: Time | None


class DeliveryAnswer(Answer, frozen=True, kw_only=True):
    """One step of an alert on its way to a webhook."""

    id: str
    """`webhook-id` of the message."""
    alert_id: str
    number: int
    state: Literal["pending", "delivered", "given_up"]
    attempts: int
    at: Time
    next_attempt_at: Time | None
    """Of one that is pending."""
    delivered_at: Time | None
    error: str
    """Of the last attempt that failed."""


class ReplayBody(Answer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be told once more: an alert, one step of it, or what happened in a time."""

    alert_id: str = ""
    number: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of a step of the alert; 0: all."""
    start: Time | None = None
    end: Time | None = None
    """Not in it."""


class OutcomeAnswer(Answer, frozen=True, kw_only=True):
    """What became of a change."""

    command_id: str
    id: str
    message: str


class ChangeAnswer(Answer, frozen=True, kw_only=True):
    """What a command made of an object; passwords are left out."""

    kind: ObjectKind
    id: str
    version: int
    """Counts up over all changes."""
    verb: ChangeVerb
    """`revert`: what the configuration says holds again."""
    by: str
    at: Time
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    """null: it was deleted, or the configuration does not have it."""
    command_id: str


class CommandAnswer(Answer, frozen=True, kw_only=True):
    """What was asked for, by whom, and what became of it."""

    id: str
    kind: str
    target: str
    by: str
    at: Time
    ok: bool | None
    """null: without an answer so far."""
    message: str
