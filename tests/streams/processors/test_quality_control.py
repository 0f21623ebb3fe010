from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ioos_qc import qartod as ioos

from sensors.model import Datastream, ObservedProperty
from streams import codec
from streams.partitions import rows_of as samples_rows
from streams.processor import Processor
from streams.processors.quality_control import QualityControl
from streams.processors.snapshots import CHUNK_BYTES, join, split
from streams.records import Detections, SampleBatch
from streams.sample_extras import Places, Waves
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


# --- positions and waveforms --------------------------------------------------------------------------


def moving(places, values=None, repeat=()):
    """Samples of `s0`, one a minute, each with its longitude and latitude; None: without a position."""
    rows = [("s0", k, 1.0 if values is None else values[k]) for k in range(len(places))]
    order = sorted([*range(len(places)), *repeat])
    made = batch([rows[k] for k in order], ["s0"])
    placed = [row for row, k in enumerate(order) if places[k] is not None]
    columns = np.array([places[order[row]] for row in placed], np.float64).reshape(-1, 2).T.copy()
    return msgspec.structs.replace(
        made,
        places=Places(
            rows=np.array(placed, np.int64), longitude=columns[0], latitude=columns[1],
            height_m=np.full(len(placed), -2.0),
        ),
    )  # fmt: skip


def mover(behaviour="manual", **location):
    tests = {"location": location, "series": {"behaviour": behaviour}}
    return QualityControl([LEVEL], [datastream("s0", tests=tests), datastream("s1")])


def pieces_of(whole, cuts):
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [samples_rows(whole, np.arange(*span)) for span in pairwise(bounds) if span[0] < span[1]]


def locations(outputs):
    """The flag of the location by minute, the highest revision."""
    found = {}
    for o in outputs:
        at = o.tests.index("location")
        for i in range(len(o)):
            key = int(o.time_us[i] - START_US) // (60 * S)
            found.setdefault(key, []).append((int(o.revision[i]), int(o.flags[i, at])))
    return [max(found[key])[1] for key in sorted(found)]


axis = st.sampled_from([10.0, 10.01, 10.5, 90.0])
positions = st.lists(
    st.tuples(axis | st.sampled_from([-181.0, 179.5]), axis | st.just(-91.0)), min_size=2, max_size=25
)


@given(positions, st.lists(st.integers(0, 25), max_size=3), st.sampled_from([500, 20_000]))
def test_the_location_is_judged_by_the_samples_own_position_as_ioos_qc_does(places, cuts, range_m):
    longitude, latitude = np.array(places).T
    range_m = range_m if (np.abs(longitude) != 181).all() else 20_000_001
    with np.errstate(all="ignore"):  # of places that there are not
        expected = np.ma.getdata(ioos.location_test(longitude, latitude, range_m, range_method="wgs84"))
    processor = mover("ioos_qc", range_max_m=range_m)
    out = [o for part in pieces_of(moving(places), cuts) for o in processor.on_batch(part)]
    assert locations([*out, *processor.on_end()]) == expected.tolist()


def test_without_a_position_the_location_is_not_evaluated_and_none_is_borrowed():
    out = mover(range_max_m=500.0).on_batch(
        moving([(10, 50), None, (10.0001, 50), (11, 50), None, (200, 50)])
    )
    assert locations(out) == [1, 2, 1, 3, 2, 4]


@given(
    positions, st.lists(st.integers(0, 30), max_size=3), st.sets(st.integers(0, 24), max_size=4), st.data()
)
def test_positions_stay_with_their_samples(places, cuts, repeated, data):
    places = [place if data.draw(st.booleans()) else None for place in places]
    repeated = [k for k in repeated if k < len(places)]
    processor = mover(range_max_m=500.0)
    whole = moving(places, repeat=repeated)
    out = [o for part in pieces_of(whole, cuts) for o in processor.on_batch(part)]
    found = {}
    for o in out:
        if o.places is not None:
            for row, *place in zip(o.places.rows, o.places.longitude, o.places.latitude, strict=True):
                assert o.revision[row] == 0
                found[int(o.time_us[row] - START_US) // (60 * S)] = tuple(place)
    assert found == {k: place for k, place in enumerate(places) if place is not None}
    assert processor.repeated == len(repeated)
    assert processor.unknown == processor.late == 0


def test_positions_and_their_judge_outlast_a_snapshot_and_changes():
    places = [(10 + 0.001 * k, 50.0) for k in range(20)]
    whole = mover(range_max_m=50.0).on_batch(moving(places))
    first, second = mover(range_max_m=50.0), mover(range_max_m=50.0)
    parts = pieces_of(moving(places), [7])
    out = list(first.on_batch(parts[0]))
    second.restore(list(first.snapshot()))
    out += second.on_batch(parts[1])
    assert rows_of(out) == rows_of(whole)
    assert locations(out) == [1, *[3] * 19]


def test_values_that_an_instrument_cannot_measure_are_taken_out_of_waveforms():
    made = batch([("s1", 0, 99.0), ("x", 0, 5.0), ("s0", 0, 0.5)], ["s0", "s1", "x"])
    waves = Waves(
        rows=np.array([0, 1]), step_us=np.full(2, 1e4), ends=np.array([3, 5]),
        value=np.array([1.0, 99.0, -1.0, 1e9, 5.0]),
    )  # fmt: skip
    (out,) = control(2).on_batch(msgspec.structs.replace(made, waves=waves))
    assert [out.datastream_ids[out.series[row]] for row in out.waves.rows] == ["s1", "x"]
    assert repr(out.waves.value.tolist()) == "[1.0, nan, -1.0, 1000000000.0, 5.0]"
    assert out.flag.tolist() == [4, 2, 2]
