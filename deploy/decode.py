"""`groundswell decode`: everything that a capture says, for a person and for programs."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.inspect import read_capture
from deploy.refusal import Refusal
from gnss import capture
from gnss.message_lines import MessageLine, message_lines
from gnss.nmea import NmeaSplitter, parse_sentence
from gnss.rtcm.framing import find_frames
from gnss.systems import System
from gnss.time import iso_z
from gnss.to_rtcm.recording import AsRtcm, as_rtcm, left_out

T = TypeVar("T")

STEPS_SHOWN = 1000
HEAD_BYTES = 65_536
"""In which it is seen whether a file is NMEA."""
NARROW, WIDE = 14, 24
_SENTENCE = ("time", "sentence", "text")
_MESSAGE = ("epoch", "message", "subtype", "name", "text")


def print_summary(path: Path, date_us: int | None) -> None:
    """Print one JSON object."""
    raw, found, modified_us, date_us = _read(path, date_us)
    buffer = found.data
    if is_nmea(buffer):
        print(json.dumps(_nmea_summary(buffer)))
        return
    told = capture.summary(buffer, date_us=date_us, modified_us=modified_us)
    if found.spoken != "rtcm":
        told |= {"bytes": found.counters.bytes_received, "format": found.spoken}
        told |= {"received": asdict(found.counters), "converted": asdict(found.written)}
        told["week_from"] = told["week_from"] if found.first_us is None else found.spoken
    account = _account(buffer, date_us, modified_us)
    told["observations"], told["partial_observations"] = account.observations, account.partial
    told["opaque_messages"] = dict(sorted(account.opaque.items()))
    told["nmea_sentences"] = _sentences_beside(raw)
    print(json.dumps(told))


def print_observations(path: Path, output: str, date_us: int | None) -> None:
    """Print a row for each observation, and at the end in short what else there is, to stderr.

    The table form goes to a person, csv and json to programs. A file of NMEA gives its sentences.
    """
    _, found, modified_us, date_us = _read(path, date_us)
    buffer = found.data
    if is_nmea(buffer):
        _print_sentences(buffer, output)
        return
    for text in left_out(found.spoken, found.counters, found.written):
        print(text, file=sys.stderr)
    reference_us, week_from = capture.reference_time(buffer, date_us=date_us, modified_us=modified_us)
    rows = capture.observation_rows(capture.epochs(buffer, reference_us))
    print(f"week from: {week_from if found.first_us is None else found.spoken}", file=sys.stderr)
    first = next(rows, None)
    if first is None:
        account = _account(buffer, date_us, modified_us)
        if account.last:
            raise Refusal(f"{path} holds no observations; --messages prints what else it holds")
        raise Refusal(f"{path} holds no observations; is it an RTCM 3 capture?")
    every = (row._asdict() for row in itertools.chain([first], rows))
    if _print_rows(every, capture.ObservationRow._fields, output, "observations"):
        _print_account(_account(buffer, date_us, modified_us))


def print_messages(path: Path, output: str, date_us: int | None) -> None:
    """Print a line for each message that is no observation; those that are not read are opaque."""
    _, found, modified_us, date_us = _read(path, date_us)
    buffer = found.data
    if is_nmea(buffer):
        _print_sentences(buffer, output)
        return
    for text in left_out(found.spoken, found.counters, found.written):
        print(text, file=sys.stderr)
    reference_us, week_from = capture.reference_time(buffer, date_us=date_us, modified_us=modified_us)
    print(f"week from: {week_from if found.first_us is None else found.spoken}", file=sys.stderr)
    account = _Account()
    lines = account.of(buffer, reference_us)
    first = next(lines, None)
    if first is None:
        raise Refusal(f"{path} holds no messages besides observations; is it an RTCM 3 capture?")
    every = itertools.chain([first], lines)
    if output == "json":
        shown: Iterator[dict[str, Any]] = (line.as_json() for line in every)
    else:
        shown = ({name: getattr(line, name) for name in _MESSAGE} for line in every)
    if _print_rows(shown, _MESSAGE, output, "messages") and account.opaque:
        print(f"opaque: {_counted(account.opaque)}", file=sys.stderr)


def _read(path: Path, date_us: int | None) -> tuple[bytes, AsRtcm, int, int | None]:
    """Return a capture as it is and as RTCM 3, when it was written, and roughly when it was made (UTC)."""
    raw, modified_us = read_capture(path)
    found = as_rtcm(raw, modified_us if date_us is None else date_us)
    return raw, found, modified_us, found.first_us or date_us


def is_nmea(buffer: bytes) -> bool:
    """Whether a file is one of NMEA sentences: it has some near its begin, and nothing of RTCM there."""
    head = buffer[:HEAD_BYTES]
    splitter = NmeaSplitter()
    splitter.feed(head)
    return splitter.sentences > 0 and not len(find_frames(np.frombuffer(head, np.uint8)).message)


class _Account:
    """Counts what a capture holds besides rows."""

    def __init__(self) -> None:
        self.last: dict[str, MessageLine] = {}
        self.counts: Counter[str] = Counter()
        self.opaque: Counter[str] = Counter()
        self.observations = self.partial = 0

    def of(self, buffer: bytes, reference_us: int) -> Iterator[MessageLine]:
        """Yield the messages that are no observations."""
        for line in message_lines(buffer, reference_us, self._see):
            label = str(line.message) if line.subtype is None else f"{line.message}.{line.subtype:03d}"
            self.last[label] = line
            self.counts[label] += 1
            self.opaque[label] += line.is_opaque
            yield line
        self.opaque = +self.opaque

    def _see(self, observations: int, partial: int) -> None:
        self.observations += observations
        self.partial += partial


def _account(buffer: bytes, date_us: int | None, modified_us: int) -> _Account:
    reference_us, _ = capture.reference_time(buffer, date_us=date_us, modified_us=modified_us)
    account = _Account()
    for _ in account.of(buffer, reference_us):
        pass
    return account


def _print_account(account: _Account) -> None:
    if account.partial:
        print(
            f"partial: {account.partial:,} of {account.observations:,} observations"
            " lack the whole milliseconds of their range and phase",
            file=sys.stderr,
        )
    read = {label: n for label, n in account.counts.items() if label not in account.opaque}
    if read:
        print("other messages, the last of each kind (--messages prints all):", file=sys.stderr)
    for label, n in sorted(read.items()):
        print(f"{n:7,} x {account.last[label].text}", file=sys.stderr)
    if account.opaque:
        print(f"opaque: {_counted(account.opaque)}", file=sys.stderr)


def _counted(some: Counter[str]) -> str:
    return ", ".join(f"{label} ({n:,})" for label, n in sorted(some.items()))


# --- NMEA ---------------------------------------------------------------------------------------------


def _sentences_beside(buffer: bytes) -> int:
    splitter = NmeaSplitter()
    splitter.feed(buffer)
    return splitter.sentences


def _nmea_summary(buffer: bytes) -> dict[str, Any]:
    splitter = NmeaSplitter()
    sentences = splitter.feed(buffer)
    times = [t for s in sentences if (t := getattr(parse_sentence(s), "time_us", None)) is not None]
    return {
        "bytes": len(buffer),
        "nmea_sentences": splitter.sentences,
        "bad_checksums": splitter.bad_checksums,
        "foreign_bytes": splitter.foreign_bytes,
        "first": iso_z(min(times)) if times else None,
        "last": iso_z(max(times)) if times else None,
        "sentences": dict(sorted(Counter(_kind(sentence) for sentence in sentences).items())),
    }


def _print_sentences(buffer: bytes, output: str) -> None:
    splitter = NmeaSplitter()
    sentences = splitter.feed(buffer)
    rows = (_sentence(sentence, time) for sentence, time in _with_times(sentences))
    if output == "json":
        shown = rows
    else:
        shown = ({"time": row["time"], "sentence": row["sentence"], "text": _words(row)} for row in rows)
    if _print_rows(shown, _SENTENCE, output, "sentences") and splitter.bad_checksums:
        print(f"left out: {splitter.bad_checksums:,} sentences with a wrong checksum", file=sys.stderr)


def _with_times(sentences: Iterable[bytes]) -> Iterator[tuple[bytes, str | None]]:
    """Yield sentences with the newest full time that was told."""
    time: str | None = None
    for sentence in sentences:
        time_us = getattr(parse_sentence(sentence), "time_us", None)
        time = time if time_us is None else iso_z(time_us)
        yield sentence, time


def _kind(sentence: bytes) -> str:
    return sentence[1 : sentence.index(b",")].decode("ascii")


def _sentence(sentence: bytes, time: str | None) -> dict[str, Any]:
    read = parse_sentence(sentence)
    values: dict[str, Any] = {} if read is None else asdict(read)
    if isinstance(values.get("system"), System):
        values["system"] = values["system"].letter
    if "time_us" in values:
        values["time_us"] = None if values["time_us"] is None else iso_z(values["time_us"])
        values["time"] = values.pop("time_us")
    row: dict[str, Any] = {"time": time, "sentence": _kind(sentence)}
    return row | ({"values": values} if read is not None else {"opaque": sentence.decode("ascii")})


def _words(row: dict[str, Any]) -> str:
    if "opaque" in row:
        return str(row["opaque"])
    return ", ".join(f"{name} {value}" for name, value in row["values"].items() if value is not None)


# --- rows ---------------------------------------------------------------------------------------------


def _print_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str], output: str, what: str) -> bool:
    """Print rows; return whether the reader saw all of them."""
    every = _shown(rows, what, hidden=sys.stdout.isatty())
    with _reader_may_leave() as seen_all:
        if output == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([row[name] for name in columns] for row in every)
        elif output == "json":
            for row in every:
                sys.stdout.write(json.dumps(row) + "\n")
        else:
            _print_table(every, columns)
    return seen_all()


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[Callable[[], bool]]:
    """Print to a reader who may have seen enough, as `head`; what is given tells whether he stayed."""
    left: list[bool] = []
    try:
        yield lambda: not left
        sys.stdout.flush()
    except BrokenPipeError:
        left.append(True)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what Python still wants to flush
        os.close(nowhere)


def _shown(items: Iterable[T], what: str, *, hidden: bool = False) -> Iterator[T]:
    """Pass items on and count them in the terminal, if there is one."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn(f"{{task.completed:,}} {what}"), TimeElapsedColumn())
    hidden = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=None)
        for number, item in enumerate(items):
            if number % STEPS_SHOWN == 0:
                progress.update(task, completed=number)
            yield item


def _print_table(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    times = {"epoch", "time"}
    widths = [WIDE if name in times else max(len(name), NARROW) for name in columns]
    print("  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip())
    for row in rows:
        cells = ("" if row[name] is None else str(row[name]) for name in columns)
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))
