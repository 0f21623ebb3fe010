"""A buoy that moves and a seismometer that sends packets, through the whole program."""

import json
import time
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from connectors.http_push import hash_of
from tests.program import running

pytestmark = pytest.mark.acceptance

RATE_HZ = 100
CONFIG = """
[[thing]]
id = "buoy"
name = "Drifting buoy"
longitude = 121.0
latitude = 30.0
  [[thing.datastream]]
  property = "water_temperature"
  tests = {{ location = {{ range_max_m = 500 }}, spike = {{ off = true }} }}

[[thing]]
id = "hill"
name = "Hill"
longitude = 104.0
latitude = 31.0
  [[thing.datastream]]
  property = "seismic_counts"
  detectors = {{ shaking = {{}} }}

[[http_push]]
id = "field"
token_hash = "{token}"
  [[http_push.mappings]]
  topic = "field/buoy"
  datastream = "buoy.water_temperature"
  value = "t"
  time = "at"
  time_format = "epoch_s"
  longitude = "lon"
  latitude = "lat"
  [[http_push.mappings]]
  topic = "field/hill"
  datastream = "hill.seismic_counts"
  value = "trace"
  time = "at"
  time_format = "epoch_s"
  waveform = true
  rate = "fs"
"""


def packets():
    """A minute of noise, and an event of 15 Hz at 40 s; a packet each second."""
    n = 60 * RATE_HZ
    after = np.arange(n) - 40 * RATE_HZ
    wave = 3000 * np.sin(2 * np.pi * 15 * after / RATE_HZ) * np.exp(-np.maximum(after, 0) / RATE_HZ)
    trace = (np.where(after >= 0, wave, 0.0) + np.random.default_rng(1).normal(0, 100, n)).round()
    return trace.reshape(-1, RATE_HZ)


def test_positions_and_waveforms_arrive(tmp_path):
    begin_s = int(time.time()) - 600
    since = {"start": datetime.fromtimestamp(begin_s, UTC).isoformat()}
    config = tmp_path / "groundswell.toml"
    config.write_text(CONFIG.format(token=hash_of("token")))
    with running(tmp_path, "run", "--config", config) as program:
        program.wait_ready()

        def post(device: str, message: object) -> None:
            answer = httpx.post(
                f"{program.url}/api/v1/samples/field/{device}",
                headers={"authorization": "Bearer token"},
                content=json.dumps(message),
                timeout=20,
            )
            assert answer.status_code == 202, answer.text

        drift = [(121.0 + 0.001 * k, 30.0) for k in range(4)] + [(122.0, 30.0)]
        for k, (longitude, latitude) in enumerate(drift):
            post("buoy", {"at": begin_s + 60 * k, "t": 15 + k, "lon": longitude, "lat": latitude})
        sent = packets()
        for k, trace in enumerate(sent):
            post("hill", {"at": begin_s + k, "fs": RATE_HZ, "trace": trace.tolist()})

        path = "/api/v1/datastreams/buoy.water_temperature/observations"
        found = program.get(path, **since)["items"]
        assert [(one["longitude"], one["latitude"]) for one in found] == drift
        assert [one["flags"]["location"] for one in found] == [1, 1, 1, 1, 3]
        near = program.get(path, **since, bbox="121.0005,29,121.5,31")["items"]
        assert [one["value"] for one in near] == [16, 17, 18]

        path = "/api/v1/datastreams/hill.seismic_counts/waveforms"
        kept = program.get(path, **since)["items"]
        assert [one["values"] for one in kept] == sent.tolist()
        assert {one["step_s"] for one in kept} == {0.01}
        (alert,) = program.items("/api/v1/alerts")
        assert alert["subject_id"] == "hill.seismic_counts"
        assert program.stop() == 0, program.tail()
