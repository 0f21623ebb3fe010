import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.kafka.spool import Spool, SpoolError
from streams.kafka.spool_frames import Frame, frame_bytes


def frame(number: int, size: int = 10) -> Frame:
    return Frame("raw", number % 12, 1_000 + number, "test", number, bytes([number % 256]) * size)


def opened(folder: Path, **more: int) -> Spool:
    spool = Spool(folder, **more)
    spool.open()
    return spool


def numbers(spool: Spool, most_bytes: int = 10**9) -> list[int]:
    return [each.frame.number for each in spool.read(most_bytes)]


def newest(folder: Path) -> Path:
    return max(folder.glob("*.spool"))


def test_what_goes_in_comes_out_the_same_and_in_order(tmp_path):
    spool = opened(tmp_path, segment_bytes=200)
    frames = [Frame(f"topic-{n}", n, -n, f"maker{n}", 2**63 + n, os.urandom(n * 7)) for n in range(30)]
    spool.append(frames)
    assert spool.oldest_us() == 0
    assert [each.frame for each in spool.read(10**9)] == frames
    assert not spool.unread
    assert len(list(tmp_path.glob("*.spool"))) > 5
    spool.close()


def test_segments_go_when_all_in_them_and_before_has_arrived(tmp_path):
    spool = opened(tmp_path, segment_bytes=100)
    spool.append([frame(n, 60) for n in range(10)])
    positions = [each.position for each in spool.read(10**9)]
    before = spool.size
    spool.acknowledge(positions[1:])
    assert spool.size == before
    assert spool.messages == 1
    assert spool.oldest_us() == 1_000
    spool.acknowledge(positions[:1])
    assert (spool.size, spool.messages, spool.oldest_us()) == (0, 0, None)
    assert list(tmp_path.glob("*.spool")) == []
    spool.append([frame(99)])
    assert numbers(spool) == [99]
    spool.close()


def test_the_limit_is_a_state_and_goes_away_with_room(tmp_path):
    spool = opened(tmp_path, most_bytes=1000, segment_bytes=300)
    taken = spool.append([frame(n, 100) for n in range(20)])
    assert 0 < len(taken) < 20
    assert "limit of 0.001 MB" in spool.full
    assert spool.size <= 1000
    assert spool.append([frame(50)] * 50, reserve_bytes=10_000) != []  # a stop keeps what is in memory
    first = spool.read(350)
    spool.acknowledge(each.position for each in first)
    spool.acknowledge(each.position for each in spool.read(10**9))
    assert len(spool.append([frame(7)])) == 1
    assert spool.full == ""
    spool.close()


class Disk:
    """A disk that gets full: `os.write` takes `room` bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.sync_fails = False
        self._write, self._fsync = os.write, os.fsync
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)

    def write(self, file: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._write(file, data[: self.room])
        self.room -= done
        return done

    def fsync(self, file: int) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._fsync(file)


@pytest.mark.parametrize("room", [0, 30, 75, 150])
def test_a_full_disk_is_a_state_and_leaves_no_half_message(tmp_path, monkeypatch, room):
    disk = Disk(monkeypatch)
    spool = opened(tmp_path)
    spool.append([frame(0)])
    disk.room = room
    taken = len(spool.append([frame(n) for n in range(1, 6)]))
    assert taken < 5
    assert "No space left" in spool.full
    assert spool.append([frame(1 + taken)]) == []
    disk.room = 10**9
    assert len(spool.append([frame(n) for n in range(1 + taken, 6)])) == 5 - taken
    assert spool.full == ""
    assert numbers(spool) == [0, 1, 2, 3, 4, 5]
    spool.close()
    again = opened(tmp_path)
    assert (numbers(again), again.torn_bytes, again.damaged_bytes) == ([0, 1, 2, 3, 4, 5], 0, 0)
    again.close()


def test_a_disk_that_cannot_sync_does_not_say_that_it_did(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    spool = opened(tmp_path)
    spool.append([frame(0)])
    disk.sync_fails = True
    assert not spool.sync()
    assert "make room or repair it" in spool.full
    disk.sync_fails = False
    spool.append([frame(1)])
    assert spool.sync()
    assert numbers(spool) == [0, 1]
    spool.close()


def test_a_segment_that_ends_unsynced_is_told_by_the_next_sync(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    spool = opened(tmp_path, segment_bytes=50)
    disk.sync_fails = True
    spool.append([frame(0), frame(1)])
    disk.sync_fails = False
    assert not spool.sync()
    assert spool.sync()
    spool.close()


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_tail_is_cut_off_and_counted(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("torn")
    spool = opened(folder, segment_bytes=400)
    spool.append([frame(n, 30) for n in range(12)])
    spool.close()
    size = len(frame_bytes(1, frame(0, 30)))
    length = newest(folder).stat().st_size
    cut = data.draw(st.integers(0, length))
    junk = data.draw(st.binary(max_size=100))
    with newest(folder).open("r+b") as file:
        file.truncate(cut)
        file.seek(cut)
        file.write(junk)
    whole = 12 - length // size + cut // size
    again = opened(folder, segment_bytes=400)
    assert again.torn_bytes == cut % size + len(junk)
    again.append([frame(100)])
    assert numbers(again) == [*range(whole), 100]
    again.close()


def test_damage_in_the_middle_is_counted_and_the_next_segment_goes_on(tmp_path):
    spool = opened(tmp_path, segment_bytes=150)
    spool.append([frame(n, 30) for n in range(6)])
    names = sorted(tmp_path.glob("*.spool"))
    with names[0].open("r+b") as file:
        file.seek(len(frame_bytes(1, frame(0, 30))) + 50)
        file.write(b"?")
    found = spool.read(10**9)
    assert [each.frame.number for each in found] == [0, 2, 3, 4, 5]
    assert spool.damaged_bytes == len(frame_bytes(1, frame(0, 30)))
    names[1].unlink()
    spool.rewind()
    assert numbers(spool) == [0, 4, 5]
    spool.close()


def test_a_folder_belongs_to_one_program(tmp_path):
    spool = opened(tmp_path / "one")
    with pytest.raises(SpoolError, match="another program uses the spool"):
        opened(tmp_path / "one")
    spool.close()
    opened(tmp_path / "one").close()
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="name another folder"):
        opened(tmp_path / "file" / "spool")


def test_a_lost_or_damaged_mark_brings_messages_again_and_loses_none(tmp_path):
    spool = opened(tmp_path)
    spool.append([frame(n) for n in range(6)])
    spool.acknowledge(each.position for each in spool.read(10**9)[:3])
    spool.close()
    for mark in (b"", b"nonsense 123"):
        (tmp_path / "acknowledged").write_bytes(mark)
        again = opened(tmp_path)
        assert numbers(again) == [0, 1, 2, 3, 4, 5]
        again.close()


class AgainstAQueue(RuleBasedStateMachine):
    """The spool and a plain list do the same; a kill is a new spool over the same files."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.spool = opened(self.folder, segment_bytes=300, most_bytes=4000)
        self.kept: list[int] = []
        """Appended and not acknowledged."""
        self.out: dict[int, int] = {}
        """Handed out and not acknowledged: position to number."""
        self.sent: set[int] = set()
        """Acknowledged while one before is not."""
        self.count = 0

    def unread(self) -> list[int]:
        return [n for n in self.kept if n not in self.out.values() and n not in self.sent]

    @rule(sizes=st.lists(st.integers(0, 120), max_size=6))
    def append(self, sizes):
        frames = [frame(self.count + n, size) for n, size in enumerate(sizes)]
        taken = self.spool.append(frames)
        self.kept += [self.count + n for n in range(len(taken))]
        self.count += len(taken)
        assert (len(taken) < len(sizes)) == bool(self.spool.full)

    @precondition(lambda self: not self.spool.unread)
    @rule(size=st.integers(0, 120))
    def append_what_is_under_way(self, size):
        for position in self.spool.append([frame(self.count, size)], handed=True):
            self.kept.append(self.count)
            self.out[position] = self.count
            self.count += 1

    @rule(most_bytes=st.integers(1, 600))
    def read(self, most_bytes):
        before = self.unread()
        found = self.spool.read(most_bytes)
        assert [each.frame.number for each in found] == before[: len(found)]
        assert bool(found) == bool(before)
        self.out.update((each.position, each.frame.number) for each in found)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def acknowledge(self, data):
        positions = data.draw(st.lists(st.sampled_from(sorted(self.out)), unique=True))
        self.spool.acknowledge(positions)
        self.sent |= {self.out.pop(position) for position in positions}
        while self.kept and self.kept[0] in self.sent:
            self.sent.discard(self.kept.pop(0))

    @rule()
    def rewind(self):
        self.spool.rewind()
        self.out.clear()

    @rule()
    def kill(self):
        for file in (self.spool._lock, self.spool._tail._file):  # as the system does
            if file >= 0:
                os.close(file)
        self.spool = opened(self.folder, segment_bytes=300, most_bytes=4000)
        self.out.clear()
        self.sent.clear()  # what arrived out of order comes again

    @invariant()
    def agree(self):
        assert self.spool.unread == bool(self.unread())
        assert self.spool.messages == len(self.kept) - len(self.sent)
        if self.kept:
            assert self.spool.oldest_us() == 1_000 + self.kept[0]
        else:
            assert self.spool.oldest_us() is None
            assert self.spool.size == 0

    def teardown(self):
        self.spool.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


TestAgainstAQueue = AgainstAQueue.TestCase
TestAgainstAQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


WRITER = """
import sys
from pathlib import Path
from streams.kafka.spool import Spool
from streams.kafka.spool_frames import Frame
spool = Spool(Path(sys.argv[1]), segment_bytes=200_000)
spool.open()
number = int(sys.argv[2])
while True:
    spool.append([Frame("raw", 0, number, "killed", number, number.to_bytes(8, "big") * 500)])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_appended(tmp_path):
    told = -1
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(told + 1)], stdout=subprocess.PIPE, text=True
        )
        lines = [process.stdout.readline() for _ in range(150)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        told = max(int(line) for line in lines + rest if line.endswith("\n"))
        spool = opened(tmp_path)
        found = spool.read(10**9)
        spool.close()
        assert [each.frame.number for each in found] == list(range(len(found)))
        assert all(each.frame.payload == each.frame.number.to_bytes(8, "big") * 500 for each in found)
        assert len(found) >= told + 1
        told = len(found) - 1
