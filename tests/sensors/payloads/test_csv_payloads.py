"""CSV in the ways that loggers write it."""

import csv
import io
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads.csv import CsvMapping

NOW = 1_700_000_000_000_000
T_US = 1_699_999_200_000_000
"""2023-11-14 22:00:00 UTC."""
LEVEL = CsvMapping(topic="log/+", values={"level": "{1}.level"}, time="time")


def read(which, text):
    return which.decode("log/a", text if isinstance(text, bytes) else text.encode(), NOW)


def rows(decoded):
    assert not decoded.errors
    return list(zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True))


def test_a_header_names_the_columns():
    which = CsvMapping(topic="#", values={"level": "{site}.level", "T": "{site}.T"}, time="time")
    text = '\ufeffsite,time,"level",T\r\nx,2023-11-14T22:00:00Z,1.5,\r\n"y",2023-11-14T22:00:01Z,NaN,-3e1\r\n'
    found = rows(read(which, text))
    assert [row[:2] for row in found] == [
        ("x.level", T_US),
        ("x.T", T_US),
        ("y.level", T_US + 1_000_000),
        ("y.T", T_US + 1_000_000),
    ]
    assert [row[2] for row in found] == pytest.approx([1.5, math.nan, math.nan, -30], nan_ok=True)


def test_a_european_logger():
    which = CsvMapping(
        topic="#",
        values={"Pegel": "p", "Regen": "r"},
        time=["Datum", "Zeit"],
        time_format="%d.%m.%Y %H:%M:%S",
        zone="+01:00",
        delimiter=";",
        decimal_comma=True,
        missing=[-9999, "Lücke"],
        skip_lines=1,
        scale=0.01,
    )
    text = (
        "Station 7\nDatum;Zeit;Pegel;Regen\n"
        "14.11.2023;23:00:00;153,5;---\n14.11.2023;23:00:01;-9999,0;Lücke\n"
    )
    found = rows(read(which, text))
    assert found[0] == ("p", T_US, pytest.approx(1.535))
    assert all(math.isnan(value) for _, _, value in found[1:])


def test_a_table_of_ndbc_newest_first():
    which = CsvMapping(
        topic="#",
        values={"WVHT": "wave_height", "WTMP": "T"},
        time=["YY", "MM", "DD", "hh", "mm"],
        time_format="%Y %m %d %H %M",
        zone="UTC",
        delimiter=" ",
        missing=["MM", 99.0],
    )
    text = (
        "#YY  MM DD hh mm WDIR WVHT   DPD  WTMP\n#yr  mo dy hr mn degT    m   sec  degC\n"
        "2023 11 14 22 00  MM   1.2    8   20.1\n2023 11 14 21 50 140  99.0    8    MM\n"
    )
    decoded = read(which, text)
    assert rows(decoded)[2:] == [("wave_height", T_US, 1.2), ("T", T_US, 20.1)]
    assert [*decoded.time_us] == [T_US - 600_000_000] * 2 + [T_US] * 2
    assert decoded.notes == {"reordered": 2}


def test_columns_by_place_or_by_configured_name():
    line = "1699999200;4.5;7999\n"
    by_place = CsvMapping(
        topic="#", values={"1": "a"}, time="0", time_format="epoch_s", header=False, delimiter=";"
    )
    assert rows(read(by_place, line)) == [("a", T_US, 4.5)]
    named = CsvMapping(
        topic="#",
        values={"p": "a", "q": "b"},
        time="t",
        time_format="epoch_s",
        columns=["t", "p", "q"],
        delimiter=";",
        missing=[7999],
    )
    assert rows(read(named, line))[0] == ("a", T_US, 4.5)
    assert math.isnan(rows(read(named, line))[1][2])
    no_time = read(CsvMapping(topic="#", values={"0": "a"}, header=False), "5")
    assert rows(no_time) == [("a", NOW, 5.0)]
    assert no_time.from_arrival


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff\xfe", "not text in UTF-8"),
        ("", "has no lines"),
        ("# only a remark", "names no column time"),
        ("time,height\n2023-11-14T22:00:00Z,1", "names no column level"),
        ("time,level\n2023-11-14T22:00:00Z", "line 0: column level is not there"),
        ("time,level\n,1", "line 0: column time is not an ISO 8601 time"),
        ("time,level\n2023-11-14T22:00:00,1", "tells no zone"),
        ("time,level\n2023-11-14T22:00:00Z,1_000", "column level should be a number, not 1_000"),
        ('time,level\n"2023-11-14T22:00:00Z,1', "not CSV"),
        ("level,time\n1", "line 0: column time is not there"),
    ],
)
def test_what_cannot_be_used_is_told(text, words):
    decoded = read(LEVEL, text)
    assert len(decoded) == 0
    assert decoded.bad_samples == 1
    assert words in decoded.errors[0]


def test_good_lines_survive_bad_ones_and_a_wrong_clock_is_only_believed_alone():
    many = read(LEVEL, "time,level\n2023-11-14T22:00:00Z,1\nyesterday,2\n2099-01-01T00:00:00Z,3\n")
    assert [*many.value] == [1.0]
    assert many.bad_samples == 2
    alone = read(LEVEL, "time,level\n2099-01-01T00:00:00Z,3\n")
    assert rows(alone) == [("a.level", NOW, 3.0)]
    assert alone.notes == {"received_time": 1}


def test_too_many_lines():
    which = CsvMapping(topic="#", values={"0": "a"}, header=False, max_rows=3)
    assert len(read(which, "1\n2\n3\n")) == 1 + 2
    assert "4 values in one message, at most 3" in read(which, "1\n2\n3\n4\n").errors[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"values": {}}, "values"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"decimal_comma": True}, "decimal_comma"),
        ({"columns": ["a"]}, "columns do not name 'time'"),
        ({"skip_lines": -1}, "skip_lines"),
        ({"scale": math.inf}, "scale"),
        ({"zone": "Beijing"}, "zone"),
        ({"time_format": "epoch"}, "time_format"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        CsvMapping(**{"topic": "#", "values": {"level": "x"}, "time": "time", **fields})


tables = st.lists(
    st.tuples(st.integers(10**9, T_US // 10**6), st.none() | st.floats(-1e12, 1e12)),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[0],
)


@given(tables, st.sampled_from([",", ";", "\t", "|"]), st.booleans(), st.booleans())
def test_what_pythons_writer_wrote_comes_out(table, delimiter, header, comma):
    comma = comma and delimiter != ","
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    if header:
        writer.writerow(["a remark; with, all | kinds\tof delimiters", "t", "v"])
    for time, value in table:
        text = "NaN" if value is None else repr(value)
        writer.writerow(
            [
                '"quoted"',
                f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}",
                text.replace(".", ",") if comma else text,
            ]
        )
    which = CsvMapping(
        topic="#",
        values={"v": "x"},
        time="t",
        zone="Z",
        delimiter=delimiter,
        decimal_comma=comma,
        columns=[] if header else ["_", "t", "v"],
    )
    found = rows(read(which, out.getvalue()))
    expected = sorted((time * 10**6, math.nan if value is None else value) for time, value in table)
    assert [time for _, time, _ in found] == [time for time, _ in expected]
    assert [value for *_, value in found] == pytest.approx([value for _, value in expected], nan_ok=True)


@given(st.text(max_size=80) | st.binary(max_size=80), st.booleans(), st.sampled_from([",", " ", "x"]))
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_sent_raises(text, header, delimiter):
    which = CsvMapping(topic="#", values={"0": "a", "1": "{2}"}, header=False, delimiter=delimiter)
    for one in (LEVEL, which if not header else LEVEL):
        decoded = read(one, text)
        assert not any(math.isinf(value) for value in decoded.value)
        assert all(error.isascii() and error.isprintable() for error in decoded.errors)


def test_columns_tell_where_samples_were_taken():
    which = CsvMapping(
        topic="#", values={"T": "glider.T"}, time="time", delimiter=";", decimal_comma=True,
        longitude="lon", latitude="lat", height="z", missing=[-999],
    )  # fmt: skip
    text = (
        "time;lon;lat;z;T\n2023-11-14T22:00:00Z;121,5;30,25;-7,5;11\n2023-11-14T22:00:01Z;-999;;;12\n"
        "2023-11-14T22:00:02Z;121,5;x;;13\n"
    )
    decoded = read(which, text)
    assert decoded.value.tolist() == [11, 12, 13]
    assert decoded.places == {0: (121.5, 30.25, -7.5)}
    assert decoded.notes == {"unplaced": 1}


def test_lines_of_a_message_can_be_one_waveform():
    which = CsvMapping(
        topic="#", values={"Z": "a.Z", "N": "a.N"}, time="time", step_s=0.01, longitude="lon", latitude="lat"
    )
    decoded = read(which, "time,lon,lat,Z,N\n2023-11-14T22:00:00Z,10,20,1,x\n,,,-5,x\n,,,x,x\n,,,2,x\n")
    assert rows_of_waves(decoded) == [("a.Z", T_US, -5.0, 10_000.0, "[1.0, -5.0, nan, 2.0]")]
    assert decoded.bad_samples == 5
    assert decoded.places == {0: (10, 20, pytest.approx(math.nan, nan_ok=True))}
    assert len(read(which, "time,lon,lat,Z,N\n")) == 0


def rows_of_waves(decoded):
    columns = zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True)
    waves = [decoded.waves[row] for row in range(len(decoded))]
    return [(*row, wave.step_us, repr(wave.values)) for row, wave in zip(columns, waves, strict=True)]
