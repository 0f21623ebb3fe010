"""An outlet towards a broker that is not there: it holds up nobody, and what waits is bounded."""

from __future__ import annotations

import asyncio
import contextlib

import aiomqtt
import pytest

from connectors import mqtt_outlet
from connectors.mqtt_config import BrokerConfig
from connectors.mqtt_outlet import MqttOutlet
from connectors.mqtt_publish import Outgoing
from tests.mosquitto import mosquitto
from tests.program import free_port
from tests.waiting import until


def messages(*numbers: int, of: str = "t") -> list[Outgoing]:
    return [Outgoing(f"{of}/{number}", b"%d" % number, retain=False) for number in numbers]


def test_a_broker_is_named_and_its_certificates_make_sense():
    for wrong in (
        {"host": ""},
        {"host": "x", "port": 0},
        {"host": "x", "ca_file": "y"},
        {"host": "x", "keepalive_s": 1},
    ):
        with pytest.raises(ValueError, match="mqtt"):
            BrokerConfig(**wrong)
    assert "secret" not in repr(BrokerConfig(host="x", username="u", password="secret"))


@pytest.mark.integration
@pytest.mark.parametrize("qos", [0, 1])
async def test_what_waits_for_a_broker_goes_when_it_comes_and_the_oldest_is_given_up(
    tmp_path, monkeypatch, qos
):
    monkeypatch.setattr(mqtt_outlet, "MOST_WAITING", 30)
    port = free_port()
    outlet = MqttOutlet(BrokerConfig(host="127.0.0.1", port=port), qos)
    running = asyncio.create_task(outlet.run(again_s=lambda _: 0.05))
    outlet.offer(messages(*range(50)))
    await until(lambda: outlet.error)
    assert (outlet.waiting, outlet.dropped) == (30, 20)
    assert f"127.0.0.1:{port}" in outlet.error
    with mosquitto(tmp_path / "broker", port=port) as broker:
        await until(lambda: outlet.published == 30)
        assert outlet.error == ""
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("later/#", qos=1)
            outlet.offer(messages(*range(100, 125), of="later"))
            found = []
            async with asyncio.timeout(20):
                async for message in client.messages:
                    found.append(bytes(message.payload))
                    if len(found) == 25:
                        break
        assert found == [b"%d" % number for number in range(100, 125)]
        broker.kill()
        broker.start()
        outlet.offer(messages(1))
        await until(lambda: outlet.published == 56)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
