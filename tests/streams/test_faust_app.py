"""The runtime over Kafka as it is asked before it has begun."""

from __future__ import annotations

from streams.faust_app import FaustConfig, FaustRuntime
from streams.kafka.access import Access
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline


async def test_who_asks_how_it_is_while_it_starts_makes_no_consumer_of_its_own():
    access = Access("127.0.0.1:1")
    worker = Worker(access, "one", lambda _: Pipeline([]), lambda name: name, lambda: 0, "p.")
    runtime = FaustRuntime(FaustConfig(access, "p.", None), worker)
    runtime._app._started.set()  # as from the first moment of its start
    assert runtime.lag() == {}
    assert "has not answered yet" in runtime.error(0)
    assert runtime._app._consumer is None
