import time

import httpx
import msgspec
import numpy as np

from deploy.addresses import Addresses
from deploy.figures import station_figures
from deploy.service import opened
from deploy.settings import Settings
from gnss.rtcm.framing import build_frame
from gnss.simulate import SimulatedStation
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, SampleBatch
from tests.waiting import until

NOWHERE = "http://127.0.0.1:9/none"
SECRET = "whsec_Z3JvdW5kc3dlbGwtZGVtby1zZWNyZXQtMjAyNg=="


def config() -> Settings:
    return msgspec.convert(
        {
            "thing": [{"id": "g", "longitude": 1.0, "latitude": 2.0, "datastream": [{"property": "rain"}]}],
            "webhook": [{"id": "duty", "url": NOWHERE, "secret": SECRET, "allow_private": True}],
        },
        Settings,
    )


async def test_what_is_left_out_or_refused_reaches_the_metrics(tmp_path):
    addresses = Addresses(("127.0.0.1", 0), ("127.0.0.1", 0))
    async with opened(config(), tmp_path, addresses) as service:
        batch = SampleBatch(
            datastream_ids=["g.rain", "nobody"],
            series=np.array([0, 0, 1], np.int32),
            time_us=np.array([2_000_000, 1_000_000, 1_000_000]),
            value=np.array([1.0, 2.0, 3.0]),
            received_at_us=np.full(3, 3_000_000),
        )
        await service.runtime.put_samples(batch)
        await until(lambda: service.runtime.health.rounds > 0)
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{service.addresses.ntrip[0]}:{service.addresses.ntrip[1]}/NONE")
            text = (await client.get(f"{service.addresses.page}/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    left_out = 'groundswell_processor_left_out_total{processor="quality-control",what="%s"}'
    assert float(lines[left_out % "unknown_samples"]) == 1
    assert float(lines[left_out % "late_samples"]) == 1
    assert float(lines['groundswell_caster_refused_total{reason="unknown"}']) == 1
    assert float(lines["groundswell_caster_requests_total"]) == 1
    assert float(lines["groundswell_pipeline_rounds_total"]) > 0
    assert float(lines["groundswell_ephemerides"]) == 0
    assert float(lines[left_out.replace("quality-control", "score-stations") % "refused_ephemerides"]) == 0
    assert float(lines["groundswell_pipeline_failures_total"]) == 0
    assert float(lines['groundswell_storage_failing{part="store"}']) == 0
    assert float(lines['groundswell_webhook_given_up_total{webhook="duty"}']) == 0
    assert float(lines["groundswell_archive_dropped_bytes_total"]) == 0


def test_what_stations_send_is_counted_by_message():
    station = SimulatedStation(1, 121.2, 31.1, 20.0, seed=1)
    judge = ScoreStations(())
    start_us = 1_760_000_040_000_000
    unknown = build_frame((4050 << 4).to_bytes(2, "big") + b"abc")
    damaged = unknown[:-1] + bytes([unknown[-1] ^ 1])
    for second in range(3):
        frames = b"".join(station.emit(start_us + second * 1_000_000).frames)
        chunk = RawChunk(
            station_id=f"S{second % 2}",
            payload=frames + unknown + damaged,
            received_at_us=start_us + second * 1_000_000 + 200_000,
        )
        judge.on_batch(RawBatch(chunks=[chunk]))
    judge.on_batch(RawBatch(chunks=[RawChunk(station_id="S0", payload=b"?" * 9, received_at_us=start_us)]))
    figures = {figure.name: figure.values() for figure in station_figures([judge])}
    messages = {name: n for (name,), n in figures["rtcm_messages"].items()}
    assert messages["opaque"] == 3
    assert messages["1077"] == messages["1087"] == 3
    assert messages["1006"] >= 1
    assert set(messages) >= {"1019", "1127"}
    assert "4050" not in messages
    assert figures["ephemerides"][()] > 0
    counts = judge.counts()
    assert counts["bad_frames"] == 3
    assert counts["refused_ephemerides"] == 0


async def test_verdicts_of_the_pipeline_lead_rovers_and_their_figures_are_told(tmp_path):
    stations = [
        {"id": name, "longitude": 114.0 + n, "latitude": 30.0, "source": "tcp://127.0.0.1:9"}
        for n, name in enumerate(("NEAR", "GOOD"))
    ]
    settings = msgspec.convert({"station": stations}, Settings)
    async with opened(settings, tmp_path, Addresses(("127.0.0.1", 0), ("127.0.0.1", 0))) as service:
        roaming = service.edge.caster.roaming
        await until(lambda: roaming.network.size == 2)
        station = SimulatedStation(1, 114.0, 30.0, 20.0, seed=1)
        now_us = time.time_ns() // 1000
        for second in range(3):
            at_us = now_us - now_us % 1_000_000 + second * 1_000_000
            await service.runtime.put(
                RawChunk(
                    station_id="NEAR", payload=b"".join(station.emit(at_us).frames), received_at_us=at_us + 1
                )
            )
        await until(lambda: roaming.network.bases["NEAR"].judged_s > 0)
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{service.addresses.page}/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for name in ("NEAREST", "BEST"):
        for state in ("led", "without base", "without position"):
            assert lines[f'groundswell_roaming_rovers{{mountpoint="{name}",state="{state}"}}'] == "0.0"
    for name in ("caster_gga_sentences", "caster_gga_bad", "roaming_without_position"):
        assert float(lines[f"groundswell_{name}_total"]) == 0
