import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.partitions import RecordTooLargeError, key_of, keyed, pieces, split
from streams.records import (
    AlertTransitions,
    Change,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Detections,
    EphemerisMessage,
    EphemerisMessages,
    FlaggedSamples,
    NetworkShare,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
    Tick,
)
from streams.topics import (
    COMMAND_OUTCOMES,
    COMMANDS,
    FLAGGED_SAMPLES,
    MESSAGE_BYTES,
    RAW,
    REGISTRY,
    SAMPLES,
    STATION_PERIODS,
    STATION_REPORTS,
    TELLINGS,
    partition_of,
    topics_of,
)


def site_of(datastream_id: str) -> str:
    return datastream_id.partition(".")[0]


def report(station_id: str, epoch_us: int) -> StationReport:
    return StationReport(
        station_id=station_id,
        epoch_us=epoch_us,
        received_at_us=None,
        state="good",
        score=None,
        reasons=[],
        epochs=1,
        epochs_expected=1,
        observations=0,
        observations_expected=None,
        satellites=0,
        latency_s=None,
        jitter_s=None,
        cn0_dbhz=None,
        slips=0,
        multipath_m=None,
        frames=0,
        bad_frames=0,
    )


stations = st.sampled_from([f"STN{number}" for number in range(30)])
names = st.sampled_from([f"site{number}.{kind}" for number in range(9) for kind in ("level", "rain")])


@st.composite
def lists(draw) -> tuple[Record, object]:
    ids = draw(st.lists(stations, max_size=40))
    kind = draw(st.sampled_from(["raw", "reports", "periods"]))
    if kind == "raw":
        chunks = [
            RawChunk(station_id=name, payload=bytes(draw(st.integers(0, 60))), received_at_us=place)
            for place, name in enumerate(ids)
        ]
        return RawBatch(chunks=chunks), RAW
    if kind == "periods":
        periods = [
            StationPeriodRecord(station_id=name, begin_us=place, end_us=place + 1, period=b"p" * place)
            for place, name in enumerate(ids)
        ]
        return StationPeriods(periods=periods), STATION_PERIODS
    figures = draw(st.lists(stations, max_size=20))
    return (
        StationReports(
            reports=[report(name, place) for place, name in enumerate(ids)],
            figures=[StationFigures(station_id=name, time_us=place) for place, name in enumerate(figures)],
        ),
        STATION_REPORTS,
    )


@st.composite
def columns(draw) -> tuple[Record, object]:
    ids = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    n = draw(st.integers(0, 60))
    series = np.array(draw(st.lists(st.integers(0, len(ids) - 1), min_size=n, max_size=n)), np.int32)
    both = {
        "datastream_ids": ids,
        "series": series,
        "time_us": np.arange(n, dtype=np.int64),
        "value": np.linspace(0, 1, n),
        "received_at_us": np.arange(n, dtype=np.int64) + 7,
    }
    if draw(st.booleans()):
        return SampleBatch(**both), SAMPLES
    return (
        FlaggedSamples(
            **both,
            revision=np.arange(n, dtype=np.int32),
            tests=["spike", "flat"],
            flags=np.arange(2 * n, dtype=np.uint8).reshape(n, 2),
            flag=np.arange(n, dtype=np.uint8),
        ),
        FLAGGED_SAMPLES,
    )


def rows(batch: Record) -> list[tuple]:
    """All that a batch says, record for record."""
    if isinstance(batch, SampleBatch):
        ids = [batch.datastream_ids[i] for i in batch.series]
        return list(zip(ids, batch.time_us, batch.value, batch.received_at_us, strict=True))
    if isinstance(batch, FlaggedSamples):
        ids = [batch.datastream_ids[i] for i in batch.series]
        rest = (batch.time_us, batch.value, batch.received_at_us, batch.revision, batch.flag)
        return list(zip(ids, *rest, map(tuple, batch.flags), strict=True))
    if isinstance(batch, RawBatch):
        return [(chunk.station_id, chunk) for chunk in batch.chunks]
    if isinstance(batch, StationPeriods):
        return [(period.station_id, period) for period in batch.periods]
    assert isinstance(batch, StationReports)
    return [(r.station_id, "report", r) for r in batch.reports] + [
        (f.station_id, "figures", f) for f in batch.figures
    ]


def place(row: tuple, topic) -> int:
    sites = topic in {SAMPLES, FLAGGED_SAMPLES}
    return partition_of(site_of(row[0]) if sites else row[0], topic)


@given(lists() | columns())
def test_each_partition_gets_its_own_records_in_their_order_and_nothing_else(given_batch):
    batch, topic = given_batch
    parts = split(batch, topic, site_of)
    expected: dict[int, list[tuple]] = {}
    for row in rows(batch):
        expected.setdefault(place(row, topic), []).append(row)
    assert {partition: rows(part) for partition, part in parts.items()} == expected
    for part in parts.values():
        if isinstance(part, SampleBatch | FlaggedSamples):
            assert set(part.datastream_ids) == {row[0] for row in rows(part)}
            assert part.series.dtype == np.int32
            codec.decode(codec.encode(part))


@given(lists() | columns(), st.integers(500, 3000))
def test_pieces_joined_are_the_batch_and_none_is_too_large(given_batch, most_bytes):
    batch, _ = given_batch
    messages = pieces(batch, most_bytes)
    assert all(len(message) <= most_bytes for message in messages)
    parts = [codec.decode(message) for message in messages]
    if isinstance(batch, StationReports):  # two lists: each is whole and in order
        assert [r for part in parts for r in part.reports] == batch.reports
        assert [f for part in parts for f in part.figures] == batch.figures
    else:
        assert [row for part in parts for row in rows(part)] == rows(batch)
    assert all(rows(part) for part in parts)


def test_a_batch_that_fits_is_one_message():
    chunks = [RawChunk(station_id="ABCD", payload=bytes(1000)) for _ in range(900)]
    (message,) = pieces(RawBatch(chunks=chunks))
    assert len(message) <= MESSAGE_BYTES
    assert len(pieces(RawBatch(chunks=chunks + chunks))) == 2
    assert len(pieces(Tick(now_us=1))) == 1


def test_one_record_that_is_too_large_is_named():
    chunks = [RawChunk(station_id="TINY", payload=b"x"), RawChunk(station_id="HUGE", payload=bytes(2000))]
    with pytest.raises(RecordTooLargeError, match=r"'HUGE' is a message of 20.. bytes") as caught:
        pieces(RawBatch(chunks=chunks), 1000)
    assert caught.value.key == "HUGE"
    one = np.zeros(1, np.int64)
    huge = SampleBatch(
        datastream_ids=["d" * 5000],
        series=one.astype(np.int32),
        time_us=one,
        value=one.astype(float),
        received_at_us=one,
    )
    with pytest.raises(RecordTooLargeError) as caught:
        pieces(huge, 1000)
    assert caught.value.key == "d" * 5000


def test_topics_of_one_partition_get_the_batch_whole():
    command = Command(id="1", kind="acknowledge_alert", target="alert", by="me", at_us=1)
    outcome = CommandOutcome(id="1", ok=True, message="")
    commands, outcomes = Commands(commands=[command]), CommandOutcomes(outcomes=[outcome])
    assert split(commands, COMMANDS, site_of) == {0: commands}
    assert split(outcomes, COMMAND_OUTCOMES, site_of) == {0: outcomes}
    assert split(Commands(commands=[]), COMMANDS, site_of) == {}
    assert (key_of(command), key_of(outcome)) == ("alert", "1")
    for empty in (Detections(detections=[]), AlertTransitions(transitions=[])):
        assert pieces(empty) == []


def test_a_tick_belongs_to_every_partition():
    with pytest.raises(TypeError, match="Tick has no partition"):
        split(Tick(now_us=1), RAW, site_of)


def share() -> NetworkShare:
    return NetworkShare(
        source="A",
        minute=7,
        roti_tecu_min=np.array([0.5], np.float32),
        slipped_share=np.zeros(0, np.float32),
    )


@pytest.mark.parametrize(
    "batch", [share(), EphemerisMessages(messages=[EphemerisMessage(payload=b"\x3f", known_us=1)])]
)
def test_what_all_must_know_goes_to_every_partition_of_the_line(batch: Record):
    assert split(batch, RAW, site_of) == dict.fromkeys(range(RAW.partitions), batch)
    with pytest.raises(TypeError):
        split(batch, SAMPLES, site_of)


def test_a_share_of_the_network_travels_whole():
    (message,) = pieces(share())
    read = codec.decode(message)
    assert isinstance(read, NetworkShare)
    assert (read.source, read.minute) == ("A", 7)
    assert read.roti_tecu_min.tolist() == [0.5]
    assert len(read.slipped_share) == 0
    with pytest.raises(RecordTooLargeError):
        pieces(share(), 10)


def test_ephemerides_travel_in_parts_where_they_are_many():
    many = EphemerisMessages(messages=[EphemerisMessage(payload=bytes(100), known_us=i) for i in range(50)])
    parts = [codec.decode(piece) for piece in pieces(many, 1000)]
    assert len(parts) > 4
    assert [one.known_us for part in parts for one in part.messages] == list(range(50))  # type: ignore[union-attr]


def change(version: int, kind: str, name: str, size: int = 0) -> Change:
    return Change(
        kind=kind, id=name, version=version, verb="put", before=None, after={"x": "x" * size}, by="Li",
        at_us=1, command_id=f"c{version}",
    )  # fmt: skip


def test_changes_travel_in_line_to_those_whom_they_concern_and_by_key_to_all_others() -> None:
    made = [
        change(1, "station", "A"),
        change(2, "account", "a"),
        change(3, "rule", "d/x"),
        change(4, "station", "A"),
        change(5, "silence", "s"),
    ]
    batch = Changes(changes=made)
    assert topics_of(batch) == (REGISTRY, RAW, SAMPLES, TELLINGS)
    assert split(batch, REGISTRY, site_of) == {0: batch}
    in_raw = split(batch, RAW, site_of)
    assert sorted(in_raw) == list(range(RAW.partitions))
    assert all(part == Changes(changes=[made[0], made[3]]) for part in in_raw.values())
    assert split(batch, SAMPLES, site_of)[3] == Changes(changes=[made[2]])
    assert split(batch, TELLINGS, site_of) == {}
    assert split(Changes(changes=made[1:2]), RAW, site_of) == {}
    found = [(key, codec.decode(message)) for key, message in keyed(batch)]
    assert found == [
        (b"station/A", Changes(changes=[made[3]])),
        (b"account/a", Changes(changes=[made[1]])),
        (b"rule/d/x", Changes(changes=[made[2]])),
        (b"silence/s", Changes(changes=[made[4]])),
    ]
    with pytest.raises(RecordTooLargeError):
        keyed(Changes(changes=[change(1, "station", "A", MESSAGE_BYTES)]))
