"""What a gatherer has taken, by the ledger: the rule on which `make chaos` calls an epoch lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos import ledger
from tests.chaos.books import Books, rover_gap_s
from tests.chaos.ledger import LedgerWriter

SECOND_US = 1_000_000
KILL_US = 100 * SECOND_US


def books(folder: Path, *connections: tuple[int, int, int, int, int], kills: tuple[int, ...] = ()) -> Books:
    writer = LedgerWriter(folder)
    for line in connections:
        writer.add("connections", *line)
    writer.flush()
    return Books(folder, "", 200_000, kills=list(kills))


def epochs(*lines: tuple[int, int, int]) -> np.ndarray:
    """Connection, when it was sent and where it ended, of one station."""
    return np.array([(0, c, sent_us, sent_us, end) for c, sent_us, end in lines], ledger.EPOCHS)


def test_what_nobody_listened_to_is_not_taken(tmp_path: Path) -> None:
    assert books(tmp_path).taken(epochs((-1, 5, 0), (1, 5, 100))).tolist() == [False, True]


def test_of_a_connection_that_ended_only_what_was_confirmed_is_taken(tmp_path: Path) -> None:
    found = books(tmp_path, (1, 0, 0, 50, 200)).taken(epochs((1, 10, 100), (1, 20, 200), (1, 30, 300)))
    assert found.tolist() == [True, True, False]


def test_a_kill_takes_what_was_read_within_its_window_and_nothing_of_a_later_connection(
    tmp_path: Path,
) -> None:
    one = books(
        tmp_path, (1, 0, 0, KILL_US + 1, 2**40), (2, 0, KILL_US + 5, KILL_US + 99, 2**40), kills=(KILL_US,)
    )
    sent = epochs(
        (1, KILL_US - 200_001, 1), (1, KILL_US - 200_000, 2), (1, KILL_US - 199_999, 3), (1, KILL_US + 1, 4),
        (2, KILL_US + 6, 5),
    )  # fmt: skip
    assert one.taken(sent).tolist() == [True, True, False, False, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 9), st.integers(0, 2**60)), max_size=20))
def test_lines_come_back_as_they_were_and_a_torn_one_is_left_out(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    writer = LedgerWriter(folder)
    for station, connection, sent_us in lines:
        writer.add("epochs", station, connection, sent_us, sent_us, 7)
        writer.flush()
    with (folder / "epochs.ledger").open("ab") as file:
        file.write(b"torn")
    kept = ledger.read(folder, "epochs")
    assert [(e["station"], e["connection"], e["sent_us"]) for e in kept] == lines


def test_a_rover_that_hears_nothing_until_the_end_has_a_gap(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path)
    for at_s in (1, 2, 3, 9):
        writer.add("rovers", 0, 100, at_s * SECOND_US)
        writer.add("rovers", 1, 100, min(at_s, 2) * SECOND_US)
    writer.flush()
    assert rover_gap_s(tmp_path, SECOND_US, 10 * SECOND_US) == 8.0
    assert rover_gap_s(tmp_path / "none", 0, 10) == float("inf")
