"""Commands to devices: to whom, on which topic, and what is answered; sampling by alerts, over restarts."""

import asyncio
import contextlib
import json
from pathlib import Path

import msgspec
import pytest

from connectors.device_desk import SAMPLING_LEVEL, DeviceDesk
from connectors.device_route import DeviceRoute
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_publish import Outgoing
from connectors.reconnect import BackOff
from connectors.sampling import Sampling
from sensors.payloads.commands import JsonCommand
from sensors.payloads.json import JsonMapping
from streams.records import Command, CommandOutcome
from streams.site_levels import SiteLevels
from tests.streams.test_site_levels import step
from tests.waiting import until

NOW_US = 1_760_000_000_000_000
INTERVALS = {"normal": 3600, "yellow": 600, "red": 60}
ENCODER = JsonCommand(template={"cmd": "{command}", "every": "{interval_s}"})


def route(**more: object) -> DeviceRoute:
    values = {"things": ["slope*"], "topic": "cmd/{device}", "encoder": ENCODER, "intervals_s": INTERVALS}
    return DeviceRoute(**{**values, **more})


def broker(*routes: DeviceRoute, host: str = "broker") -> MqttConfig:
    mapping = JsonMapping(topic="a", datastream="b", value="c")
    return MqttConfig(host=host, mappings=[mapping], devices=list(routes))


class Broker:
    """Stands for brokers: keeps what is published, or is away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.away = False
        self.takes = 10**6

    async def send(self, _: MqttConfig, messages: list[Outgoing]) -> int:
        await asyncio.sleep(0)
        if self.away:
            raise OSError("mqtt://broker:1883 does not take commands (refused)")
        taken = messages[: self.takes]
        self.sent += [(one.topic, json.loads(one.payload)) for one in taken]
        return len(taken)


def asked(command: str = "set_interval", thing: str = "slope-1", **more: object) -> Command:
    arguments = {"command": command, "arguments": {"interval_s": 60}, **more}
    return Command(id="x", kind="device_command", target=thing, by="li", at_us=NOW_US, arguments=arguments)


# --- who gets what ------------------------------------------------------------------------------------


async def test_a_command_goes_to_the_devices_of_a_site_and_to_no_other():
    there = Broker()
    several = route(devices=["{thing}-crack", "{thing}-tilt"])
    desk = DeviceDesk([broker(several, route(things=["gauge"])), broker(host="other")], there.send)
    outcome = await desk.execute(asked())
    assert outcome.ok
    assert outcome.message.startswith("Published for slope-1-crack, slope-1-tilt; whether it is done")
    told = {"cmd": "set_interval", "every": 60}
    assert there.sent == [("cmd/slope-1-crack", told), ("cmd/slope-1-tilt", told)]
    there.sent.clear()
    await desk.execute(asked(device="slope-1-tilt"))
    assert [topic for topic, _ in there.sent] == ["cmd/slope-1-tilt"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (asked(thing="gauge"), "gauge has no device that takes this command; add it to"),
        (asked(device="slope-2"), "slope-1 has no device 'slope-2'"),
        (asked(thing="slope+"), "no topic can be made of device 'slope+'"),
        (asked(arguments={}), "the command has no argument 'interval_s'; give it"),
        (asked(arguments={"a": [1]}), "Expected"),
        (asked(arguments={"a": "x\ny"}), "Expected"),
        (asked(command="two words"), "Expected"),
        (asked(more=1), "unknown field"),
        (asked(SAMPLING_LEVEL), "give one of normal, blue, yellow, orange, red"),
    ],
)
async def test_what_cannot_be_asked_is_answered_in_words_and_nothing_goes_out(command, says):
    there = Broker()
    outcome = await DeviceDesk([broker(route())], there.send).execute(command)
    assert not outcome.ok
    assert says in outcome.message
    assert there.sent == []


async def test_a_broker_that_is_away_or_falls_silent_is_told():
    there = Broker()
    there.away = True
    desk = DeviceDesk([broker(route(devices=["{thing}-a", "{thing}-b"]))], there.send)
    assert "does not take commands" in (await desk.execute(asked())).message
    there.away, there.takes = False, 1
    outcome = await desk.execute(asked())
    assert not outcome.ok
    assert "published for 1 of 2 devices" in outcome.message


async def test_a_fault_of_an_encoder_is_answered(monkeypatch):
    def broken(*_: object) -> bytes:
        raise KeyError("a bug")

    monkeypatch.setattr(JsonCommand, "encode", broken)
    outcome = await DeviceDesk([broker(route())], Broker().send).execute(asked())
    assert "report this" in outcome.message


async def test_a_level_is_the_interval_that_each_route_has_for_it():
    there = Broker()
    desk = DeviceDesk(
        [broker(route(), route(intervals_s={}), route(topic="x/{thing}", intervals_s={"normal": 9}))],
        there.send,
    )
    for level, expected in (("normal", 3600), ("blue", 3600), ("yellow", 600), ("orange", 600), ("red", 60)):
        there.sent.clear()
        outcome = await desk.execute(asked(SAMPLING_LEVEL, arguments={"level": level}))
        assert outcome.ok
        assert there.sent == [
            ("cmd/slope-1", {"cmd": "set_interval", "every": expected}),
            ("x/slope-1", {"cmd": "set_interval", "every": 9}),
        ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"intervals_s": {"green": 1}}, "'green' is no level"),
        ({"intervals_s": {"red": 1}}, "say by `normal`"),
        ({"devices": ["a", "a"]}, "each needs its own name"),
        ({"devices": ["a", "b"], "topic": "x"}, r"write \{device\} in it"),
        ({"topic": "cmd/#"}, r"without \+ and #"),
        ({"topic": "cmd/{what}"}, r"with \{thing\} and \{device\}"),
        ({"topic": ""}, "write one"),
    ],
)
def test_a_wrong_route_is_refused_in_words(wrong, says):
    with pytest.raises(ValueError, match=says):
        route(**wrong)


# --- sampling by alerts ---------------------------------------------------------------------------------


class Recorder:
    """Executes at a desk and keeps what was asked; dies behind the broker when it is told to."""

    def __init__(self, desk: DeviceDesk) -> None:
        self.desk = desk
        self.commands: list[Command] = []
        self.dies = False

    async def execute(self, command: Command) -> CommandOutcome:
        self.commands.append(command)
        outcome = await self.desk.execute(command)
        if self.dies:
            raise asyncio.CancelledError
        return outcome


@contextlib.asynccontextmanager
async def sampling(file: Path, there: Broker, *steps: object):
    desk = DeviceDesk([broker(route())], there.send)
    recorder = Recorder(desk)
    levels = SiteLevels(lambda subject: subject.partition(".")[0])
    quick = BackOff(first_s=0.01, most_s=0.01)
    one = Sampling(desk, levels, recorder.execute, file, lambda: NOW_US, quick)
    one.listen(steps)
    task = asyncio.create_task(one.run())
    try:
        yield one, recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def intervals(there: Broker) -> list[object]:
    return [payload["every"] for _, payload in there.sent]


async def test_each_change_of_level_is_told_once_and_the_end_goes_back(tmp_path):
    there = Broker()
    async with sampling(tmp_path / "told", there) as (one, recorder):
        await asyncio.sleep(0.05)
        assert there.sent == [], "nothing is open, and nobody was told otherwise"
        for steps, expected in (
            ([step("a", 1, "blue", subject="slope.x")], [3600]),
            ([step("a", 2, "yellow", subject="slope.x")], [3600, 600]),
            ([step("b", 1, "yellow", subject="slope.y")], [3600, 600]),
            ([step("b", 2, "red", subject="slope.y")], [3600, 600, 60]),
            ([step("c", 1, "red", subject="gauge.y")], [3600, 600, 60]),
            ([step("b", 3, "red", "closed", subject="slope.y")], [3600, 600, 60, 600]),
            ([step("a", 3, "yellow", "closed", subject="slope.x")], [3600, 600, 60, 600, 3600]),
        ):
            one.listen(steps)
            await until(lambda expected=expected: intervals(there) == expected)
            await asyncio.sleep(0.02)
            assert intervals(there) == expected
        assert len({command.id for command in recorder.commands}) == 5
        assert recorder.commands[2].arguments["because"] == "alert b"
        assert recorder.commands[0].by == "sampling by alerts"


async def test_a_restart_tells_nothing_twice_and_what_was_missed_meanwhile(tmp_path):
    there, file = Broker(), tmp_path / "told"
    red = step("a", 1, "red", subject="slope.x")
    async with sampling(file, there, red):
        await until(lambda: intervals(there) == [60])
        await until(file.exists)
    for _ in range(2):
        async with sampling(file, there, red):
            await asyncio.sleep(0.05)
        assert intervals(there) == [60]
    async with sampling(file, there):  # it was closed while the program was away
        await until(lambda: intervals(there) == [60, 3600])
        await until(lambda: b"normal" in file.read_bytes())
    async with sampling(file, there):
        await asyncio.sleep(0.05)
    assert intervals(there) == [60, 3600]


async def test_a_kill_behind_the_confirmation_repeats_the_same_command(tmp_path):
    there, file, red = Broker(), tmp_path / "told", step("a", 1, "red", subject="slope.x")
    ids = []
    for dies in (True, False):
        async with sampling(file, there, red) as (_, recorder):
            recorder.dies = dies
            await until(lambda: recorder.commands)
            await asyncio.sleep(0.05)
            ids.append(recorder.commands[0].id)
    assert intervals(there) == [60, 60]
    assert ids[0] == ids[1]
    assert file.exists()


async def test_a_broker_that_is_away_is_tried_again_and_gets_what_holds_then(tmp_path):
    there = Broker()
    there.away = True
    async with sampling(tmp_path / "told", there, step("a", 1, "red", subject="slope.x")) as (one, recorder):
        await until(lambda: len(recorder.commands) >= 3)
        assert len({command.id for command in recorder.commands}) == 1, "one line in the audit"
        one.listen(
            [step("a", 2, "red", "closed", subject="slope.x"), step("b", 1, "yellow", subject="slope.x")]
        )
        there.away = False
        await until(lambda: there.sent)
        await asyncio.sleep(0.05)
        assert intervals(there)[-1] == 600


async def test_sites_that_cannot_be_told_hold_up_no_other(tmp_path):
    there = Broker()
    bad = [step(f"a{n}", 1, "red", subject=f"slope+{n}.x") for n in range(5)]  # no topic can be made
    async with sampling(tmp_path / "told", there, *bad, step("z", 1, "red", subject="slope-z.x")):
        await until(lambda: ("cmd/slope-z", {"cmd": "set_interval", "every": 60}) in there.sent)


async def test_a_changed_interval_of_a_level_is_told(tmp_path, monkeypatch):
    there, file, red = Broker(), tmp_path / "told", step("a", 1, "red", subject="slope.x")
    async with sampling(file, there, red):
        await until(file.exists)
    monkeypatch.setitem(INTERVALS, "red", 30)
    async with sampling(file, there, red):
        await until(lambda: intervals(there) == [60, 30])


def test_a_broken_file_is_no_reason_to_stand_still(tmp_path):
    file = tmp_path / "told"
    file.write_bytes(b"{")
    desk = DeviceDesk([broker(route())])
    assert Sampling(desk, SiteLevels(str), desk.execute, file, lambda: 0)._told == {}


def test_the_arguments_travel_as_a_record():
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(asked()), type=Command) == asked()
