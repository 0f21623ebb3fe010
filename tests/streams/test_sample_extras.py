"""Positions and waveforms beside samples: as they travel, are cut, joined and left out."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.payloads.rows import LONGEST_WAVE
from streams import codec
from streams.partitions import pieces, rows_of, split_samples
from streams.records import EARLIEST_US, LATEST_US, SampleBatch
from streams.sample_extras import Places, Waves, extra_bytes
from streams.samples import merge, rows_where

T0 = 1_700_000_000_000_000
numbers = st.floats(-1e6, 1e6)
some = numbers | st.just(float("nan"))
places_of = st.none() | st.tuples(numbers, numbers, some)
steps = st.integers(1, 3_600_000_000).map(float)
waves_of = st.none() | st.tuples(steps, st.lists(some, min_size=1, max_size=5))
samples_of = st.lists(st.tuples(st.sampled_from("abc"), numbers, places_of, waves_of), max_size=12)


def batch_of(samples):
    """A batch of (datastream, value, place, wave), made in the plainest way."""
    names = sorted({name for name, *_ in samples})
    placed = [row for row, sample in enumerate(samples) if sample[2] is not None]
    waving = [row for row, sample in enumerate(samples) if sample[3] is not None]
    place = np.array([samples[row][2] for row in placed], np.float64).reshape(-1, 3).T.copy()
    values = [samples[row][3][1] for row in waving]
    places = waves = None
    if placed:
        rows = np.array(placed, np.int64)
        places = Places(rows=rows, longitude=place[0], latitude=place[1], height_m=place[2])
    if waving:
        waves = Waves(
            rows=np.array(waving, np.int64),
            step_us=np.array([samples[row][3][0] for row in waving]),
            ends=np.cumsum([len(one) for one in values]),
            value=np.concatenate(values),
        )
    return SampleBatch(
        datastream_ids=names,
        series=np.array([names.index(name) for name, *_ in samples], np.int32),
        time_us=T0 + np.arange(len(samples)),
        value=np.array([value for _, value, *_ in samples], np.float64),
        received_at_us=np.full(len(samples), T0),
        places=places,
        waves=waves,
    )


def samples_in(batch):
    """What `batch_of` was given, in words that can be compared."""
    names = [batch.datastream_ids[one] for one in batch.series]
    made = [[name, repr(v), "None", "None"] for name, v in zip(names, batch.value.tolist(), strict=True)]
    if (places := batch.places) is not None:
        columns = (places.longitude.tolist(), places.latitude.tolist(), places.height_m.tolist())
        for row, *place in zip(places.rows.tolist(), *columns, strict=True):
            made[row][2] = repr(place)
    if (waves := batch.waves) is not None:
        parts = np.split(waves.value, waves.ends[:-1])
        for row, step_us, part in zip(waves.rows.tolist(), waves.step_us.tolist(), parts, strict=True):
            made[row][3] = repr([step_us, part.tolist()])
    return made


@given(samples_of)
def test_they_come_back_as_they_went(samples):
    batch = batch_of(samples)
    back = codec.decode(codec.encode(batch))
    assert isinstance(back, SampleBatch)
    assert samples_in(back) == samples_in(batch)
    assert samples_in(batch) == [
        [name, repr(value), repr(place and list(place)), repr(wave and [wave[0], wave[1]])]
        for name, value, place, wave in samples
    ]


def test_samples_without_any_travel_as_before():
    message = codec.encode(batch_of([("a", 1.0, None, None)]))
    assert b"places" not in message
    assert b"waves" not in message
    assert codec.decode(message).places is None


@given(samples_of, st.data())
def test_rows_keep_what_is_theirs(samples, data):
    batch = batch_of(samples)
    order = data.draw(st.permutations(range(len(samples))))[: data.draw(st.integers(0, len(samples)))]
    picked = rows_of(batch, np.array(order, np.int64))
    assert samples_in(picked) == [samples_in(batch)[row] for row in order]
    mask = np.array([data.draw(st.booleans()) for _ in samples], np.bool_)
    kept = [one for one, is_kept in zip(samples_in(batch), mask, strict=True) if is_kept]
    assert samples_in(rows_where(batch, mask)) == kept
    assert samples_in(rows_of(batch, slice(None))) == samples_in(batch)


@given(st.lists(samples_of, min_size=1, max_size=4))
def test_joined_and_cut_again_nothing_is_lost(groups):
    batches = [batch_of(samples) for samples in groups]
    whole = merge(batches)
    rows = [one for batch in batches for one in samples_in(batch)]
    assert samples_in(whole) == rows
    parts = split_samples(whole, "abc".index)
    assert [samples_in(parts[k]) for k in sorted(parts)] == [
        [one for one in rows if one[0] == name] for name in "abc" if any(one[0] == name for one in rows)
    ]
    cut = [one for message in pieces(whole, 600) for one in samples_in(codec.decode(message))] if rows else []
    assert cut == rows


def damaged(**changes):
    extra = batch_of([("a", 1.0, (1.0, 2.0, 3.0), (10.0, [1.0, 2.0])), ("a", 2.0, None, (10.0, [3.0]))])
    places = {k: v for k, v in changes.items() if k in Places.__struct_fields__ and k != "rows"}
    if places:
        return msgspec.structs.replace(extra, places=msgspec.structs.replace(extra.places, **places))
    return msgspec.structs.replace(extra, waves=msgspec.structs.replace(extra.waves, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": np.array([0, 2])},
        {"rows": np.array([1, 0])},
        {"rows": np.array([-1, 0])},
        {"rows": np.array([0, 0])},
        {"rows": np.array([0, 1], np.int32)},
        {"ends": np.array([2, 2])},
        {"ends": np.array([3, 3])},
        {"ends": np.array([-1, 3])},
        {"ends": np.array([2, 4])},
        {"ends": np.array([2, 3, 4])},
        {"step_us": np.array([0.0, 1.0])},
        {"step_us": np.array([np.nan, 1.0])},
        {"step_us": np.array([4e9, 1.0])},
        {"value": np.zeros((3, 1))},
        {"longitude": np.zeros(2)},
        {"latitude": np.zeros(1, np.float32)},
    ],
)
def test_columns_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match=r"."):
        damaged(**changes)


def test_what_does_not_fit_is_refused_off_the_wire_as_well():
    message = codec.encode(batch_of([("a", 1.0, None, (10.0, [1.0, 2.0]))]))
    for at in range(1, len(message)):
        for bits in (1, 128):
            bent = bytes([*message[:at], message[at] ^ bits, *message[at + 1 :]])
            try:
                batch = codec.decode(bent)
            except codec.CodecError:
                continue
            samples_in(batch)  # whatever it is now, it can be taken apart


def test_a_waveform_is_bounded_and_counts_as_memory():
    batch = batch_of([("a", 1.0, (1.0, 2.0, 3.0), (10.0, [0.0] * LONGEST_WAVE))])
    assert extra_bytes(batch) == 32 + 8 * LONGEST_WAVE
    assert len(pieces(batch)) == 1
    with pytest.raises(ValueError, match="1 to 50000 values"):
        batch_of([("a", 1.0, None, (10.0, [0.0] * (LONGEST_WAVE + 1)))])
    with pytest.raises(ValueError, match="after 2200"):
        msgspec.structs.replace(batch, time_us=np.array([LATEST_US - 10]))
    msgspec.structs.replace(batch, time_us=np.array([EARLIEST_US]))
