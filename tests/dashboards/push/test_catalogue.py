import asyncio

from dashboards.fallback import Fallback
from dashboards.push import catalogue
from dashboards.push.catalogue import Catalogue
from sensors.model import Datastream
from storage.store import StorageError
from tests.dashboards import country as c
from tests.waiting import until


async def test_the_store_is_asked_when_a_series_is_not_known_and_what_was_known_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "SOON_S", 0.02)
    monkeypatch.setattr(catalogue, "EVERY_S", 3600.0)
    country = c.found(tmp_path, minutes=1)
    first = Datastream(id="x1", thing_id="hill", property_id="tilt", name="", unit="deg")
    known, away = Catalogue([first]), ["the database does not answer"]
    assert known.find("x1") == ("hill", "tilt")
    work = asyncio.create_task(
        known.follow(country.store, Fallback(None, lambda: away[0]))  # type: ignore[arg-type]
    )
    await asyncio.sleep(0.05)
    assert known.is_datastream("x1")
    away[0] = ""
    assert known.find("a.b.rain") == ("a.b", "rain")  # nobody knows it: its id says so
    await until(lambda: known.is_datastream(c.GAUGE))
    assert known.find(c.GAUGE) == ("gauge-xiamen", "water_level")
    assert not known.is_datastream("x1")
    country.store.put_registry(datastreams=[first])
    known.find("x1")
    await until(lambda: known.is_datastream("x1"))
    work.cancel()
    country.store.close()


async def test_a_store_with_an_error_is_asked_again(monkeypatch):
    monkeypatch.setattr(catalogue, "SOON_S", 0.01)
    monkeypatch.setattr(catalogue, "EVERY_S", 0.01)
    asked = []

    class Store:
        def series(self, *, limit):
            asked.append(limit)
            raise StorageError("away")

    work = asyncio.create_task(Catalogue().follow(Store()))  # type: ignore[arg-type]
    await until(lambda: len(asked) > 2)
    work.cancel()
