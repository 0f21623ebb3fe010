"""A real tide gauge through a real Mosquitto: one alert, its webhook verified elsewhere, acknowledged."""

import csv
import gzip
import json
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import httpx
import paho.mqtt.client as mqtt
import pytest

from tests.mosquitto import mosquitto
from tests.program import free_port, running

pytestmark = pytest.mark.acceptance

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

RECEIVER = """
    import http.server, json, sys
    from standardwebhooks import Webhook

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                event = Webhook(sys.argv[2]).verify(body, dict(self.headers))
            except Exception as error:
                event = {"error": repr(error)}
            with open(sys.argv[3], "a") as log:
                log.write(json.dumps({"id": self.headers["webhook-id"], "event": event}) + "\\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
"""

CONFIG = """
[[thing]]
id = "nukualofa"
name = "Nuku'alofa"
longitude = -175.18
latitude = -21.14
  [[thing.datastream]]
  property = "water_level"
  detectors = {{ sea_level = {{}} }}

[[mqtt]]
host = "127.0.0.1"
port = {broker}
client_id = "groundswell-test"
topics = ["tide/#"]
  [[mqtt.mappings]]
  topic = "tide/+/level"
  datastream = "{{1}}.water_level"
  value = "height"
  time = "time"
  time_format = "iso8601"

[[webhook]]
id = "duty"
url = "http://127.0.0.1:{receiver}/"
secret = "{secret}"
allow_private = true
"""


def samples(path):
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


@pytest.mark.parametrize(
    ("name", "earliest", "latest"),
    [
        ("tohoku_tsunami", "2011-03-11T16:30", "2011-03-11T16:50"),
        ("samoa2009", "2009-09-29T19:36", "2009-09-29T19:50"),
    ],
)
def test_one_alert_in_time_and_none_before(tmp_path, data, name, earliest, latest):
    recording = data / f"tidegauge/nukualofa_{name}_detided.csv.gz"
    receiver_port = free_port()
    received = tmp_path / "received.jsonl"
    received.touch()
    receiver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RECEIVER), str(receiver_port), SECRET, str(received)]
    )
    config = tmp_path / "groundswell.toml"
    try:
        # Published in two seconds, far faster than a device: the broker must be told to keep them all.
        with mosquitto(tmp_path / "broker", "max_queued_messages 0") as broker:
            config.write_text(CONFIG.format(broker=broker.port, receiver=receiver_port, secret=SECRET))
            with running(tmp_path, "run", "--config", config) as program:
                program.wait_ready()
                program.wait_for(
                    "the subscription",
                    lambda: any(s["phase"] == "streaming" for s in program.items("/api/v1/streams")),
                )
                sent = publish(broker.port, recording)
                program.wait_for("all samples", lambda: count(program) >= sent, 120)
                alerts = program.items("/api/v1/alerts")
                assert len(alerts) == 1, [(a["onset_at"], a["level"]) for a in alerts]
                onset = datetime.fromisoformat(alerts[0]["onset_at"])
                assert stamp(earliest) <= onset <= stamp(latest)
                assert alerts[0]["evidence"]

                event = program.wait_for("the webhook", lambda: lines(received))[0]
                assert event["event"]["data"]["id"] == alerts[0]["id"], event
                before = httpx.post(
                    f"{program.url}/api/v1/alerts/{alerts[0]['id']}/acknowledge",
                    json={"by": "duty officer", "comment": "seen"},
                    timeout=10,
                )
                assert before.status_code == 200, before.text
                assert program.get(f"/api/v1/alerts/{alerts[0]['id']}")["acknowledged_by"] == "duty officer"
                assert '"state":"acknowledged"' in live_alert(program, alerts[0]["id"])
                program.wait_for(
                    "the webhook of the acknowledgement",
                    lambda: [e for e in lines(received) if e["event"].get("type") == "alert.acknowledged"],
                )
                assert all("error" not in e["event"] for e in lines(received))
                ids = [e["id"] for e in lines(received)]
                assert len(ids) == len(set(ids))
                assert program.stop() == 0, program.tail()
    finally:
        receiver.kill()
        receiver.wait()


def live_alert(program, alert_id: str) -> str:
    """Return what the live stream says of an alert to a page that opens now."""
    text = ""
    with httpx.stream("GET", program.url + "/api/v1/live", timeout=10) as live:
        for piece in live.iter_text():
            text += piece
            if alert_id in text and "\n\n" in text[text.index(alert_id) :]:
                return text[text.index(alert_id) :].partition("\n\n")[0]
    raise AssertionError("the live stream ended")


def publish(port: int, recording) -> int:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    last, sent = None, 0
    for row in samples(recording):
        payload = {"time": iso(row["time"]), "height": row["height"]}
        last = client.publish("tide/nukualofa/level", json.dumps(payload), qos=1)
        sent += 1
    last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()
    return sent


def iso(text: str) -> str:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=time.tzinfo or UTC).isoformat()


def stamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def count(program) -> int:
    windows = program.get(
        "/api/v1/datastreams/nukualofa.water_level/observations",
        start="2009-01-01T00:00:00Z",
        end="2012-01-01T00:00:00Z",
        window="1d",
        aggregate="count",
    )["items"]
    return sum(w["count"] for w in windows)
