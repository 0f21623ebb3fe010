import httpx
import msgspec
import numpy as np

from deploy.service import Addresses, opened
from deploy.settings import Settings
from streams.records import SampleBatch
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
    assert float(lines["groundswell_pipeline_failures_total"]) == 0
    assert float(lines['groundswell_storage_failing{part="store"}']) == 0
    assert float(lines['groundswell_webhook_given_up_total{webhook="duty"}']) == 0
    assert float(lines["groundswell_archive_dropped_bytes_total"]) == 0
