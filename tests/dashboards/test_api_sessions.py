"""Who gets streams now, over the API."""

from collections import Counter

import pytest

from connectors.caster.session_book import Session, Sessions
from dashboards.api import sessions as sessions_routes
from streams.records import Change, Changes, KeptSession, KeptSessions, SessionLeg
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

PATH = "/api/v1/sessions"


async def test_sessions_are_listed_with_the_token_only(tmp_path):
    country = c.found(tmp_path, minutes=1)
    book = Sessions("wuhan")
    book.begin("li", "WUHN", "203.0.113.0/24", c.START_US)
    book.begin("wu", "SHAO", "", c.START_US + 1_000_000).n_bytes = 7
    book.take(Session("..:hubei:c1", 1, "..:chen", "", "", c.START_US + 2_000_000))
    app = country.app(write_token="t" * 20, sessions=lambda: book)
    async with client_of(app) as client:
        refused = await client.get(PATH)
        assert refused.status_code == 401
        assert "Seeing who gets streams needs the write token" in refused.text
        headers = {"authorization": f"Bearer {'t' * 20}"}
        told = (await client.get(PATH, headers=headers)).json()
        assert told["items"][0] == {
            "id": "wuhan/0", "region": "", "base": "", "base_since": None, "reason": "", "quality": None,
            "correction_age_s": None, "heard": None, "agent": "", "ntrip_version": None, "epochs_sent": 0,
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


TOKEN = "t" * 20
HEADERS = {"authorization": f"Bearer {TOKEN}"}
ROVERS = (
    # caster, account, mountpoint, base, longitude, latitude, quality
    ("wuhan", "li", "NEAREST", "WUHN", 114.4, 30.5, 4),
    ("wuhan", "li", "NEAREST", "HUAN", 115.0, 30.2, 5),
    ("wuhan", "", "WUHN", "WUHN", None, None, None),
    ("hubei:enshi", "wu", "BEST", "", 179.9, -10.0, 0),
    ("hubei:enshi", "wu", "BEST", "hubei:ENSH", -179.9, -10.0, 4),
)


def a_book():
    book = Sessions("wuhan")
    for number, (caster, account, mountpoint, base, longitude, latitude, quality) in enumerate(ROVERS):
        one = Session(caster, number, account, mountpoint, "", c.START_US + number)
        if caster == "wuhan":
            one = book.begin(account, mountpoint, "", c.START_US + number)
        one.base, one.longitude, one.latitude, one.quality = base, longitude, latitude, quality
        book.take(one)
    return book


class Asked:
    """Asks an app that has a book and a token."""

    def __init__(self, country, book):
        self.country, self.book = country, book
        self.app = country.app(write_token=TOKEN, sessions=lambda: book, regional=("hubei:",))

    async def __call__(self, path="", status=200, **params):
        answer = await self.request("GET", PATH + path, headers=HEADERS, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def request(self, method, path, **more):
        async with client_of(self.app) as client:
            return await client.request(method, path, **more)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from asking(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from asking(tmp_path)


def asking(folder):
    country = c.found(folder, minutes=1)
    yield Asked(country, a_book())
    country.store.close()


@pytest.mark.parametrize(
    ("params", "bases"),
    [
        ({"base": "WUHN"}, ["WUHN", "WUHN"]),
        ({"base": "WUHN", "account": "li"}, ["WUHN"]),
        ({"region": "hubei"}, ["", "hubei:ENSH"]),
        ({"region": ""}, ["WUHN", "HUAN", "WUHN"]),
        ({"caster": "hubei:enshi", "mountpoint": "BEST"}, ["", "hubei:ENSH"]),
        ({"bbox": "114,30,115,31"}, ["WUHN", "HUAN"]),
        ({"bbox": "114.5,30,116,31"}, ["HUAN"]),
        ({"bbox": "179,-11,-179,-9"}, ["", "hubei:ENSH"]),
        ({"bbox": "-180,-90,180,90", "account": "nobody"}, []),
    ],
)
async def test_who_uses_a_station_a_region_or_a_box_is_found_and_counted(asked, params, bases):
    told = await asked(**params)
    assert [one["base"] for one in told["items"]] == bases
    counted = await asked("/counts", **params)
    assert counted["rovers"] == len(bases)
    assert {one["name"]: one["rovers"] for one in counted["by_base"]} == dict(Counter(bases))


async def test_counts_tell_stations_regions_and_casters_the_most_first(asked):
    told = await asked("/counts")
    assert (told["rovers"], told["with_position"]) == (5, 4)
    assert told["by_base"][0] == {"name": "WUHN", "rovers": 2, "fixed": 1, "floating": 0}
    assert told["by_region"] == [
        {"name": "", "rovers": 3, "fixed": 1, "floating": 1},
        {"name": "hubei", "rovers": 2, "fixed": 1, "floating": 0},
    ]
    assert [one["name"] for one in told["by_caster"]] == ["wuhan", "hubei:enshi"]


async def test_pages_hold_each_session_once(asked):
    whole = [one["id"] for one in (await asked())["items"]]
    found, after = [], {}
    while True:
        page = await asked(limit=2, **after)
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == whole
    assert len(set(found)) == 5
    await asked(after="nonsense", status=400)


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "0,0,0,91", "0,5,0,4", "nan,0,0,0", "181,0,0,0"])
async def test_a_box_that_is_none_is_refused(asked, box):
    assert "is no box" in (await asked(bbox=box, status=400))["detail"]


async def test_who_follows_gets_what_has_changed(own, monkeypatch):
    first = await own("/changes")
    assert (first["is_whole"], len(first["items"]), first["ended"], first["is_more"]) == (True, 5, [], False)
    nothing = await own("/changes", after=first["next"])
    assert (nothing["is_whole"], nothing["items"], nothing["ended"]) == (False, [], [])
    one, gone = own.book.own()[:2]
    one.quality = 1
    own.book.touch(one)
    own.book.end(gone.key)
    some = await own("/changes", after=first["next"])
    assert [(x["id"], x["quality"]) for x in some["items"]] == [("wuhan/0", 1)]
    assert some["ended"] == ["wuhan/1"]
    for other in ("nonsense", "x.3", first["next"] + "9" * 30, "."):
        assert (await own("/changes", after=other))["is_whole"]
    monkeypatch.setattr(sessions_routes, "MAX_LIMIT", 3)
    part = await own("/changes")
    rest = await own("/changes", after=part["next"])
    assert (part["is_more"], rest["is_more"], rest["is_whole"]) == (True, False, False)
    assert len({x["id"] for x in part["items"] + rest["items"]}) == 4


async def test_nothing_of_it_is_told_without_the_token(asked):
    for path in ("", "/counts", "/changes", "/past"):
        answer = await asked.request("GET", PATH + path)
        assert answer.status_code == 401
        assert "wuhan" not in answer.text
    assert (await asked.request("GET", "/rovers")).headers["location"] == "/#/rovers"
    live = (await asked.request("GET", "/api/v1/streams")).text
    assert "NEAREST" not in live


async def test_what_is_kept_is_found(own):
    legs = [SessionLeg(since_us=c.START_US, base="WUHN", longitude=114.4, latitude=30.5)]
    kept = KeptSession(
        caster="wuhan", number=7, account="li", mountpoint="NEAREST", agent="x", version=1,
        begun_us=c.START_US, at_us=c.START_US + 9_000_000, is_over=True, n_bytes=5, n_epochs=4, sentences=3,
        fixed=2, floating=1, decimals=1, begin_longitude=114.4, begin_latitude=30.5, longitude=114.5,
        latitude=30.6, legs=legs,
    )  # fmt: skip
    own.country.store.commit([KeptSessions(sessions=[kept])], None, now_us=1)
    (one,) = (await own("/past", base="WUHN", start="2026-01-01T00:00:00Z"))["items"]
    assert one == {
        "id": "wuhan/7", "account": "li", "mountpoint": "NEAREST", "caster": "wuhan", "agent": "x",
        "ntrip_version": 1, "begin": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:09Z",
        "as_of": "2026-01-01T00:00:09Z", "bytes_sent": 5, "epochs_sent": 4, "positions": 3, "fixed": 2,
        "floating": 1, "begin_longitude": 114.4, "begin_latitude": 30.5, "longitude": 114.5, "latitude": 30.6,
        "bases": [{"base": "WUHN", "since": "2026-01-01T00:00:00Z", "reason": "", "longitude": 114.4,
                   "latitude": 30.5}],
    }  # fmt: skip
    assert (await own("/past", account="wu"))["items"] == []
    await own("/past", after="nonsense", status=400)


async def test_the_setting_in_force_is_told(own):
    url = "/api/v1/privacy/rovers"
    held = (await own.request("GET", url)).json()
    assert held == {"position_decimals": None, "addresses": "network", "days": 0}
    for after, verb, expected in (
        ({"position_decimals": 2, "days": 3}, "put", (2, "network", 3)),
        (None, "delete", (None, "network", 0)),
    ):
        change = Change(
            kind="privacy", id="rovers", version=len(verb), verb=verb, before=None, after=after, by="Li",
            at_us=1, command_id=verb,
        )  # fmt: skip
        own.country.store.commit([Changes(changes=[change])], None, now_us=1)
        assert tuple((await own.request("GET", url)).json().values()) == expected
    answer = await own.request("PUT", "/api/v1/privacy/others", headers=HEADERS, json={})
    assert answer.status_code == 422
    for body in ({"position_decimals": 7}, {"addresses": "some"}, {"days": -1}, {"other": 1}):
        answer = await own.request("PUT", url, headers=HEADERS, json=body)
        assert answer.status_code == 422, body
