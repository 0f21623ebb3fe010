"""How commands are written for devices."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.payloads import commands
from sensors.payloads.commands import (
    DeviceCommand,
    Encoder,
    JsonCommand,
    TextCommand,
    configured_encoder,
    register_encoder,
)
from sensors.payloads.hj212 import commands as hj212
from sensors.payloads.sl651 import commands as sl651

AT_US = 1_760_000_000_000_000


def command(**arguments: object) -> DeviceCommand:
    return DeviceCommand(
        thing="slope", device="crack-1", name="set_interval", arguments=arguments, at_us=AT_US
    )


def test_a_template_is_filled_and_a_number_stays_one():
    template = {
        "cmd": "{command}",
        "to": ["{device}", "{thing}/{device}"],
        "every": "{interval_s}",
        "text": "each {interval_s} s",
        "on": "{on}",
        "at": "{epoch_ms}",
        "fixed": 7,
    }
    payload = JsonCommand(template=template).encode(command(interval_s=60, on=True))
    assert json.loads(payload) == {
        "cmd": "set_interval",
        "to": ["crack-1", "slope/crack-1"],
        "every": 60,
        "text": "each 60 s",
        "on": True,
        "at": AT_US // 1000,
        "fixed": 7,
    }


def test_without_a_template_all_is_said():
    assert json.loads(JsonCommand().encode(command(interval_s=60))) == {
        "command": "set_interval",
        "arguments": {"interval_s": 60},
        "time": "2025-10-09T08:53:20Z",
    }


def test_text_is_filled():
    assert TextCommand(template="AT+INT={interval_s}").encode(command(interval_s=5)) == b"AT+INT=5"


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="no argument 'interval_s'; give it"):
        JsonCommand(template={"every": "{interval_s}"}).encode(command())


def test_an_argument_does_not_pass_for_the_device():
    payload = JsonCommand(template={"to": "{device}"}).encode(command(device="another"))
    assert json.loads(payload) == {"to": "crack-1"}


@given(st.dictionaries(st.text("abc", min_size=1), st.text() | st.integers(-(2**53), 2**53) | st.booleans()))
def test_arguments_cannot_leave_their_place(arguments):
    template = {name: f"{{{name}}}" for name in arguments}
    made = DeviceCommand(thing="t", device="d", name="n", arguments=arguments, at_us=0)
    known = {"thing", "device", "command", "arguments", "time"}
    try:
        payload = JsonCommand(template=template).encode(made)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return  # half a surrogate pair
    assert {name: value for name, value in json.loads(payload).items() if name not in known} == arguments


def test_an_encoder_of_a_configuration_is_found_by_its_name():
    assert configured_encoder({"template": {}}) == JsonCommand(template={})
    assert configured_encoder({"format": "text", "template": "x"}) == TextCommand(template="x")
    for wrong, says in (
        ({"format": "morse"}, "there is no format 'morse' of commands, only .*json"),
        ({"format": "text"}, "template"),
        ({"template": {}, "more": 1}, "unknown field"),
        ("json", "a table of keys and values"),
    ):
        with pytest.raises(ValueError, match=says):
            configured_encoder(wrong)


def test_a_format_is_registered_once(monkeypatch):
    class Frame(msgspec.Struct):
        def encode(self, told: DeviceCommand) -> bytes:
            return told.name.encode()

    monkeypatch.setattr(commands, "_encoders", dict(commands._encoders))
    register_encoder("frame", Frame)
    found = configured_encoder({"format": "frame"})
    assert isinstance(found, Encoder)
    assert found.encode(command()) == b"set_interval"
    with pytest.raises(ValueError, match="two formats"):
        register_encoder("frame", Frame)


def test_frames_of_sl651_are_those_of_its_commands():
    encoder = configured_encoder({"format": "sl651", "center": 2, "password": "12ab"})
    station = sl651.Station("0012345678", 2, b"\x12\xab")
    for name, arguments, expected in (
        ("set_interval", {"interval_s": 60, "level": "red"}, {"sampling_interval_s": 60}),
        ("set_parameters", {"report_interval_h": 6}, {"report_interval_h": 6}),
    ):
        made = DeviceCommand(thing="t", device="0012345678", name=name, arguments=arguments, at_us=AT_US)
        assert encoder.encode(made) == sl651.set_parameters(station, AT_US, expected)
    made = DeviceCommand(thing="t", device="0012345678", name="set_clock", arguments={}, at_us=AT_US)
    assert encoder.encode(made) == sl651.set_clock(station, AT_US)
    assert encoder.encode(msgspec.structs.replace(made, name="query_now")) == sl651.query_now(station, AT_US)
    for wrong, says in (
        ({"name": "sing"}, "no command 'sing' here; use set_interval"),
        ({"name": "set_interval"}, "interval_s, a whole number"),
        ({"name": "set_parameters", "arguments": {"colour": 1}}, "no parameter 'colour'"),
        ({"device": "12"}, "an address of ten digits"),
    ):
        with pytest.raises(ValueError, match=says):
            encoder.encode(msgspec.structs.replace(made, **wrong))


def test_packets_of_hj212_are_those_of_its_commands():
    encoder = configured_encoder({"format": "hj212", "st": "21", "version": 2})
    device = hj212.Device("MN1", "21", "123456", 2)
    made = DeviceCommand(
        thing="t", device="MN1", name="set_interval", arguments={"interval_s": 30}, at_us=AT_US
    )
    assert encoder.encode(made) == hj212.set_real_time_interval(device, AT_US, 30)
    for name, write in (
        ("set_clock", hj212.set_clock),
        ("start", hj212.start_real_time),
        ("stop", hj212.stop_real_time),
    ):
        assert encoder.encode(msgspec.structs.replace(made, name=name)) == write(device, AT_US)
    for wrong, says in (
        ({"name": "sing"}, "no command 'sing' here; use set_interval"),
        ({"arguments": {"interval_s": 1.5}}, "a whole number"),
        ({"arguments": {"interval_s": 86400}}, "1 to 9999 seconds"),
    ):
        with pytest.raises(ValueError, match=says):
            encoder.encode(msgspec.structs.replace(made, **wrong))
