"""Sparkplug B against payloads that Google's library writes, by the specification's schema."""

import math
import struct
from itertools import pairwise

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads import opened, sparkplug
from sensors.payloads.sparkplug import SparkplugMapping, rebirth
from sensors.payloads.sparkplug.metrics import write_payload

ANY = SparkplugMapping()
NOW = 1_700_000_000_000_000
T_MS = 1_699_999_200_000
INT8, INT64, UINT32, FLOAT, DOUBLE, BOOLEAN, STRING, DATASET = 1, 4, 7, 9, 10, 11, 12, 16
VALUE_FIELDS = {
    1: "int_value",
    2: "int_value",
    3: "int_value",
    4: "long_value",
    5: "int_value",
    6: "int_value",
} | {
    7: "int_value",
    8: "long_value",
    9: "float_value",
    10: "double_value",
    11: "boolean_value",
    12: "string_value",
}


def schema():
    """Return the message class of a payload, with the fields and numbers of the specification (6.4.1)."""
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "uint64": kinds.TYPE_UINT64,
        "uint32": kinds.TYPE_UINT32,
        "bool": kinds.TYPE_BOOL,
        "string": kinds.TYPE_STRING,
        "float": kinds.TYPE_FLOAT,
        "double": kinds.TYPE_DOUBLE,
        "bytes": kinds.TYPE_BYTES,
    }
    messages = {
        "PropertyValue": "type uint32 1, string_value string 8, double_value double 6",
        "PropertySet": "keys string 1 *, values PropertyValue 2 *",
        "DataSet": "num_of_columns uint64 1, columns string 2 *",
        "Metric": (
            "name string 1, alias uint64 2, timestamp uint64 3, datatype uint32 4, is_historical bool 5, "
            "is_transient bool 6, is_null bool 7, properties PropertySet 9, int_value uint32 10, "
            "long_value uint64 11, float_value float 12, double_value double 13, boolean_value bool 14, "
            "string_value string 15, bytes_value bytes 16, dataset_value DataSet 17"
        ),
        "Payload": "timestamp uint64 1, metrics Metric 2 *, seq uint64 3, uuid string 4, body bytes 5",
    }
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug.proto", package="spb", syntax="proto2")
    for name, text in messages.items():
        message = file.message_type.add(name=name)
        for part in text.split(", "):
            field, kind, number, *repeated = part.split()
            one = message.field.add(name=field, number=int(number))
            one.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in scalars:
                one.type = scalars[kind]
            else:
                one.type, one.type_name = kinds.TYPE_MESSAGE, f".spb.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("spb.Payload"))


Payload = schema()


def packed(*metrics, seq=None, timestamp=T_MS):
    payload = Payload()
    if timestamp is not None:
        payload.timestamp = timestamp
    if seq is not None:
        payload.seq = seq
    for one in metrics:
        metric = payload.metrics.add()
        for key, value in one.items():
            if key == "unit":
                metric.properties.keys.append("engUnit")
                metric.properties.values.add(type=12, string_value=value)
            elif key == "dataset_value":
                metric.dataset_value.num_of_columns = value
            else:
                setattr(metric, key, value)
    return payload.SerializeToString()


LEVEL = {"name": "Inputs/Water Level", "alias": 7, "datatype": DOUBLE, "double_value": 1.5}
BD_SEQ = {"name": "bdSeq", "datatype": INT64, "long_value": 3}
NBIRTH = packed(
    BD_SEQ, {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": False}, LEVEL, seq=0
)


def reader(which=ANY):
    (one,) = opened([which])

    def read(kind, payload, where="n1", now=NOW):
        return one.decode(f"spBv1.0/g/{kind}/{where}", payload, now)

    return read


def rows(decoded):
    assert not decoded.errors
    return list(zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True))


def test_birth_data_and_death_of_a_node():
    read = reader()
    stream = "g.n1.Inputs.Water_Level"
    assert rows(read("NBIRTH", NBIRTH)) == [(stream, T_MS * 1000, 1.5)]
    data = packed({"alias": 7, "timestamp": T_MS + 5, "double_value": 1.75}, seq=1)
    assert rows(read("NDATA", data)) == [(stream, T_MS * 1000 + 5000, 1.75)]
    old = packed({"name": "bdSeq", "long_value": 2})
    assert read("NDEATH", old).notes == {"silent": 1}
    death = read("NDEATH", packed({"name": "bdSeq", "long_value": 3}, timestamp=None))
    ((name, time, value),) = rows(death)
    assert (name, time) == (stream, NOW)
    assert math.isnan(value)
    assert death.from_arrival
    assert rows(read("NDEATH", packed({"name": "bdSeq", "long_value": 3}))) == []


def test_devices_have_their_own_metrics_and_deaths():
    read = reader(SparkplugMapping(datastream="{device}/{metric}/{node}", topic="spBv1.0/#"))
    read("NBIRTH", NBIRTH)
    for device, value in (("d1", 10.0), ("d2", 20.0)):
        birth = packed({"name": "T", "alias": 1, "datatype": FLOAT, "float_value": value})
        assert rows(read("DBIRTH", birth, f"n1/{device}")) == [(f"{device}/T/n1", T_MS * 1000, value)]
    assert rows(read("DDATA", packed({"alias": 1, "float_value": 21.5}), "n1/d2"))[0][2] == 21.5
    ((name, _, value),) = rows(read("DDEATH", packed(), "n1/d1"))
    assert name == "d1/T/n1"
    assert math.isnan(value)
    dead = rows(read("NDEATH", packed({"name": "bdSeq", "long_value": 3})))
    assert {name for name, _, _ in dead} == {"d2/T/n1", "/Inputs.Water_Level/n1"}


def test_an_alias_without_a_birth_is_counted_and_a_rebirth_can_be_asked_for():
    read = reader()
    decoded = read("NDATA", packed({"alias": 7, "double_value": 2.0}, {"name": "x", "double_value": 3.0}))
    assert [*decoded.datastream_ids] == ["g.n1.x"]
    assert "alias 7 is not known" in decoded.errors[0]
    topic, payload = rebirth("g", "n1", NOW)
    assert topic == "spBv1.0/g/NCMD/n1"
    back = Payload.FromString(payload)
    assert back.timestamp == NOW // 1000
    assert (back.metrics[0].name, back.metrics[0].boolean_value) == ("Node Control/Rebirth", True)
    assert back.metrics[0].datatype == BOOLEAN
    assert rows(read("NCMD", payload)) == []


UNKNOWN = packed({"alias": 99, "double_value": 2.0})
S = 1_000_000


def asked(decoded):
    return [reply.topic for reply in decoded.replies]


def test_a_node_whose_birth_was_missed_is_asked_for_it_with_patience():
    read, now, gaps = reader(), NOW, []
    for _ in range(4 * 3600):
        if asked(read("NDATA", UNKNOWN, now=now)) == ["spBv1.0/g/NCMD/n1"]:
            gaps.append(now)
        now += S
    waits = [(b - a) // S for a, b in pairwise(gaps)]
    assert waits[:8] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert asked(read("DDATA", UNKNOWN, "n2/d1", now=now)) == ["spBv1.0/g/NCMD/n2"]
    read("NBIRTH", NBIRTH, now=now)
    assert asked(read("NDATA", packed({"alias": 7, "double_value": 1.0}, seq=1), now=now)) == []
    # Having been born it is asked like any other, though not sooner than the last question allows.
    now += 3600 * S
    assert asked(read("NDATA", UNKNOWN, now=now)) == ["spBv1.0/g/NCMD/n1"]
    assert asked(read("NDATA", UNKNOWN, now=now + 59 * S)) == []
    assert asked(read("NDATA", UNKNOWN, now=now + 60 * S)) == ["spBv1.0/g/NCMD/n1"]


def test_a_gap_in_the_numbers_asks_for_a_birth():
    read = reader()
    read("NBIRTH", NBIRTH)
    data = [packed({"alias": 7, "double_value": 1.0}, seq=n) for n in range(10)]
    assert asked(read("NDATA", data[1])) == []
    lost = read("NDATA", data[3])
    assert rows(lost)[0][2] == 1.0
    assert (lost.notes, asked(lost)) == ({"lost": 1}, ["spBv1.0/g/NCMD/n1"])
    assert asked(read("NDATA", data[4])) == []
    assert asked(reader(SparkplugMapping(rebirth=False))("NDATA", UNKNOWN)) == []


def test_a_clock_that_was_set_back_stops_no_question():
    read = reader()
    assert asked(read("NDATA", UNKNOWN, now=NOW + 86_400 * S))
    assert asked(read("NDATA", UNKNOWN, now=NOW))


def test_made_up_nodes_make_no_flood_of_questions():
    read = reader()
    first = sum(len(read("NDATA", UNKNOWN, f"n{k}").replies) for k in range(2000))
    later = sum(len(read("NDATA", UNKNOWN, f"m{k}", now=NOW + k * S // 100).replies) for k in range(2000))
    assert first == sparkplug.ASKED_AT_ONCE
    assert later == pytest.approx(20 * sparkplug.ASKED_PER_S, abs=2)


def test_a_new_birth_gives_aliases_anew():
    read = reader()
    read("NBIRTH", NBIRTH)
    read("NBIRTH", packed(BD_SEQ, {"name": "other", "alias": 7, "datatype": INT8, "int_value": 1}, seq=0))
    assert rows(read("NDATA", packed({"alias": 7, "int_value": 0xFF}, seq=1)))[0][::2] == ("g.n1.other", -1.0)


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (1, "int_value", 0xFF, -1),
        (1, "int_value", 0xFFFF_FFFF, -1),
        (2, "int_value", 0x8000, -32768),
        (3, "int_value", 0xFFFF_FFFE, -2),
        (4, "long_value", 2**64 - 5, -5),
        (5, "int_value", 255, 255),
        (7, "int_value", 2**32 - 1, 2**32 - 1),
        (8, "long_value", 2**63, 2.0**63),
        (9, "float_value", 1.5, 1.5),
        (10, "double_value", -0.1, -0.1),
        (11, "boolean_value", True, 1),
        (0, "double_value", 4.25, 4.25),
    ],
)
def test_data_types(datatype, field, raw, value):
    metric = {"name": "x", "datatype": datatype, field: raw} if datatype else {"name": "x", field: raw}
    assert rows(reader()("NDATA", packed(metric)))[0][2] == value


def test_null_tables_texts_and_units():
    read = reader(
        SparkplugMapping(values={"T": "t", "table": "x", "words": "w", "gone": "g", "L": "l"}).expecting(
            {"l": "m", "t": "Cel"}
        )
    )
    birth = packed(
        {"name": "T", "datatype": DOUBLE, "double_value": 300.15, "unit": "K", "alias": 1},
        {"name": "gone", "datatype": DOUBLE, "is_null": True},
        {"name": "words", "datatype": STRING, "string_value": "hello"},
        {"name": "table", "datatype": DATASET, "dataset_value": 3},
        {"name": "nobody wants it", "datatype": DOUBLE, "double_value": 1.0},
        {"name": "L", "datatype": DOUBLE, "double_value": 1.0, "unit": "parsec"},
    )
    decoded = read("NBIRTH", birth)
    assert [*decoded.datastream_ids] == ["t", "g"]
    assert decoded.value[0] == pytest.approx(27.0)
    assert math.isnan(decoded.value[1])
    assert decoded.notes == {"converted": 1, "silent": 1}
    assert decoded.bad_samples == 2
    assert "metric table is a table, which is not read" in decoded.errors[0]
    assert "is in parsec, which cannot become m" in decoded.errors[1]
    later = read("NDATA", packed({"alias": 1, "double_value": 273.15}))
    assert rows(later) == [("t", T_MS * 1000, pytest.approx(0.0))]


def test_messages_that_did_not_come_are_counted():
    read = reader()
    read("NBIRTH", NBIRTH)
    notes = [
        read("NDATA", packed({"alias": 7, "double_value": 1.0}, seq=seq)).notes["lost"]
        for seq in (1, 2, 4, 5, 5)
    ]
    assert notes == [0, 0, 1, 0, 1]
    for seq in range(6, 256):
        assert not read("NDATA", packed(seq=seq)).notes
    assert not read("NDATA", packed(seq=0)).notes
    assert not read("NBIRTH", NBIRTH).notes


def test_history_keeps_its_time_and_impossible_times_do_not():
    read = reader()
    past = packed({"name": "x", "is_historical": True, "timestamp": T_MS - 86_400_000, "double_value": 1.0})
    assert rows(read("NDATA", past)) == [("g.n1.x", (T_MS - 86_400_000) * 1000, 1.0)]
    unset = read("NDATA", packed({"name": "x", "timestamp": 0, "double_value": 1.0}))
    assert rows(unset) == [("g.n1.x", NOW, 1.0)]
    assert unset.notes == {"received_time": 1}
    end = {"name": "x", "timestamp": 2**64 - 1, "double_value": 1.0}
    far = read("NDATA", packed(end, {**end, "name": "y"}, {"name": "y", "double_value": 2.0}))
    assert sorted(zip(far.datastream_ids, far.value, strict=True)) == [("g.n1.x", 1.0), ("g.n1.y", 2.0)]
    assert far.bad_samples == 1
    assert far.notes == {"received_time": 1}
    assert rows(read("NDATA", packed({"name": "x", "double_value": 1.0}, timestamp=None)))[0][1] == NOW


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        ("spBv1.0/g/NDATA", b"", "no topic of Sparkplug B"),
        ("spAv1.0/g/NDATA/n", b"", "no topic of Sparkplug B"),
        ("spBv1.0/g/NDATA/n/d", b"", "NDATA is no type of message"),
        ("spBv1.0/g/DDATA/n", b"", "DDATA is no type of message"),
        ("spBv1.0/g/NDATA/n", b"\x0f", "no message of Protocol Buffers"),
        ("spBv1.0/g/NDATA/n", b"\xff" * 11, "no message of Protocol Buffers"),
        ("spBv1.0/g/NDATA/n", b"\x12\x05\x00", "ends within a field"),
        ("spBv1.0/g/NDATA/n", b"\x12\x03\x0a\x01\xff", "not UTF-8"),
        ("spBv1.0/g/NDATA/n", packed({"name": "x" * 600, "double_value": 1.0}), "600 characters"),
        ("spBv1.0/g/NDATA/n", packed(*[{"name": "x"}] * 20_001), "more than 20000 metrics"),
    ],
)
def test_what_cannot_be_used_is_told(topic, payload, words):
    (one,) = opened([ANY])
    decoded = one.decode(topic, payload, NOW)
    assert len(decoded) == 0
    assert decoded.bad_samples == 1
    assert words in decoded.errors[0]
    assert len(one.decode("spBv1.0/STATE/host", b"{}", NOW).errors) == 0


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(sparkplug, "MOST_NODES", 10)
    monkeypatch.setattr(sparkplug, "MOST_METRICS", 5)
    monkeypatch.setattr(sparkplug, "MOST_KNOWN", 40)
    (one,) = opened([ANY])
    birth = packed(
        *({"name": f"m{i}", "alias": i, "datatype": DOUBLE, "double_value": 1.0} for i in range(20))
    )
    for node in range(30):
        decoded = one.decode(f"spBv1.0/g/NBIRTH/n{node}", birth, NOW)
        assert "more than 5 metrics" in decoded.errors[0]
        births = one.read.__self__
        known = births._nodes.values()
        assert sum(node.size for node in known) == births._known <= 40
        assert len(known) <= 10
    assert one.decode("spBv1.0/g/NDATA/n29", packed({"alias": 2, "double_value": 5.0}), NOW).value[0] == 5.0
    assert one.decode("spBv1.0/g/NDATA/n0", packed({"alias": 2, "double_value": 5.0}), NOW).bad_samples == 1


numbers = st.sampled_from([*range(1, 12)]).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.booleans()
        if kind == BOOLEAN
        else st.floats(allow_nan=False, allow_infinity=False, width=32 if kind == FLOAT else 64)
        if kind in {FLOAT, DOUBLE}
        else st.integers(0, 2 ** (8 << (kind - 5)) - 1)
        if kind >= 5
        else st.integers(-(2 ** ((8 << (kind - 1)) - 1)), 2 ** ((8 << (kind - 1)) - 1) - 1),
    )
)


@given(
    st.dictionaries(st.sampled_from(["a", "b/c", "ü", "long name"]), numbers, max_size=4),
    st.booleans(),
    st.integers(0, 255),
)
def test_payloads_of_the_library_come_out_as_they_were_written(metrics, by_alias, seq):
    birth, data = [], []
    for alias, (name, (kind, value)) in enumerate(metrics.items()):
        raw = value % 2 ** (64 if kind in {4, 8} else 32) if kind < FLOAT else value
        birth.append({"name": name, "alias": alias, "datatype": kind, "is_null": True})
        data.append(
            {"alias": alias} | {VALUE_FIELDS[kind]: raw}
            if by_alias
            else {"name": name, "datatype": kind, VALUE_FIELDS[kind]: raw}
        )
    read = reader()
    read("NBIRTH", packed(*birth, seq=seq))
    found = {name: value for name, _, value in rows(read("NDATA", packed(*data, seq=(seq + 1) % 256)))}
    assert found == {
        f"g.n1.{name.replace(' ', '_').replace('/', '.')}": float(value)
        for name, (_, value) in metrics.items()
    }


def test_what_is_written_the_library_reads():
    back = Payload.FromString(write_payload(2**40, {"a": 1.25, "b": False, "ü" * 100: -0.0}))
    assert back.timestamp == 2**40
    assert [(m.name, m.datatype) for m in back.metrics] == [
        ("a", DOUBLE),
        ("b", BOOLEAN),
        ("ü" * 100, DOUBLE),
    ]
    assert back.metrics[0].double_value == 1.25
    assert struct.pack("d", back.metrics[2].double_value) == struct.pack("d", -0.0)


@given(
    st.sampled_from(["NBIRTH/n", "NDATA/n", "NDEATH/n", "DBIRTH/n/d", "DDATA/n/d", "DDEATH/n/d", "x", ""]),
    st.binary(max_size=60)
    | st.tuples(st.sampled_from([NBIRTH]), st.integers(0, 99), st.binary(max_size=3)).map(
        lambda x: x[0][: x[1]] + x[2] + x[0][x[1] + len(x[2]) :]
    ),
)
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_raises(topic, payload):
    (one,) = opened([ANY])
    one.decode("spBv1.0/g/NBIRTH/n", NBIRTH, NOW)
    for decoded in (
        one.decode(f"spBv1.0/g/{topic}", payload, NOW),
        ANY.decode(f"spBv1.0/g/{topic}", payload, NOW),
    ):
        assert not any(math.isinf(value) for value in decoded.value)
        assert all(error.isascii() and error.isprintable() for error in decoded.errors)
