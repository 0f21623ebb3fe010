"""While PostgreSQL is stopped, alerts are raised, told, shown and answered; then every row is there, once."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import httpx
import psycopg
import pytest

from storage.postgres import PostgresStore
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import partition_of, pieces
from streams.topics import SAMPLES
from tests.integration.processes import eventually, started
from tests.integration.test_distributed import SECRET, clock_us, tsunami, watch_at
from tests.postgres import postgres
from tests.program import free_port
from tests.servers import KafkaServer
from tests.webhook_receiver import receiver

pytestmark = pytest.mark.integration

CONFIG = """
[server]
public_url = "https://warnings.example"

[kafka]
servers = "{servers}"
prefix = "{prefix}"

[database]
url = "{database}"

[[webhook]]
id = "away"
url = "http://127.0.0.1:{nowhere}/"
secret = "{secret}"
allow_private = true

[[webhook]]
id = "subscriber"
url = "{url}"
secret = "{secret}"
allow_private = true

[[thing]]
id = "gauge"
longitude = 121.0
latitude = 31.0
datastream = [{{ property = "water_level", detectors = {{ sea_level = {{}} }} }}]
"""


async def test_alerts_go_on_without_the_database(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        database = stack.enter_context(postgres())
        PostgresStore(database.url, migrate=True).close()
        subscriber = stack.enter_context(receiver(tmp_path / "webhooks", SECRET, "204"))
        config = tmp_path / "groundswell.toml"
        nowhere, http, *watch = (free_port() for _ in range(5))
        config.write_text(
            CONFIG.format(
                servers=kafka.bootstrap, prefix=prefix, database=database.url, url=subscriber.url,
                secret=SECRET, nowhere=nowhere,
            )
        )  # fmt: skip
        common = "--config", str(config)
        stack.enter_context(started(tmp_path, "worker", "worker", *common))
        stack.enter_context(started(tmp_path, "store", "store", *common, *watch_at(watch[0])))
        notifiers = {
            port: stack.enter_context(started(tmp_path, f"notify-{i}", "notify", *common, *watch_at(port)))
            for i, port in enumerate(watch[1:])
        }
        serve = stack.enter_context(started(tmp_path, "serve", "serve", *common, *watch_at(http)))
        page = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        api = f"http://127.0.0.1:{http}"

        async def get(url: str) -> httpx.Response | None:
            try:
                return await page.get(url)
            except httpx.TransportError:
                return None

        async def active() -> int | None:
            """Return the port of the notifier that has begun."""
            for port in notifiers:
                told = await get(f"http://127.0.0.1:{port}/metrics")
                if told and re.search(
                    r'^groundswell_webhook_waiting\{webhook="subscriber"} ', told.text, re.MULTILINE
                ):
                    return port
            return None

        async def ready() -> bool:
            answers = [await get(f"{where}/readyz") for where in (api, f"http://127.0.0.1:{watch[0]}")]
            return all(answer is not None and answer.status_code == 200 for answer in answers)

        await eventually(ready, "readiness", tmp_path)
        first = await eventually(active, "a notifier that is active", tmp_path)
        async with page.stream("GET", f"{api}/api/v1/live") as live:
            lines = live.aiter_lines()
            await anext(lines)

            database.do("stop")

            async def is_noticed() -> bool:
                answer = await get(f"{api}/readyz")
                return answer is not None and answer.json()["status"] == "without database"

            await eventually(is_noticed, "that the database is away", tmp_path)
            refused = await page.get(f"{api}/api/v1/stations")
            assert refused.status_code == 503
            assert "Alerts and the live page go on" in refused.json()["detail"]

            output = Output(kafka.access, "devices")
            stack.push_async_callback(output.close)
            made = pieces(tsunami(clock_us()))
            partition = partition_of("gauge", SAMPLES)
            await output.send([Message(prefix + SAMPLES.name, partition, one) for one in made])

            def told() -> list[dict[str, object]]:
                return [request["event"] for request in subscriber.requests()]

            async def is_told() -> bool:
                return bool(told())

            await eventually(is_told, "a webhook of the alert", tmp_path)
            notifiers[first].kill()  # type: ignore[index]

            async def open_alert() -> str | None:
                answer = await page.get(f"{api}/api/v1/alerts?state=open")
                assert answer.headers["answered-from"] == "memory"
                items = answer.json()["items"]
                return items[0]["id"] if items else None

            alert = await eventually(open_alert, "the alert in the API", tmp_path)
            remark = {"by": "duty", "comment": "the gauge is being cleaned"}
            answer = await page.post(f"{api}/api/v1/alerts/{alert}/comments", json=remark)
            assert answer.status_code == 200, answer.text
            assert answer.headers["answered-from"] == "memory"
            assert (answer.json()["state"], answer.json()["transitions"][-1]["change"]) == (
                "open",
                "commented",
            )
            answer = await page.post(f"{api}/api/v1/alerts/{alert}/acknowledge", json={"by": "duty"})
            assert answer.status_code == 200, answer.text
            assert answer.headers["answered-from"] == "memory"
            assert (answer.json()["state"], answer.json()["acknowledged_by"]) == ("acknowledged", "duty")
            unknown = await page.post(f"{api}/api/v1/alerts/none/acknowledge", json={"by": "duty"})
            assert unknown.status_code == 503

            # viewers that were there, and those that come now, see it
            async for line in lines:
                if line.startswith("data: ") and '"acknowledged_by":"duty"' in line:
                    break
        async with page.stream("GET", f"{api}/api/v1/live") as live:
            async for line in live.aiter_lines():
                if line.startswith("data: "):
                    assert '"acknowledged_by":"duty"' in line
                    assert '"gauge.water_level"' in line
                    break

        serve.kill()
        serve.start()

        async def is_there_again() -> bool:
            answer = await get(f"{api}/api/v1/alerts/{alert}")
            return (
                answer is not None and answer.status_code == 200 and answer.json()["state"] == "acknowledged"
            )

        await eventually(is_there_again, "a server that began without the database", tmp_path)

        async def is_answer_told() -> bool:
            return any(event["type"] == "alert.acknowledged" for event in told())

        await eventually(is_answer_told, "a webhook of the answer, by the other notifier", tmp_path)
        assert await active() not in {None, first}
        assert told()[0]["data"]["url"].startswith("https://warnings.example/api/v1/alerts/")  # type: ignore[index]

        database.do("start")

        async def rows() -> dict[str, list[tuple[object, ...]]]:
            async with await psycopg.AsyncConnection.connect(database.url) as connection:
                found = {}
                for name, question in QUESTIONS.items():
                    found[name] = await (await connection.execute(question)).fetchall()
                return found

        async def is_complete() -> dict[str, list[tuple[object, ...]]] | None:
            found = await rows()
            done = [one for one in found["deliveries"] if one[2] == "delivered"]
            is_answered = any(alert[1] == "acknowledged" for alert in found["alerts"])
            all_told = len(done) == len(found["transitions"])
            return found if found["commands"] and is_answered and all_told else None

        found = await eventually(is_complete, "every row in the database", tmp_path)
        assert isinstance(found, dict)
        numbers = [number for _, number in found["transitions"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert found["alerts"] == [(alert, "acknowledged", numbers[-1])]
        assert [row[0] for row in found["commands"]] == [True, True]
        assert [one[:2] for one in found["deliveries"] if one[0] == "subscriber"] == [
            ("subscriber", number) for number in numbers
        ]
        assert {one[1] for one in found["deliveries"] if one[0] == "away"} == set(numbers)
        # a kill may repeat what was on its way, under the same id: each id once, in order
        ids = list(dict.fromkeys(request["id"] for request in subscriber.requests()))
        assert ids == [f"{alert}.{number}" for number in numbers]

        async def is_back() -> bool:
            answer = await page.get(f"{api}/api/v1/alerts/{alert}")
            return "answered-from" not in answer.headers and len(answer.json()["transitions"]) == len(numbers)

        await eventually(is_back, "answers from the database", tmp_path)


QUESTIONS = {
    "alerts": "SELECT alert_id, state, number FROM alerts",
    "transitions": "SELECT alert_id, number FROM alert_transitions ORDER BY number",
    "commands": "SELECT ok FROM commands WHERE ok IS NOT NULL",
    "deliveries": "SELECT webhook_id, number, state FROM deliveries ORDER BY webhook_id, number",
}
