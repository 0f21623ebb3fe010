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
        ({"format": "morse"}, "there is no format 'morse' of commands, only json"),
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
