"""The Store protocol: what is kept, and what can be asked. Times are microseconds of UTC since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.columns import SampleColumns, SeriesRow, WindowColumns
from storage.extents import ExtentQuestions
from storage.rows import (
    Aggregate,
    AlertHistory,
    Box,
    CallRow,
    CommandRow,
    Counts,
    DatastreamRow,
    Delivery,
    DeliveryRow,
    DeliveryStateName,
    NetworkStates,
    Observation,
    ObservationWindow,
    Page,
    QualityWindow,
    RawSegment,
    ReceivedSamples,
    StationRow,
    Waveform,
    WebhookRow,
)
from storage.service import ServiceQuestions
from storage.sta_query import Counted, Question, Row, StaPage, Value
from storage.upkeep import Kept
from streams.call_records import CallAnswer, CallOrder
from streams.definitions import PrivacyDefinition
from streams.records import (
    AlertStateName,
    AlertTransition,
    Change,
    Detection,
    KeptSession,
    ObjectKind,
    Record,
    SourceChange,
    StationFigures,
    StationPeriodRecord,
    StationReport,
    StationStateName,
)


class StorageError(RuntimeError):
    """Something about the store that a person must know of."""


class StorageFullError(StorageError):
    """No space is left. Trying again helps once there is some."""


class RowsRefusedError(StorageError):
    """What was to be kept is at fault, whatever the store's state. Trying again cannot help."""


class StoreVersionError(StorageError):
    """The database is not of this program's version. Trying again helps after an upgrade of either."""


class Store(ServiceQuestions, ExtentQuestions, Protocol):
    """One writer (the pipeline), many readers in any thread.

    Lists come in pages; `after` is the `next` of the page before. A cursor that is not one raises
    ValueError, as does a limit below 1. Time ranges hold their start and not their end.
    """

    # --- writing ------------------------------------------------------------------------------------

    def commit(
        self,
        batches: Sequence[Record],
        snapshots: Mapping[str, Sequence[bytes]] | None,
        *,
        now_us: int,
        webhook_ids: Sequence[str] = (),
        journal: Sequence[bytes] = (),
        raw_segments: Sequence[RawSegment] = (),
        consumed: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Keep all this in one transaction; idempotent. Raw batches, plain samples and ticks are not kept.

        A row that exists with the same key is replaced (samples: only by a revision at least as high).
        A figure beyond what its column holds is stored as the largest that it does hold.
        Each new alert transition that is not historic becomes a pending `Delivery` for each webhook; one
        that was stored before does not become a second delivery. A `DeliveryStep` from elsewhere is kept as
        it is: one that is behind what is stored changes nothing, nor does anything after the settling, unless
        it is to be told again. A `WebhookOrder` is carried out for these webhooks: others have their sender.
        What a region's description says holds where this installation describes nothing under the same id.

        Parameters
        ----------
        snapshots
            Chunks by processor. None leaves the old ones; given, it replaces all of them and empties the
            journal, this call's included, since the snapshots stand for it.
        journal
            Messages to be run again after the snapshots when the process dies.
        raw_segments
            What `RawArchive` has written; committed here, so that it is in the index or does not exist.
        consumed
            Next offset by topic and partition: what these batches were made of ends before it. Partitions
            that are not named keep theirs.

        Raises
        ------
        StorageFullError
            Nothing of it was kept.
        """
        ...

    def load_snapshots(self) -> dict[str, list[bytes]]:
        """Return the chunks of the last committed snapshot by processor name."""
        ...

    def load_journal(self) -> list[bytes]:
        """Return the messages since the last snapshot, oldest first."""
        ...

    def consumed(self) -> dict[str, dict[int, int]]:
        """Return the next offset by topic and partition, as last committed."""
        ...

    def put_registry(
        self,
        *,
        stations: Sequence[Station] = (),
        things: Sequence[Thing] = (),
        properties: Sequence[ObservedProperty] = (),
        datastreams: Sequence[Datastream] = (),
    ) -> None:
        """Insert or replace what is defined; what a stream taught (a position) is not lost by it.

        Who commits descriptions of regions calls it before: what is named here is not theirs to describe.
        """
        ...

    def due_deliveries(
        self, now_us: int, limit: int = 100, *, webhook_id: str | None = None
    ) -> list[Delivery]:
        """Return deliveries whose time has come: for each alert and webhook only the oldest open one.

        Those of steps that happened first come first; none of a webhook that is disabled.

        Parameters
        ----------
        webhook_id
            Only of this one.
        """
        ...

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done (`delivered_at_us`) or given up (None, with the error)."""
        ...

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str, refused: bool = False
    ) -> None:
        """Count a failed attempt, and whether it was a refusal of this message; set the time of the next."""
        ...

    def disable_webhook(self, webhook_id: str, at_us: int, reason: str) -> None:
        """Offer no deliveries of a webhook until it is resumed."""
        ...

    def webhooks(self) -> list[WebhookRow]:
        """Return the webhooks that there is something to say of, by name."""
        ...

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: DeliveryStateName | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[DeliveryRow]:
        """Return how the telling of a webhook went, the newest first."""
        ...

    # --- stations -----------------------------------------------------------------------------------

    def stations(
        self, *, after: str | None = None, limit: int = 100, state: StationStateName | None = None
    ) -> Page[StationRow]:
        """Return stations by id; without a report a station is unknown."""
        ...

    def station(self, station_id: str) -> StationRow | None:
        """Return one station."""
        ...

    def station_quality(
        self, station_id: str, start_us: int, end_us: int, window_s: int, *, limit: int = 10_000
    ) -> list[QualityWindow]:
        """Return the quality by windows, oldest first; windows without reports are absent.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows; the message names a window that fits.
        """
        ...

    def network_states(self, start_us: int, end_us: int, *, by_day: bool = False) -> list[NetworkStates]:
        """Return how long stations were in each state, by hour or day, oldest first.

        It is read from what is summed up already, so the newest hour comes when that is done, and late
        reports count a little later.
        """
        ...

    def station_reports(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 1_000, after: str | None = None
    ) -> Page[StationReport]:
        """Return reports as stored, oldest first.

        Figures are rounded (0.1 ms, 0.01 dB-Hz, 0.1 mm); `ecef_m` lives in `StationRow.streamed`.
        """
        ...

    def station_figures(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 1_000, after: str | None = None
    ) -> Page[StationFigures]:
        """Return figures as stored, oldest first.

        They are rounded (0.01 %, one slip in a million observations, 0.01 dB, 0.0001 TECU/min, 1 mm).
        """
        ...

    def station_periods(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 100, after: str | None = None
    ) -> Page[StationPeriodRecord]:
        """Return hours that have a part in the range, oldest first; each is whole.

        What was judged anew of the same begin replaced what was stored.
        """
        ...

    # --- sensors ------------------------------------------------------------------------------------

    def things(self, *, after: str | None = None, limit: int = 100) -> Page[Thing]:
        """Return things by id."""
        ...

    def thing(self, thing_id: str) -> Thing | None:
        """Return one thing."""
        ...

    def observed_properties(self) -> list[ObservedProperty]:
        """Return the observed properties by id."""
        ...

    def datastreams(
        self, *, thing_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[DatastreamRow]:
        """Return registered datastreams by id, of one thing or of all."""
        ...

    def datastream(self, datastream_id: str) -> DatastreamRow | None:
        """Return one registered datastream."""
        ...

    def observations(
        self,
        datastream_id: str,
        start_us: int,
        end_us: int,
        *,
        limit: int = 1_000,
        after: str | None = None,
        box: Box | None = None,
    ) -> Page[Observation]:
        """Return samples, oldest first; with `box` those that were taken there."""
        ...

    def waveforms(
        self, datastream_id: str, start_us: int, end_us: int, *, limit: int = 100, after: str | None = None
    ) -> Page[Waveform]:
        """Return waveforms that begin in the range, oldest first; a page has fewer where they are long."""
        ...

    def values_at(self, times_us: Mapping[str, Sequence[int]]) -> dict[str, dict[int, float | None]]:
        """Return values of samples (None: one without) that datastreams have at times; others are absent."""
        ...

    def received_samples(
        self,
        datastream_ids: Sequence[str],
        start_us: int,
        end_us: int,
        *,
        received_from_us: int,
        received_before_us: int,
        limit: int,
    ) -> ReceivedSamples:
        """Return samples that were measured in a time (start and end) and received in another.

        They come in no particular order, and at most so many: of more, any.
        """
        ...

    def observation_windows(
        self,
        datastream_id: str,
        start_us: int,
        end_us: int,
        window_s: int,
        aggregates: Sequence[Aggregate],
        *,
        only_good: bool = True,
    ) -> list[ObservationWindow]:
        """Return samples by windows, oldest first; windows without samples are absent.

        `only_good` lets only samples with flag 1 and a value into the aggregates, else every value counts.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows (the message names one that fits), or an aggregate
            is unknown.
        """
        ...

    # --- many at once -------------------------------------------------------------------------------

    def series(
        self,
        *,
        ids: Sequence[str] | None = None,
        things: Sequence[str] | None = None,
        properties: Sequence[str] | None = None,
        box: Box | None = None,
        limit: int,
    ) -> list[SeriesRow]:
        """Return registered datastreams of these ids, things, properties and places; by id."""
        ...

    def sample_columns(self, keys: Sequence[int], start_us: int, end_us: int, *, limit: int) -> SampleColumns:
        """Return samples of series (`SeriesRow.key`) by time; at most so many: of more, any."""
        ...

    def count_samples(self, keys: Sequence[int], start_us: int, end_us: int, *, limit: int) -> int:
        """Return how many samples series have in a range, at most `limit`."""
        ...

    def samples_kept_from_us(self) -> int:
        """Return the time before which samples are no longer kept, though their sums may be."""
        ...

    def window_columns(
        self, keys: Sequence[int], start_us: int, end_us: int, window_s: int, *, only_good: bool = True
    ) -> WindowColumns:
        """Return sums of samples by windows and series, by time; windows without samples are absent.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows; the message names one that fits.
        """
        ...

    def quality_windows(
        self, station_ids: Sequence[str], start_us: int, end_us: int, window_s: int
    ) -> list[tuple[str, QualityWindow]]:
        """Return the quality of stations by windows, by time and id; windows without reports are absent.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows; the message names one that fits.
        """
        ...

    def station_places(self) -> list[StationRow]:
        """Return all stations by id, without verdicts and figures."""
        ...

    # --- alerts -------------------------------------------------------------------------------------

    def alerts(
        self, *, state: AlertStateName | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AlertTransition]:
        """Return alerts as they are now, the newest opening first."""
        ...

    def alert(self, alert_id: str) -> AlertHistory | None:
        """Return one alert with its transitions."""
        ...

    def open_alerts(self) -> list[AlertTransition]:
        """Return all alerts that are not closed, the newest opening first."""
        ...

    def detections(self, *, after: str | None = None, limit: int = 100) -> Page[Detection]:
        """Return detections, the newest first."""
        ...

    def due_calls(self, now_us: int, limit: int = 100) -> list[CallOrder]:
        """Return calls of which no channel has said anything and that are still needed, the oldest first."""
        ...

    def call(self, call_id: str) -> CallOrder | None:
        """Return one call."""
        ...

    def alert_calls(self, alert_id: str) -> list[CallRow]:
        """Return all calls about an alert with what was said of each, the oldest first."""
        ...

    def alert_answers(self, alert_id: str) -> list[CallAnswer]:
        """Return how calling about an alert ended with each person, the first called first."""
        ...

    def answers(self, start_us: int, end_us: int, limit: int = 100_000) -> list[CallAnswer]:
        """Return how it ended with who was called in a time, the newest first."""
        ...

    def commands(self, limit: int = 100) -> list[CommandRow]:
        """Return the newest commands first."""
        ...

    def commands_between(self, start_us: int, end_us: int, limit: int = 10_000) -> list[CommandRow]:
        """Return the commands of a time, the oldest first."""
        ...

    def changes(
        self,
        *,
        kind: ObjectKind | None = None,
        identity: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Change]:
        """Return what commands changed, the newest first; without passwords."""
        ...

    def objects(self, kind: ObjectKind, *, after: str | None = None, limit: int = 100) -> Page[Change]:
        """Return the newest changes of the objects of a kind that are there, by id; without passwords."""
        ...

    def object(self, kind: ObjectKind, identity: str) -> Change | None:
        """Return the newest change of an object; None: no command changed it."""
        ...

    def kept_sessions(
        self,
        *,
        start_us: int = 0,
        end_us: int = 2**63 - 1,
        account: str | None = None,
        mountpoint: str | None = None,
        base: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[KeptSession]:
        """Return sessions of rovers that lasted in a time, the newest first.

        Parameters
        ----------
        base
            Only those that had this station for a while.
        """
        ...

    def source_changes(
        self, station_id: str, *, after: str | None = None, limit: int = 100
    ) -> Page[SourceChange]:
        """Return when which source of a station took over, the newest first; those of a year are kept."""
        ...

    # --- in the words of SensorThings ---------------------------------------------------------------

    def sta_page(self, question: Question) -> StaPage:
        """Return a page of entities.

        Raises
        ------
        UnanswerableError
            It took too long (`TooLongError`), or cannot be worked out.
        """
        ...

    def sta_related(self, question: Question, column: str, keys: Sequence[Value], kind: int) -> list[Row]:
        """Return entities whose column is one of these keys: of each key so many as the limit says, in order.

        Parameters
        ----------
        kind
            Of sites (0) or of stations (1).
        """
        ...

    def sta_series(self, question: Question, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """Return observations of many datastreams of one source: of each so many as the limit says, in order.

        Parameters
        ----------
        keys
            Number and indicator of each datastream.
        """
        ...

    def sta_count(self, question: Question, number: int | None = None) -> Counted:
        """Return how many entities there are: exactly to a hundred thousand, more of observations about.

        Parameters
        ----------
        number
            Of the one datastream that the observations are of, if no more is asked of them.
        """
        ...

    def sta_sample_places(
        self, keys: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[float, float, float | None]]:
        """Return where samples were taken, of those that tell: by number of the datastream, and time."""
        ...

    def sta_changes(self, versions: Sequence[int]) -> list[Change]:
        """Return changes of sites and stations by their versions."""
        ...

    def counts(self) -> Counts:
        """Return figures for metrics."""
        ...


class WritableStore(Store, Kept, Protocol):
    """A store as the process that writes it needs it."""

    def hold(self) -> None:
        """Be the only writer of this database.

        Raises
        ------
        StorageError
            Another process is, or the database is away. Trying again helps later.
        """
        ...

    def forget_sessions(self, privacy: PrivacyDefinition, now_us: int) -> int:
        """Drop sessions that may be kept no longer, make coarser what is finer than it may be.

        Returns
        -------
        int
            How many were dropped.
        """
        ...


class RawIndex(Protocol):
    """What `RawArchive` needs of a store: which bytes of which objects count."""

    def open_objects(self, paths: Sequence[str]) -> None:
        """Note durably, before the first byte is appended, that these objects are being written."""
        ...

    def close_objects(self, paths: Sequence[str]) -> None:
        """Note that these objects hold nothing but committed segments."""
        ...

    def unfinished_objects(self) -> list[tuple[str, int]]:
        """Return objects that were being written, with their committed length."""
        ...

    def object_length(self, path: str) -> int:
        """Return the committed length of an object, 0 when there is none."""
        ...

    def object_lengths(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the committed lengths of objects; those that there are not are left out."""
        ...

    def segments_of_slot(self, station_id: str, slot_us: int) -> list[RawSegment]:
        """Return the segments of one slot in the order of the stream."""
        ...

    def segments(self, station_id: str, start_us: int, end_us: int) -> list[RawSegment]:
        """Return segments that hold a chunk of the range, in the order of the stream."""
        ...

    def raw_extents(self) -> list[tuple[str, int, int]]:
        """Return the begins of the oldest and the newest slot of each station."""
        ...

    def objects_before(self, station_id: str, before_us: int) -> list[str]:
        """Return the objects of a station with slots that began before a full hour."""
        ...

    def drop_before(self, station_id: str, before_us: int, paths: Sequence[str]) -> None:
        """Forget the segments of a station that began before a full hour, and the objects they were in."""
        ...


__all__ = [
    "Aggregate",
    "AlertHistory",
    "Box",
    "CommandRow",
    "Counts",
    "DatastreamRow",
    "Delivery",
    "DeliveryRow",
    "DeliveryStateName",
    "Observation",
    "ObservationWindow",
    "Page",
    "QualityWindow",
    "RawIndex",
    "RawSegment",
    "StationRow",
    "StorageError",
    "StorageFullError",
    "Store",
    "StoreVersionError",
    "Waveform",
    "WebhookRow",
    "WritableStore",
]
