import numpy as np
import pytest

from sensors.model import Datastream, ObservedProperty
from streams import codec
from streams.processor import Processor
from streams.processors.quality_control import QualityControl
from streams.processors.snapshots import CHUNK_BYTES, join, split
from streams.records import Detections, SampleBatch
from streams.topics import FLAGGED_SAMPLES, topics_of

S = 1_000_000
START_US = 1_700_000_000 * S
LEVEL = ObservedProperty(
    id="level",
    name="Level",
    domain="coast",
    unit="m",
    span=(-1.0, 10.0),
    sampling_period_s=60.0,
    tests={
        "spike": {"suspect": 0.5, "fail": 1.0},
        "rate_of_change": {"limit": 1.0, "per_s": 60.0},
        "flat_line": {"suspect_count": 3, "fail_count": 5, "tolerance": 0.001},
    },
)


def datastream(name, **changes):
    return Datastream(id=name, thing_id="t", property_id="level", name=name, unit="m", **changes)


def control(n=3):
    return QualityControl([LEVEL], [datastream(f"s{i}") for i in range(n)])


def batch(rows, ids=None):
    """Rows of (datastream, minute, value)."""
    ids = ids or sorted({name for name, _, _ in rows}, reverse=True)
    times = START_US + np.array([minute for _, minute, _ in rows], np.int64) * 60 * S
    return SampleBatch(
        datastream_ids=ids,
        series=np.array([ids.index(name) for name, _, _ in rows], np.int32),
        time_us=times,
        value=np.array([value for _, _, value in rows], np.float64),
        received_at_us=times + 5 * S,
    )


def rows_of(outputs):
    return [
        (
            o.datastream_ids[o.series[i]],
            int(o.time_us[i] - START_US) // (60 * S),
            repr(float(o.value[i])),
            int(o.received_at_us[i]),
            int(o.revision[i]),
            tuple(o.flags[i].tolist()),
            int(o.flag[i]),
        )
        for o in outputs
        for i in range(len(o))
    ]


def test_it_is_a_processor_and_its_output_can_travel():
    processor = control()
    (flagged,) = processor.on_batch(batch([("s0", 0, 1.0), ("s1", 0, 2.0)]))
    assert isinstance(processor, Processor)
    assert topics_of(flagged) == (FLAGGED_SAMPLES,)
    assert rows_of([codec.decode(codec.encode(flagged))]) == rows_of([flagged])
    assert list(processor.on_time(1)) == []
    assert list(processor.on_end()) == [], "of the newest sample the manual knows no more without a next one"


def test_names_stay_with_their_samples_known_or_not():
    processor = control()
    rows = [("x", 0, 1.0), ("s1", 0, 2.0), ("y", 0, 3.0), ("s0", 0, 4.0), ("x", 1, float("nan"))]
    out = rows_of(processor.on_batch(batch(rows, ["y", "s1", "x", "s0"])))
    assert [(r[0], r[2], r[5], r[6]) for r in out] == [
        ("x", "1.0", (2, 2, 2, 2), 2),
        ("s1", "2.0", (1, 2, 2, 2), 2),
        ("y", "3.0", (2, 2, 2, 2), 2),
        ("s0", "4.0", (1, 2, 2, 2), 2),
        ("x", "nan", (9, 9, 9, 9), 9),
    ]
    assert processor.unknown == 3


def test_a_verdict_on_a_spike_comes_with_the_next_sample():
    out = rows_of(control().on_batch(batch([("s0", 0, 1.0), ("s0", 1, 1.8), ("s0", 2, 1.0)])))
    assert [(r[1], r[4], r[6]) for r in out] == [(0, 0, 2), (1, 0, 2), (1, 1, 3), (2, 0, 2)]
    assert out[2][3] == out[1][3]


def test_repetitions_and_late_samples_are_counted():
    processor = control()
    processor.on_batch(batch([("s0", 0, 1.0), ("s0", 2, 1.0)]))
    out = rows_of(processor.on_batch(batch([("s0", 2, 1.0), ("s0", 1, 11.0)])))
    assert [(r[1], r[4], r[5], r[6]) for r in out] == [(1, -1, (4, 2, 2, 2), 4)]
    assert (processor.repeated, processor.late) == (1, 1)
    assert list(processor.on_batch(batch([("s0", 2, 1.0)]))) == []


def random_rows(n, n_series):
    rng = np.random.default_rng(3)
    clock = dict.fromkeys(range(n_series + 1), 0)
    rows = []
    for _ in range(n):
        s = int(rng.integers(n_series + 1))
        clock[s] += int(rng.choice([1, 1, 1, 1, 0, -3, 30]))
        value = float(rng.choice([1.0, 1.0, 1.2, 3.0, np.nan, 11.0]))
        rows.append((f"s{s}", clock[s], value))
    return rows


@pytest.mark.parametrize("size", [1, 17, 1000])
def test_cutting_and_restarting_change_nothing(size):
    rows = random_rows(1500, 3)
    whole = rows_of(control().on_batch(batch(rows)))
    assert {r[4] for r in whole} == {-1, 0, 1}
    assert {f for r in whole for f in r[5]} == {1, 2, 3, 4, 9}
    processor, parts = control(), []
    for begin in range(0, len(rows), size):
        parts += rows_of(processor.on_batch(batch(rows[begin : begin + size])))
        chunks = list(processor.snapshot())
        processor = control()
        processor.restore(chunks)
    assert parts == whole


def test_snapshots_of_many_series_come_in_small_chunks_and_outlive_a_changed_registry():
    names = [f"s{i}" for i in range(5000)]
    big = QualityControl([LEVEL], [datastream(name) for name in names])
    big.on_batch(batch([(name, m, 1.0) for m in (0, 1) for name in names], names))
    chunks = list(big.snapshot())
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= CHUNK_BYTES
    wider = {"flat_line": {"fail_count": 9}}
    other = QualityControl([LEVEL], [datastream("new"), datastream("s4000", tests=wider)])
    other.restore(chunks)
    out = rows_of(other.on_batch(batch([("s4000", 2, 3.0), ("new", 2, 3.0)])))
    assert [(r[0], r[1], r[4], r[5]) for r in out] == [
        ("s4000", 1, 1, (1, 3, 1, 1)),
        ("s4000", 2, 0, (1, 2, 3, 2)),
        ("new", 2, 0, (1, 2, 2, 2)),
    ]


def test_pieces_survive_chunks_of_any_size():
    pieces = [b"", b"a" * 700_000, b"b", b"c" * 2_000_000, b""]
    chunks = list(split(pieces))
    assert max(map(len, chunks)) <= CHUNK_BYTES
    assert list(join(chunks)) == pieces
    assert list(join([])) == []


def test_a_datastream_of_an_unknown_property_is_refused_with_what_there_is():
    wrong = Datastream(id="d", thing_id="t", property_id="levle", name="D", unit="m")
    with pytest.raises(ValueError, match=r"datastream d: .*'levle'.*level"):
        QualityControl([LEVEL], [wrong])


def test_another_batch_is_refused():
    with pytest.raises(TypeError, match="quality-control does not read"):
        control().on_batch(Detections(detections=[]))


def test_the_end_of_the_input_tells_what_the_newest_samples_are():
    as_ioos_qc = {"series": {"behaviour": "ioos_qc"}}
    processor = QualityControl([LEVEL], [datastream("a"), datastream("b", tests=as_ioos_qc)])
    out = rows_of(processor.on_batch(batch([("a", 0, 1.0), ("b", 0, 1.0)])))
    assert [(r[0], r[4], r[6]) for r in out] == [("a", 0, 2), ("b", 0, 2)]
    (end,) = processor.on_end()
    assert [(r[0], r[1], r[4], r[6]) for r in rows_of([end])] == [("b", 0, 1, 1)]


def test_a_test_looks_at_datastreams_of_its_own_thing():
    def gauge(thing, **tests):
        return Datastream(id="g", thing_id=thing, property_id="level", name="G", unit="m", tests=tests)

    looks = datastream("s0", tests={"neighbor": {"partner": "g", "suspect": 0.1}})
    processor = QualityControl([LEVEL], [looks, gauge("t")])
    out = rows_of(processor.on_batch(batch([("g", 0, 1.0), ("s0", 0, 1.5)], ["s0", "g"])))
    assert [(r[0], r[5]) for r in out] == [("g", (1, 2, 2, 2, 2)), ("s0", (1, 2, 2, 2, 3))]
    for others in ([], [gauge("elsewhere")]):
        with pytest.raises(ValueError, match=r"datastream s0: .*'g'.*thing t"):
            QualityControl([LEVEL], [looks, *others])
