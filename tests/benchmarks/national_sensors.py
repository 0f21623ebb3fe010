"""A country's sensors: samples over MQTT, QoS 1, ten in a message, and a ledger of them.

`python -m tests.benchmarks.national_sensors PORT SAMPLES_A_SECOND FIRST_US SECONDS` prints one JSON object
when the broker has confirmed all of it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt

SERIES = 20_000
IN_A_MESSAGE = 10
SPREAD = 20
"""Pieces of a second: sensors do not send all at once."""


def main() -> None:
    port, samples_a_second, first_us, seconds = (int(argument) for argument in sys.argv[1:5])
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "national-sensors", protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(60_000)
    confirmed, done, expected = 0, threading.Event(), -1

    def on_publish(*_: Any) -> None:
        nonlocal confirmed
        confirmed += 1
        if confirmed == expected:
            done.set()

    client.on_publish = on_publish
    client.connect("127.0.0.1", port)
    client.loop_start()
    messages = samples_a_second // IN_A_MESSAGE // SPREAD
    numbers, published, late_s = np.random.default_rng(1), 0, 0.0
    for k in range(seconds * SPREAD):
        due_us = first_us + k * 1_000_000 // SPREAD
        wait_s = due_us / 1e6 - time.time()
        time.sleep(max(wait_s, 0))
        late_s = max(late_s, -wait_s)
        for m in range(messages):
            first = ((k * messages + m) * IN_A_MESSAGE) % SERIES
            now_ms = time.time_ns() // 1_000_000
            site = f"B{first // IN_A_MESSAGE:05d}"
            values = numbers.standard_normal(IN_A_MESSAGE).tolist()
            samples = ",".join(  # as a device of little power writes it
                f'{{"id":"{site}.series{i}","t":{now_ms},"v":{value:.4f}}}' for i, value in enumerate(values)
            )
            client.publish(f"sensors/{site}", f'{{"samples":[{samples}]}}', qos=1)
            published += 1
    expected = published
    if confirmed < published:
        done.wait(60)
    client.loop_stop()
    ledger = {
        "samples": published * IN_A_MESSAGE,
        "confirmed": confirmed * IN_A_MESSAGE,
        "late_s": late_s,
        "cpu_s": time.process_time(),
    }
    print(json.dumps(ledger))


if __name__ == "__main__":
    main()
