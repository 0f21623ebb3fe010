"""After the warm-up no kernel is compiled any more, whatever the first hours bring."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from deploy import kernel_cache, warm_up
from gnss.quality import judge
from sensors import routing
from sensors.detectors import detector_names, find_kind
from sensors.detectors.bank import Bank

SCRIPT = '''
import gc
import sys

from numba.core.dispatcher import Dispatcher
from rich.console import Console

import numpy as np

from deploy.registry import Registry
from deploy.settings import Settings
from deploy.warm_up import warm_up
from gnss.simulate import Fault, SimulatedStation
from sensors.model import Station
from streams import codec
from streams.processors.quality_control import QualityControl
from streams.processors.score_stations import ScoreStations
from streams.recent_samples import RecentSamples
from streams.records import RawBatch, RawChunk, SampleBatch

S = 1_000_000
T0_US = 1_760_000_000 * S


def kernels():
    """Return the kernels of the pure rooms with the types that they are compiled for."""
    return {
        (one.__module__, one.__name__, str(types))
        for one in gc.get_objects()
        if isinstance(one, Dispatcher) and one.__module__.startswith(("kernels", "gnss", "sensors"))
        for types in one.overloads
    }


seconds = [*range(20), *range(290, 310), *range(3590, 3620), 7300]
chunks = []
for k in range(3):
    moved = Fault("moved_and_told", T0_US + 300 * S, T0_US + 10**12)
    faults = [Fault("outage", T0_US + 5 * S, T0_US + 9 * S), moved]
    station = SimulatedStation(k, 114.0 + k, 30.5, 40.0, k, faults, kind=4 + k)
    for second in seconds:
        payload = b"".join(station.emit(T0_US + second * S).frames)
        if payload:
            received_us = T0_US + second * S + 200_000
            chunks.append(RawChunk(station_id=f"S{k}", payload=payload, received_at_us=received_us))
chunks.sort(key=lambda chunk: chunk.received_at_us)
if "cold" not in sys.argv:
    warm_up(Registry.of(Settings()), Console(stderr=True))
before = kernels()
judges = ScoreStations([Station(id="S0", name="S0", longitude=114.0, latitude=30.5, height_m=40.0)])
reports = 0
for chunk in chunks:
    for out in (*judges.on_time(chunk.received_at_us - 100_000), *judges.on_batch(RawBatch(chunks=[chunk]))):
        reports += len(getattr(out, "reports", ()))
    if chunk is chunks[len(chunks) // 2]:
        saved = list(judges.snapshot())
        judges = ScoreStations()
        judges.restore(saved)
for k in range(40):
    judges.on_batch(RawBatch(chunks=[RawChunk(station_id=f"new {k}", payload=b"x", received_at_us=T0_US)]))
judges.on_end()
assert reports > 200, reports
at_us, zero = np.array([T0_US, T0_US, T0_US - S]), np.zeros(3)
samples = SampleBatch(
    datastream_ids=["a"], series=zero.astype(np.int32), time_us=at_us, value=zero, received_at_us=at_us
)
recent, control = RecentSamples(), QualityControl((), ())
for _ in range(2):
    control.on_batch(recent.without(codec.decode(codec.encode(samples))))
    recent = RecentSamples(recent.snapshot())
print(len(before))
for one in sorted(kernels() - before):
    print(*one[:2], one[2][:200])
'''


def run(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_service_that_was_warmed_up_compiles_nothing_later():
    known, *later = run()
    assert int(known) > 10
    assert later == []


def test_without_it_there_would_be_something_to_compile():
    assert len(run("cold")) > 5


def test_what_the_second_process_compiles_is_what_is_used():
    warm_up.judge_nothing()
    before = len(judge.judge.signatures), len(judge.miss_all.signatures)
    warm_up.judge_epochs()
    assert (len(judge.judge.signatures), len(judge.miss_all.signatures)) == before


def test_detectors_of_all_kinds_are_compiled_for_what_they_get():
    way, source, begins = np.ones(1, np.int8), np.zeros(1, np.int64), np.array([0, 1])
    columns = (np.ones(1, np.int64), np.ones(1), np.ones(1, np.bool_), np.ones(1, np.int64))
    _, *rows = routing.spread(way, routing.IN_ORDER, source, begins, source, source, columns)
    for name in detector_names():
        bank = Bank(find_kind(name))
        bank.prepare()
        before = len(bank.kind.take.signatures), len(bank.kind.tick.signatures)
        state, limits = np.zeros(4, bank.kind.state), np.zeros(4, bank.kind.limits)
        for kernel, arguments in ((bank.kind.take, (*rows, 1)), (bank.kind.tick, (np.ones(4, bool), 9, 4))):
            kernel(limits, state, *arguments, bank._crossings)
        assert (len(bank.kind.take.signatures), len(bank.kind.tick.signatures)) == before, name


def test_detectors_that_nothing_has_are_compiled_beside_the_program_once(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warm_up, "detector_names", list)
    assert kernel_cache.lacks_detectors() == tmp_path / "detectors"
    warm_up.prepare_detectors()
    assert kernel_cache.lacks_detectors() is None
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert kernel_cache.lacks_detectors() is None, "there is no cache"


def test_the_second_process_ends_well():
    done = subprocess.run(
        [sys.executable, "-m", "deploy.warm_up"], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert not kernel_cache.is_cold()
