"""Recordings to files in two passes: the same as in one, however they are cut."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.assembly.assembled import Chunk
from gnss.assembly.table import EpochTable
from gnss.capture import reference_time
from gnss.ephemeris import Ephemeris
from gnss.epoch_columns import EpochColumns
from gnss.observations import LOST_LOCK, Observations
from gnss.rinex.convert import MESSAGES, FilePlan, FirstPass, Lines, Navigation, SecondPass, Wanted
from gnss.rinex.header import ObservationHeader
from gnss.rinex.loss_of_lock import LossMemory
from gnss.rinex.observation import read_observations
from gnss.rinex.station_header import header_of
from gnss.rinex.write import RinexBody, RinexSurvey, RinexWriter
from gnss.rinex.write_header import header_text
from gnss.rtcm.framing import build_frame
from gnss.rtcm.station import StationMetadata, StationPosition, encode_1006
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import SECOND_US
from tests.gnss.rinex.test_write import one
from tests.gnss.rinex.values import joined

T0 = 1_709_251_200 * SECOND_US
ALWAYS = {"begin_us": 0, "end_us": 2**61}
STR17 = "rtcm3/swift/week-rollover-STR17.rtcm3"
STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
SITE = ObservationHeader(marker_name="SITE00XXX")


def cut(epochs: EpochColumns, begin: int, end: int) -> EpochColumns:
    """Return some epochs as if they were all."""
    rows = slice(int(epochs.first[begin]), int(epochs.first[end - 1] + epochs.count[end - 1]))
    seen = epochs.observations
    columns = {name: getattr(seen, name)[rows] for name in Observations.__dataclass_fields__}
    columns["row"] = columns["row"] - begin
    names = [name for name in EpochColumns.__dataclass_fields__ if name != "observations"]
    parts = {name: getattr(epochs, name)[begin:end] for name in names}
    parts["first"] = parts["first"] - parts["first"][0]
    return EpochColumns(observations=Observations(**columns), **parts)


@st.composite
def streams(draw) -> EpochColumns:
    """Return epochs of a few signals that come and go, lose lock, and have no phase now and then."""
    signals = [(System.GPS, 5, 2), (System.GPS, 5, 10), (System.GLONASS, 3, 2), (System.GALILEO, 7, 2)]
    parts: list[tuple[int, Observations]] = []
    lock_ms = dict.fromkeys(signals, 0)
    for e in range(draw(st.integers(1, 12))):
        rows = []
        for key in signals:
            state = draw(st.sampled_from(["here", "here", "away", "no phase", "slip", "told", "half"]))
            lock_ms[key] = 0 if state == "slip" else lock_ms[key] + 1000
            if state != "away":
                rows.append((key, state, lock_ms[key]))
        if not rows:
            continue
        parts.append(
            (
                T0 + e * SECOND_US,
                one(
                    system=[int(key[0]) for key, _, _ in rows],
                    satellite=[key[1] for key, _, _ in rows],
                    signal=[key[2] for key, _, _ in rows],
                    range_m=[2e7 + e] * len(rows),
                    phase_m=[np.nan if state == "no phase" else 2e7 + e for _, state, _ in rows],
                    lock_ms=[-1 if state == "half" else lock for _, state, lock in rows],
                    half_cycle=[int(state == "half") for _, state, _ in rows],
                    flags=[LOST_LOCK if state == "told" else 0 for _, state, _ in rows],
                    channel=[UNKNOWN_CHANNEL if key[0] == System.GLONASS else 0 for key, _, _ in rows],
                ),
            )
        )
    if not parts:
        parts = [(T0, one())]
    return joined(parts)


def in_two_passes(epochs: EpochColumns, cuts: list[int], **options) -> tuple[bytes, dict[str, int]]:
    edges = [0, *sorted({c for c in cuts if 0 < c < len(epochs)}), len(epochs)]
    pieces = [cut(epochs, begin, end) for begin, end in itertools.pairwise(edges)]
    survey = RinexSurvey(**ALWAYS, **options)
    for piece in pieces:
        survey.add(piece)
    contents = survey.contents({3: 5})
    body = RinexBody(contents, **ALWAYS, **options)
    text = b"".join(body.add(piece) for piece in pieces)
    return header_text(SITE, contents, T0) + text, body.left_out


@settings(deadline=None, max_examples=120)
@given(streams(), st.lists(st.integers(1, 11), max_size=4))
def test_a_file_does_not_depend_on_how_its_epochs_were_cut(epochs: EpochColumns, cuts: list[int]) -> None:
    writer = RinexWriter(SITE, **ALWAYS, glonass_channels={3: 5})
    writer.add(epochs)
    whole = writer.finish(T0)
    text, left_out = in_two_passes(epochs, cuts)
    assert text == whole.text
    assert left_out == whole.left_out


def told_losses(epochs: EpochColumns) -> list[int]:
    """Return the indicators by a slow and plain rule, signal by signal."""
    seen, found = epochs.observations, []
    lock: dict[tuple[int, ...], tuple[int, int]] = {}
    waiting: dict[tuple[int, ...], bool] = {}
    for i in range(len(seen)):
        key = int(seen.system[i]), int(seen.satellite[i]), int(seen.signal[i])
        time_ms, lock_ms = int(epochs.time_us[seen.row[i]]) // 1000, int(seen.lock_ms[i])
        lost = bool(seen.flags[i] & LOST_LOCK)
        if key in lock and lock[key][1] >= 0 and lock_ms >= 0:
            passed_ms = time_ms - lock[key][0]
            lost |= lock_ms < lock[key][1] or 2 * lock_ms + 32 <= passed_ms
        lock[key] = time_ms, lock_ms
        waiting[key] = waiting.get(key, False) or lost
        told = 0
        if not np.isnan(seen.phase_m[i]):
            told, waiting[key] = int(waiting[key]), False
        found.append(told | int(seen.half_cycle[i]) << 1)
    return found


@settings(deadline=None, max_examples=120)
@given(streams(), st.integers(1, 11))
def test_losses_of_lock_are_remembered_between_pieces(epochs: EpochColumns, at: int) -> None:
    memory, found = LossMemory(), []
    edges = [0, at, len(epochs)] if at < len(epochs) else [0, len(epochs)]
    for begin, end in itertools.pairwise(edges):
        piece = cut(epochs, begin, end)
        seen = piece.observations
        columns = {name: getattr(seen, name) for name in Observations.__dataclass_fields__}
        row = seen.row.astype(np.int64)
        found += memory.indicators(columns, row, piece.time_us, ~np.isnan(seen.phase_m)).tolist()
    assert found == told_losses(epochs)


def test_a_loss_between_two_epochs_of_a_longer_interval_is_told() -> None:
    locks = [1000, 2000, 0, 1000, 2000, 3000, 4000]
    parts = [(T0 + i * SECOND_US, one(lock_ms=lock)) for i, lock in enumerate(locks)]
    # GPS time is 18 s ahead
    text, left_out = in_two_passes(joined(parts), [2, 5], interval_s=3.0)
    assert left_out == {}
    found = read_observations(text)
    assert found.problems == ()
    assert found.header.interval_s == 3.0
    assert ((found.epochs.time_us - T0) // SECOND_US).tolist() == [0, 3, 6]
    assert found.epochs.observations.flags.tolist() == [0, LOST_LOCK, 0]


def test_epochs_near_the_multiples_of_an_interval_are_written() -> None:
    times = [T0 - 4_000, T0 + 12 * SECOND_US + 3_000, T0 + 20 * SECOND_US, T0 + 42 * SECOND_US]
    text, _ = in_two_passes(joined([(t, one()) for t in times]), [], interval_s=30.0)
    assert read_observations(text).epochs.time_us.tolist() == [times[1], times[3]]
    with pytest.raises(ValueError, match="interval"):
        RinexSurvey(**ALWAYS, interval_s=0.0)


def test_epochs_that_go_back_are_left_out_and_counted() -> None:
    steps = [0, 1, 1, 3, 2, 4]
    epochs = joined([(T0 + s * SECOND_US, one()) for s in steps])
    for cuts in ([], [2], [1, 3, 4]):
        text, left_out = in_two_passes(epochs, cuts)
        assert left_out == {"epochs of a time that came before": 2}
        assert ((read_observations(text).epochs.time_us - T0) // SECOND_US).tolist() == [0, 1, 3, 4]


def test_satellites_without_a_number_are_left_out_and_counted() -> None:
    epochs = joined([(T0, one(system=[1, 1], satellite=[0, 4], channel=[3, 3]))])
    writer = RinexWriter(SITE, **ALWAYS)
    writer.add(epochs)
    file = writer.finish(T0)
    assert file.left_out == {"observations without a satellite number": 1}
    assert b"R00" not in file.text


# --- whole recordings -------------------------------------------------------------------------------------


def converted(
    content: bytes, wanted: Wanted, *, seed: int = 0, date_us: int | None = None
) -> tuple[dict[int, bytes], dict[int, list[Ephemeris]], list[FilePlan], SecondPass, FirstPass]:
    reference_us, _ = reference_time(content, date_us=date_us, modified_us=1_735_689_600 * SECOND_US)

    def pieces():
        rng, table, at = random.Random(seed), EpochTable(MESSAGES), 0
        while at < len(content):
            size = rng.randrange(1, 400_000)
            yield table.feed([Chunk(0, content[at : at + size], None, reference_us)])
            at += size
        yield table.finish()

    first = FirstPass(wanted)
    for assembled in pieces():
        first.take(assembled, reference_us)
    plans = first.plans()
    second = SecondPass(wanted, plans)
    texts = {plan.begin_us: header_text(plan.header, plan.contents, T0) for plan in plans}
    navigation: dict[int, list[Ephemeris]] = {}
    items = [item for assembled in pieces() for item in second.take(assembled, reference_us)]
    for item in [*items, *second.finish()]:
        if isinstance(item, Lines):
            texts[item.plan.begin_us] += item.text
        else:
            assert isinstance(item, Navigation)
            assert item.begin_us not in navigation
            navigation[item.begin_us] = list(item.ephemerides)
    return texts, navigation, plans, second, first


def test_hours_together_are_the_recording_however_it_is_cut(data) -> None:
    content = (data / STR24).read_bytes()
    hours = converted(content, Wanted("STR200AUS", 3600), seed=1)
    again = converted(content, Wanted("STR200AUS", 3600), seed=2)
    assert hours[:3][0] == again[0]
    assert hours[1] == again[1]
    texts, navigation, plans, second, first = hours
    assert first.changes == []
    found = [read_observations(text) for text in texts.values()]
    assert [file.problems for file in found] == [(), ()]
    assert [len(file.epochs) for file in found] == [591, 543] == list(second.epochs.values())
    assert second.left_out == {}
    assert second.other_weeks == 0
    assert len(navigation) == 2
    head = found[0].header
    assert head.marker_name == "STR200AUS"
    assert head.receiver_type == "TRIMBLE NETR9"
    assert head.interval_s == 1.0
    assert head.first_us == found[0].epochs.time_us[0]
    assert head.last_us == found[0].epochs.time_us[-1]
    assert [plan.contents.satellites for plan in plans] == [
        len({*zip(o.system.tolist(), o.satellite.tolist(), strict=True)})
        for o in (file.epochs.observations for file in found)
    ]
    # messages of MSM4 do not tell the GLONASS channels; 1020 does
    assert len(head.glonass_channels) == len({*found[0].epochs.observations.satellite[
        found[0].epochs.observations.system == System.GLONASS
    ].tolist()})  # fmt: skip
    day = converted(content, Wanted("STR200AUS", 86_400))
    assert len(day[0]) == 2  # GPS midnight lies between
    span = replace(Wanted("STR200AUS", 3600), begin_us=int(found[0].epochs.time_us[100]))
    span = replace(span, end_us=int(found[1].epochs.time_us[7]), interval_s=10.0)
    some = [read_observations(text).epochs.time_us for text in converted(content, span)[0].values()]
    every = np.concatenate([file.epochs.time_us for file in found])
    wanted = every[(every >= span.begin_us) & (every < span.end_us) & ((every // SECOND_US + 18) % 10 == 0)]
    assert np.concatenate(some).tolist() == wanted.tolist()


def test_ephemerides_of_another_week_than_the_date_are_noticed(data) -> None:
    content = (data / STR24).read_bytes()
    date_us = 1_554_638_400 * SECOND_US  # 2019-04-07; the ephemerides say 2018-07-15
    _, _, _, second, _ = converted(content, Wanted("STR200AUS", 3600), date_us=date_us)
    assert second.other_weeks > 100


def test_the_header_tells_the_marker_below_the_antenna() -> None:
    position = StationPosition(1, (4_075_580.0, 931_853.0, 4_801_568.0), 1.5)
    told = StationMetadata(1, "LEIAR25.R4 LEIT", "7", "SEPT POLARX5", "5.4", "8", position, 1.5)
    head = header_of(told, "SITE00XXX")
    assert head.antenna_delta_hen_m == (1.5, 0.0, 0.0)
    below = np.subtract(position.ecef_m, head.position_m)
    assert np.linalg.norm(below) == pytest.approx(1.5, abs=1e-6)
    assert np.dot(below, position.ecef_m) / np.linalg.norm(position.ecef_m) == pytest.approx(1.5, abs=1e-4)
    assert header_of(StationMetadata(), "SITE00XXX").position_m is None


def test_what_the_station_says_later_completes_the_header_and_changes_are_told(data) -> None:
    content = (data / STR24).read_bytes()
    moved = build_frame(encode_1006(0, (4_075_580.0, 931_853.0, 4_801_568.0), 0.0))
    *_, plans, _, first = converted(content + moved, Wanted("STR200AUS", 3600))
    assert len(first.changes) >= 1
    assert "reference station changed" in first.changes[0] or "position changed" in first.changes[0]
    assert plans[0].header.position_m == pytest.approx((-4467074.3576, 2683011.9038, -3667008.2844), abs=1.0)


def test_noise_gives_no_file() -> None:
    texts, navigation, plans, second, _ = converted(bytes(range(256)) * 50, Wanted("SITE00XXX", 3600))
    assert (texts, navigation, plans, second.left_out) == ({}, {}, [], {})
