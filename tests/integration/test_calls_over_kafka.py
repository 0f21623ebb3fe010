"""People are called about an alert over real Kafka: worker, writer, notifier and server as processes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import httpx
import pytest

from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import pieces
from streams.records import Detection, Detections
from streams.topics import DETECTIONS
from tests.integration.processes import eventually, started
from tests.integration.test_distributed import clock_us, watch_at
from tests.program import free_port
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[calls]
link_secret = "0123456789abcdef0123456789abcdef"

[[thing]]
id = "gauge"
longitude = 121.0
latitude = 31.0
datastream = [{{ property = "water_level", detectors = {{ sea_level = {{}} }} }}]
"""
PERSON = {"contacts": [{"channel": "sms", "to": "+8613812345678"}]}
STEPS = [
    {"to": ["person:li"]},
    {"to": ["person:wang"], "after_s": 600},
    {"to": ["person:head"], "after_s": 603, "answer": False},
]
PLAN = {"site": "gauge", "levels": {"blue": {"steps": STEPS, "turns": 1}}}


def logs_in(folder: Path) -> str:
    """Return what all processes have logged."""
    found = "".join(log.read_text() for log in folder.glob("**/*log*") if log.is_file())
    assert found, "there are logs"
    return found


async def test_a_channel_that_is_not_there_is_told_and_the_next_ones_are_called(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        config = tmp_path / "groundswell.toml"
        config.write_text(CONFIG.format(servers=kafka.bootstrap, prefix=prefix))
        http, *watch = (free_port() for _ in range(4))
        common, data = ("--config", str(config)), ("--data", str(tmp_path / "data"))
        stack.enter_context(started(tmp_path, "worker", "worker", *common, *watch_at(watch[0])))
        stack.enter_context(started(tmp_path, "store", "store", *common, *data, *watch_at(watch[1])))
        notifier = stack.enter_context(started(tmp_path, "notify", "notify", *common, *watch_at(watch[2])))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=30))

        async def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                asked = [await client.get(f"http://127.0.0.1:{port}/readyz") for port in watch]
                return all(one.status_code == 200 for one in asked)
            return False

        await eventually(ready, "readiness", tmp_path)
        stack.enter_context(started(tmp_path, "serve", "serve", *common, *data, *watch_at(http)))
        api = f"http://127.0.0.1:{http}/api/v1"

        async def serves() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"{api}/alerts")).status_code == 200
            return False

        await eventually(serves, "the server", tmp_path)
        for path, body in (
            ("persons/li", PERSON), ("persons/wang", PERSON), ("persons/head", PERSON), ("plans/sea", PLAN),
        ):  # fmt: skip

            async def is_put(path: str = path, body: object = body) -> bool:
                return (
                    await client.put(f"{api}/{path}", json=body, params={"by": "test"})
                ).status_code == 200

            await eventually(is_put, path, tmp_path)  # the server may not listen for answers yet
        output = Output(kafka.access, "devices")
        stack.push_async_callback(output.close)
        now_us = clock_us()
        found_now = Detection(
            detector="sea_level", version="1", subject_id="gauge.water_level", phase="begin", level="orange",
            onset_us=now_us, at_us=now_us, detected_at_us=now_us, title="High water", value=1.0,
            threshold=0.5, unit="m", evidence={},
        )  # fmt: skip
        made = pieces(Detections(detections=[found_now]))
        await output.send([Message(prefix + DETECTIONS.name, 0, one) for one in made])

        async def called() -> dict[str, list[dict[str, object]]] | None:
            items = (await client.get(f"{api}/alerts")).json()["items"]
            if not items:
                return None
            found = (await client.get(f"{api}/alerts/{items[0]['id']}/calls")).json()
            is_told = len(found["calls"]) >= 3 and all(one["receipts"] for one in found["calls"])
            return found if is_told else None

        found = await eventually(called, "that three people are called", tmp_path)
        assert [(one["person"], one["purpose"]) for one in found["calls"]] == [
            ("li", "call"), ("wang", "call"), ("head", "message"),
        ]  # fmt: skip
        assert all(one["to"] == "+8613812345678" for one in found["calls"])
        for one in found["calls"]:
            (said,) = one["receipts"]
            assert (said["state"], said["detail"]) == ("failed", "no channel sms is configured")
        assert [(one["person"], one["answer"]) for one in found["answers"]] == [
            ("li", "unreachable"), ("wang", "unreachable"),
        ]  # fmt: skip
        at = [one["at"] for one in found["calls"]]
        assert at == sorted(at)
        notifier.kill()
        notifier.start()
        await eventually(ready, "readiness after a kill", tmp_path)
        again = await called()
        assert again == found, "a notifier that begins again brings nothing twice"
        assert "13812345678" not in logs_in(tmp_path)
