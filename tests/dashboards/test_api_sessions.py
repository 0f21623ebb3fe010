"""Who gets streams now, over the API."""

from connectors.caster.session_book import Session, Sessions
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

PATH = "/api/v1/sessions"


async def test_sessions_are_listed_with_the_token_only(tmp_path):
    country = c.found(tmp_path, minutes=1)
    book = Sessions("wuhan")
    book.begin("li", "WUHN", "203.0.113.0/24", c.START_US)
    book.begin("wu", "SHAO", "", c.START_US + 1_000_000).n_bytes = 7
    book.take(Session("..:hubei:c1", 1, "..:chen", "", "", c.START_US + 2_000_000))
    app = country.app(write_token="t" * 20, sessions=book.every)
    async with client_of(app) as client:
        refused = await client.get(PATH)
        assert refused.status_code == 401
        assert "Seeing who gets streams needs the write token" in refused.text
        headers = {"authorization": f"Bearer {'t' * 20}"}
        told = (await client.get(PATH, headers=headers)).json()
        assert told["items"][0] == {
            "account": "li", "mountpoint": "WUHN", "address": "203.0.113.0/24",
            "since": "2026-01-01T00:00:00Z", "bytes_sent": 0, "caster": "wuhan", "longitude": None,
            "latitude": None,
        }  # fmt: skip
        for asked, accounts in (
            ({"mountpoint": "SHAO"}, ["wu"]),
            ({"account": "li"}, ["li"]),
            ({"account": "li", "mountpoint": "SHAO"}, []),
            ({}, ["li", "wu", "chen"]),
            ({"account": "chen"}, ["chen"]),
        ):
            told = (await client.get(PATH, headers=headers, params=asked)).json()
            assert [one["account"] for one in told["items"]] == accounts
    country.store.close()


async def test_where_no_caster_tells_there_are_none(tmp_path):
    country = c.found(tmp_path, minutes=1)
    async with client_of(country.app()) as client:
        assert (await client.get(PATH)).json() == {"items": [], "next": None}
    country.store.close()
