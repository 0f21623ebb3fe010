"""The way of a warning with nothing in it: what no program that uses the same servers can be faster than.

`python -m tests.benchmarks.alert_floor in MQTT_PORT KAFKA TOPIC` carries MQTT messages to Kafka as they
come; `... out KAFKA TOPIC URL` posts those of the prober's gauges that have one sample. aiomqtt, aiokafka and
httpx with their defaults, and one hop of Kafka where the program has three.
"""

from __future__ import annotations

import asyncio
import sys

import aiomqtt
import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def bring(mqtt: str, kafka: str, topic: str) -> None:
    """Carry messages to Kafka."""
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka) as producer,
        aiomqtt.Client("127.0.0.1", int(mqtt), identifier="floor") as client,
    ):
        await client.subscribe("sensors/+", qos=1)
        print("ready", flush=True)
        async for message in client.messages:
            await producer.send(topic, message.payload)


async def tell(kafka: str, topic: str, url: str) -> None:
    """Post what the prober waits for."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka)
    async with consumer, httpx.AsyncClient() as client:
        print("ready", flush=True)
        async for record in consumer:
            if b'"id":"T' in record.value:
                samples = msgspec.json.decode(record.value)["samples"]
                if len(samples) == 1:
                    await client.post(url, json={"data": {"subject_id": samples[0]["id"]}})


if __name__ == "__main__":
    asyncio.run({"in": bring, "out": tell}[sys.argv[1]](*sys.argv[2:]))
