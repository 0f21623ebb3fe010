"""Snapshots in a topic: whole ones only, the one that stands for the most input."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.output import Message
from streams.kafka.snapshots import Mark, journal_key, messages
from streams.kafka.snapshots import newest as found_newest


@dataclass
class Record:
    """What a consumer gives."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def records(made: list[Message]) -> list[Record]:
    return [Record(m.key, m.value, tuple(m.headers)) for m in made]


def written(writer: str, number: int, reach: int, chunks: list[bytes], task: str = "score/3") -> list[Record]:
    return records(messages(task, 3, Mark(writer, number, reach), chunks, "snapshots"))


def newest(task: str, found: list[Record]) -> tuple[int, list[bytes]] | None:
    """Return number and chunks of the newest snapshot."""
    one = found_newest(task, found)  # type: ignore[arg-type]
    return None if one.chunks is None else (one.number, one.chunks)


def compacted(found: list[Record]) -> list[Record]:
    """Keep the last message of each key, as a broker does."""
    last = {record.key: i for i, record in enumerate(found)}
    return [record for i, record in enumerate(found) if last[record.key] == i]


CHUNKS = st.lists(st.binary(max_size=50), max_size=5)


@given(st.lists(CHUNKS, min_size=1, max_size=5), st.data())
def test_a_snapshot_that_was_not_finished_is_not_read(states, data):
    before = [r for k, chunks in enumerate(states[:-1]) for r in written("w", k + 1, k, chunks)]
    last = written("w", len(states), len(states), states[-1])
    cut = data.draw(st.integers(0, len(last)))
    found = before + last[:cut]
    if data.draw(st.booleans()):
        found = compacted(found)
    if cut == len(last):
        assert newest("score/3", found) == (len(states), states[-1])
    elif len(states) > 1:
        assert newest("score/3", found) == (len(states) - 1, states[-2])
    else:
        assert newest("score/3", found) is None


def test_a_zombie_that_goes_on_does_not_win():
    old, new = [b"old"] * 3, [b"new"] * 4
    zombie, successor = written("a", 8, 100, old), written("b", 8, 140, new)
    for found in (
        successor + zombie,
        zombie + successor,
        [r for pair in zip(zombie, successor, strict=False) for r in pair] + successor[4:],
    ):
        assert newest("score/3", found) == (8, new)


def test_other_tasks_and_rubbish_are_left_out():
    own = written("w", 1, 1, [b"x"], "score/3")
    other = written("w", 9, 9, [b"y"], "score/31") + written("w", 9, 9, [b"z"], "sense/3")
    rubbish = [
        Record(None, b"", ()),
        Record(b"score/3/1/head", b"\xc1", (("snapshot", b"q/1"),)),
        Record(b"score/3/1/what", b"1", (("snapshot", b"q/1"),)),
        Record(b"score/3/0/0", b"no zstd", (("snapshot", b"q/2"),)),
        Record(b"\xff\xfe", b"1", (("snapshot", b"q/2"),)),
        Record(b"score/3/0/0", None, (("snapshot", b"w/1"),)),
    ]
    assert newest("score/3", other + rubbish + own + rubbish[:3]) == (1, [b"x"])
    assert newest("alert/0", other + rubbish + own) is None


def test_a_snapshot_whose_bytes_are_damaged_gives_way_to_the_one_before():
    damaged = written("w", 2, 2, [b"new"])
    damaged[0].value = b"damaged"
    assert newest("score/3", written("w", 1, 1, [b"old"]) + damaged) == (1, [b"old"])


@given(st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=3)), max_size=30), st.booleans())
def test_a_journal_is_read_in_the_order_in_which_it_was_written(written_chunks, is_compacted):
    found = [Record(journal_key("alert/0", number), value, ()) for number, value in written_chunks]
    found += written("w", 1, 1, [b"x"], "alert/0")
    journal = found_newest("alert/0", compacted(found) if is_compacted else found).journal
    newest_of = {number: (k, value) for k, (number, value) in enumerate(written_chunks)}
    live = sorted((k, number, value) for number, (k, value) in newest_of.items() if value)
    assert [(number, value) for _, number, value in live] == list(journal.items())
    assert newest("alert/0", found) == (1, [b"x"])
    assert found_newest("alert/00", found).journal == {}
