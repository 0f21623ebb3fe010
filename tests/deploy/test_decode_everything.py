"""`groundswell decode` beyond observations: messages, partial values, opaque ones, NMEA."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import pytest
from pynmeagps import NMEAReader
from pyrtcm import RTCMReader

from deploy.decode import is_nmea, print_messages, print_observations, print_summary
from deploy.refusal import Refusal
from gnss.message_lines import message_lines
from tests.rtcm_frames import frame, of_type, text_frame

STR17 = "rtcm3/swift/week-rollover-STR17.rtcm3"
MIXED = "rtcm3/gpsd/rtcm3.2.log"
NMEA = "nmea/ublox-zed-f9p-nmea.log"
T_MS = 345_600_000
T0 = 1_554_940_782_000_000
"""2019-04-10T23:59:42Z, GPS time of the week `T_MS`."""


def gps_1001(time_ms: int, satellites: tuple[int, ...] = (5, 7)) -> bytes:
    """Return a frame of GPS L1 without whole milliseconds."""
    bits, size = 0, 0

    def put(value: int, width: int) -> None:
        nonlocal bits, size
        bits, size = bits << width | value, size + width

    for value, width in ((1001, 12), (9, 12), (time_ms, 30), (0, 1), (len(satellites), 5), (0, 4)):
        put(value, width)
    for satellite in satellites:
        for value, width in ((satellite, 6), (0, 1), (5_000_000, 24), (1234, 20), (30, 7)):
            put(value, width)
    put(0, -size % 8)
    return frame(bits.to_bytes(size // 8, "big"))


def shown(capsys, function, *arguments) -> tuple[str, str]:
    function(*arguments)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_every_message_that_is_no_observation_is_told_once(data, tmp_path, capsys) -> None:
    path = tmp_path / "part.rtcm3"
    path.write_bytes((data / STR17).read_bytes()[:250_000])
    out, _ = shown(capsys, print_messages, path, "json", None)
    objects = [json.loads(line) for line in out.splitlines()]
    theirs: Counter[int] = Counter()
    with path.open("rb") as file:
        for _, message in RTCMReader(file, quitonerror=0):
            number = int(message.identity)
            theirs[number] += not 1071 <= number <= 1137
    assert Counter(one["message"] for one in objects) == +theirs
    assert not any(one["opaque"] for one in objects)
    place = next(one for one in objects if one["message"] == 1006)
    assert place["values"]["x_m"] == pytest.approx(-4467102.3061)
    assert place["text"].startswith("1006 position and antenna height, station 0 at -4467102.3061")
    orbit = next(one for one in objects if one["message"] == 1019)
    assert orbit["name"] == "ephemeris"
    assert orbit["values"]["sqrt_axis"] == pytest.approx(5153.7, abs=1.0)
    assert "reference 2018-07-14T23:59:42Z" in orbit["text"]
    assert objects[0]["epoch"] == "2018-07-14T23:50:00Z"


def test_the_forms_of_messages_tell_the_same(data, capsys) -> None:
    out, errors = shown(capsys, print_messages, data / MIXED, "csv", None)
    rows = list(csv.DictReader(io.StringIO(out)))
    objects = [
        json.loads(line) for line in shown(capsys, print_messages, data / MIXED, "json", None)[0].splitlines()
    ]
    table = shown(capsys, print_messages, data / MIXED, "table", None)[0].splitlines()
    assert len(rows) == len(objects) == len(table) - 1 == 97
    for row, thing in zip(rows, objects, strict=True):
        assert row == {name: "" if thing[name] is None else str(thing[name]) for name in row}
    assert sum(thing["opaque"] for thing in objects) == 13
    assert {thing["message"] for thing in objects if thing["opaque"]} == {63}
    assert all(bytes.fromhex(thing["payload"])[:2] for thing in objects if thing["opaque"])
    assert "opaque: 63 (13)" in errors


def test_observations_end_with_a_short_account_of_all_else(data, capsys) -> None:
    out, errors = shown(capsys, print_observations, data / MIXED, "csv", None)
    lines = errors.splitlines()
    assert lines[0] == "week from: ephemeris"
    assert any(line.split()[:3] == ["32", "x", "1019"] for line in lines)
    assert lines[-1] == "opaque: 63 (13)"
    assert len(lines) < 15
    assert not any(row["partial"] == "True" for row in csv.DictReader(io.StringIO(out)))


def test_values_without_whole_milliseconds_are_marked_and_counted(tmp_path, capsys) -> None:
    path = tmp_path / "partial.rtcm3"
    path.write_bytes(b"".join(gps_1001(T_MS + 1000 * k) for k in range(4)) + of_type(4095))
    day_us = T0
    out, errors = shown(capsys, print_observations, path, "json", day_us)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 8
    assert all(row["partial"] is True for row in rows)
    assert rows[0]["range_m"] == pytest.approx(100_000.0)
    assert "partial: 8 of 8 observations" in errors
    assert "opaque: 4095 (1)" in errors
    summary = json.loads(shown(capsys, print_summary, path, day_us)[0])
    assert (summary["observations"], summary["partial_observations"]) == (8, 8)
    assert summary["opaque_messages"] == {"4095": 1}


def test_damaged_and_strange_messages_are_opaque_and_their_neighbours_are_not() -> None:
    content = text_frame("grüße") + of_type(1077, 12) + of_type(1019, 20) + frame(b"\x3f") + text_frame("bye")
    found = list(message_lines(content, T0))
    assert [one.message for one in found] == [1029, 1077, 1019, -1, 1029]
    assert [one.is_opaque for one in found] == [False, True, True, True, False]
    assert "grüße" in found[0].text
    assert "damaged" in found[1].text
    assert "too short" in found[2].text
    assert all(one.epoch is None for one in found)
    for one in found:
        json.dumps(one.as_json())


def test_a_file_of_messages_alone_says_where_to_look(tmp_path) -> None:
    path = tmp_path / "texts"
    path.write_bytes(text_frame("hello"))
    with pytest.raises(Refusal, match="--messages"):
        print_observations(path, "table", T0)
    path.write_bytes(b"noise")
    for function in (print_messages, print_observations):
        with pytest.raises(Refusal, match="is it an RTCM 3 capture"):
            function(path, "table", T0)


def test_nmea_is_recognised_and_decoded(data, capsys) -> None:
    lines = (data / NMEA).read_bytes().splitlines()
    sentences = [line for line in lines if line.startswith(b"$")]
    out, _ = shown(capsys, print_observations, data / NMEA, "json", None)
    objects = [json.loads(line) for line in out.splitlines()]
    assert [one["sentence"] for one in objects] == [line[1:6].decode() for line in sentences]
    for line, one in zip(sentences, objects, strict=True):
        theirs = NMEAReader.parse(line + b"\r\n")
        if one["sentence"] == "GNGGA":
            assert one["values"]["latitude"] == pytest.approx(theirs.lat, abs=1e-9)
            assert one["values"]["satellites"] == theirs.numSV
        assert ("opaque" in one) == (one["sentence"][2:] not in {"GGA", "RMC", "ZDA", "GSA", "GSV"})
    summary = json.loads(shown(capsys, print_summary, data / NMEA, None)[0])
    assert summary["nmea_sentences"] == len(sentences)
    assert sum(summary["sentences"].values()) == len(sentences)
    assert (summary["first"], summary["last"]) == ("2019-04-12T00:39:56Z", "2019-04-12T00:40:24Z")
    rows = list(csv.DictReader(io.StringIO(shown(capsys, print_messages, data / NMEA, "csv", None)[0])))
    assert [row["sentence"] for row in rows] == [one["sentence"] for one in objects]


def test_rtcm_with_sentences_between_is_rtcm() -> None:
    sentence = b"$GNVTG,,T,,M,0.025,N,0.045,K,A*3B\r\n"
    assert is_nmea(sentence)
    assert not is_nmea(sentence + text_frame("a"))
    assert not is_nmea(b"")
    assert not is_nmea(sentence.replace(b"*3B", b"*3C"))
