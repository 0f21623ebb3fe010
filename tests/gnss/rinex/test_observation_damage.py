"""Damaged observation files give what can be read, and say what cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.rinex.observation import MAX_EVENTS, MAX_STOPS, RinexObservations, read_observations
from gnss.rinex.problems import MAX_PROBLEMS, NotRinexError
from tests.gnss.rinex.samples import HEAD_2, HEAD_3, epoch_3, gps_3, sample_2, sample_3

SAMPLES = {"3": sample_3(), "2": sample_2()}


def values(found: RinexObservations) -> dict[tuple[int, int, int, int], tuple[float, ...]]:
    """Return all values by time, system, satellite and signal; NaN as -1."""
    seen = found.epochs.observations
    floats = np.nan_to_num(
        np.column_stack((seen.range_m, seen.phase_m, seen.rate_m_s, seen.cn0_dbhz)), nan=-1.0
    )
    keys = zip(
        found.epochs.time_us[seen.row].tolist(),
        seen.system.tolist(),
        seen.satellite.tolist(),
        seen.signal.tolist(),
        strict=True,
    )
    return dict(zip(keys, map(tuple, floats.tolist()), strict=True))


WHOLE = {version: values(read_observations(text.encode())) for version, text in SAMPLES.items()}


@pytest.mark.parametrize("version", ["2", "3"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_nothing_raises(version: str, data) -> None:
    content = bytearray(SAMPLES[version].encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        what = data.draw(st.sampled_from(["bytes", "delete", "repeat"]))
        size = data.draw(st.integers(1, 200))
        if what == "bytes":
            content[at : at + size] = data.draw(st.binary(max_size=40))
        elif what == "delete":
            del content[at : at + size]
        else:
            content[at:at] = content[at : at + size] * data.draw(st.integers(1, 4))
    try:
        found = read_observations(bytes(content))
    except NotRinexError:
        return
    seen = found.epochs.observations
    assert len(found.problems) <= min(MAX_PROBLEMS, found.problem_count)
    assert found.epochs.count.sum() == len(seen)
    assert np.all(np.diff(found.epochs.time_us) > 0)
    assert np.array_equal(seen.row, np.repeat(np.arange(len(found.epochs)), found.epochs.count))


@pytest.mark.parametrize("version", ["2", "3"])
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_cut_file_gives_what_stands_before_the_cut(version: str, data) -> None:
    text, whole = SAMPLES[version], WHOLE[version]
    body = text.index("END OF HEADER") + 14
    cut = data.draw(st.integers(body, len(text)))
    found = values(read_observations(text[:cut].encode()))
    for key, value in found.items():
        assert all(a in (b, -1.0) for a, b in zip(value, whole[key], strict=True))
    # all that a whole line said is there
    lines = text[:cut].count("\n") - text[:body].count("\n")
    if version == "3":
        heads = text[body:cut].count(">")
        assert len(found) >= lines - heads


@settings(deadline=None, max_examples=100)
@given(line=st.integers(10, sample_3().count("\n") - 1), junk=st.binary(max_size=100))
def test_a_damaged_line_of_rinex_3_harms_no_other(line: int, junk: bytes) -> None:
    lines = SAMPLES["3"].encode().splitlines()
    junk = junk.replace(b"\n", b"").replace(b"\r", b"").replace(b">", b"")
    was, lines[line] = lines[line], b"#" + junk
    found = read_observations(b"\n".join(lines) + b"\n")
    assert found.problem_count >= 1
    kept = values(found)
    if was.startswith(b">"):
        assert len(WHOLE["3"]) - len(kept) == 6
    else:
        assert len(WHOLE["3"]) - len(kept) == 1
    assert all(WHOLE["3"][key] == value for key, value in kept.items())
    assert any(f"line {line + 1}:" in problem for problem in found.problems)


@settings(deadline=None, max_examples=150)
@given(line=st.integers(3, sample_2().count("\n") - 1), twice=st.booleans())
def test_a_line_too_few_or_too_many_of_rinex_2_mixes_nothing_up(line: int, twice: bool) -> None:
    lines = SAMPLES["2"].splitlines()
    body = HEAD_2.count("\n")
    line = max(line, body)
    lines[line : line + 1] = lines[line : line + 1] * (2 if twice else 0)
    found = read_observations(("\n".join(lines) + "\n").encode())
    kept = values(found)
    assert found.problem_count >= 1
    assert all(WHOLE["2"][key] == value for key, value in kept.items())
    # at most the epoch itself, and the one before it, cannot be trusted
    assert len(WHOLE["2"]) - len(kept) <= 2 * 14 * 3


@pytest.mark.parametrize("column", [3, 8, 14])
def test_a_line_with_a_character_missing_gives_no_wrong_value(column: int) -> None:
    good = gps_3(1, 20_000_001.0)
    text = HEAD_3 + epoch_3(0, good[:column] + good[column + 1 :], gps_3(2, 20_000_002.0))
    found = read_observations(text.encode())
    assert found.epochs.observations.satellite.tolist() == [2]
    assert found.problem_count >= 4
    assert found.problems[0] == "line 10: field 1 of G01 is no number with three decimals"


def test_problems_in_words() -> None:
    text = HEAD_3 + epoch_3(0, gps_3(1, 2e7), gps_3(1, 2e7), "X05", "E01" + gps_3(1, 2e7)[3:], count=9)
    text += (
        "> 2024 13 01 00 00 01.0000000  0  1\n" + gps_3(1, 2e7) + "\n" + epoch_3(2, gps_3(1, 2e7), count=2)
    )
    found = read_observations(text.encode())
    assert found.problems == (
        "line 9: this epoch promises 9 satellites and has 4",
        "line 11: a satellite comes twice in its epoch",
        "line 12: no satellite that is known: 'X05'",
        "line 13: the header has no observation types for this satellite's system",
        "line 14: this epoch line cannot be read: '> 2024 13 01 00 00 0'",
        "line 16: the file ends within this epoch, with 1 of 2 satellites",
    )


def test_problems_are_bounded_and_all_counted() -> None:
    text = HEAD_3 + "".join(epoch_3(e, *["X01"] * 500) for e in range(10))
    found = read_observations(text.encode())
    assert len(found.problems) == MAX_PROBLEMS
    assert found.problem_count == 5000


def test_a_header_that_is_damaged() -> None:
    text = (
        sample_3()
        .replace("  1 R07  5", "  1 R07  x")
        .replace("G    4 C1C L1C D1C S1C", "G    5 C1C L1C D1C S1C")
    )
    found = read_observations(text.encode())
    assert found.problems == (
        "line 3: 5 observation types promised, 4 given",
        "line 7: GLONASS SLOT / FRQ # cannot be read",
    )
    assert len(found.epochs) == 6
    assert found.phases_without_channel == 6


def test_no_end_of_the_header() -> None:
    lines = [line for line in sample_3().splitlines(keepends=True) if "END OF HEADER" not in line]
    found = read_observations("".join(lines).encode())
    assert values(found) == WHOLE["3"]
    assert found.problems == ("line 8: an epoch before END OF HEADER",)


def test_headers_without_end_and_events_without_number_end_the_reading() -> None:
    again = HEAD_3.splitlines(keepends=True)[0]
    found = read_observations((sample_3(1) + again * 1000).encode())
    assert found.problems[1:] == ("line 16: that header has no end: what follows is left out",)
    assert len(found.epochs) == 1
    events = f">{'':30}5  0\n" * (MAX_STOPS + 10)
    found = read_observations((HEAD_3 + events + sample_3(1)[len(HEAD_3) :]).encode())
    assert found.problems == (f"line {8 + MAX_STOPS + 1}: too many events: what follows is left out",)
    assert len(found.events) == MAX_EVENTS
