import msgspec
import numpy as np
import pytest

from dashboards.live import ViewerLimitError
from dashboards.push import catching_up, groups, hub, returning, viewer
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source
from dashboards.push.cursor import cursor_of
from dashboards.push.hub import PushHub
from dashboards.push.window import ENTRY_BYTES, Window
from sensors.model import Datastream
from tests.dashboards.country import START_US
from tests.dashboards.push.messages import alerts, reports, samples, told

ONE = dict.fromkeys(Source, 1)
S = 1_000_000


def hub_of(origin="run", datastreams=(), **limits):
    return PushHub(Window(origin, ONE), Catalogue(datastreams), **limits)


async def first_id(one, *channels):
    """Return the id with which a viewer begins."""
    with one.viewer(channels, "stream") as watching:
        await one.step(START_US)
        ((name, identity, content),) = await told(watching)
        assert (name, content["resumed"]) == ("begin", False)
        return identity


async def back(one, identity, *channels, now_us=START_US + S):
    with one.viewer(channels, "stream", cursor_of(identity)) as watching:
        await one.step(now_us)
        return await told(watching)


async def test_each_channel_is_told_what_concerns_it():
    series = Datastream(id="x1", thing_id="hill", property_id="tilt", name="", unit="deg")
    one = hub_of(datastreams=[series])
    channels = (
        "level:orange", "level:red", "network", "property:rain", "property:tilt", "region:", "region:zj",
        "region:zj:hz", "station:A", "thing:hill",
    )  # fmt: skip
    with one.viewer(channels, "stream") as watching:
        await one.step(START_US)
        one.listen([reports(("A", 0, "good"), ("zj:hz:B", 0, "bad"))], START_US)
        one.listen([samples(("gauge.rain", 0, 1.5), ("x1", 0, float("nan")), ("other", 0, 2.0))], START_US)
        one.listen([alerts(("zj:a1", 1, "red")), alerts(("zj:a1", 2, "orange"))], START_US)
        await one.step(START_US + S)
        begin, (name, identity, update) = await told(watching)
    assert begin[2]["channels"] == list(channels)
    assert (name, update["at"]) == ("update", "2026-01-01T00:00:01Z")
    assert cursor_of(identity).positions == ((1,), (1,), (2,))
    found = update["channels"]

    def ids(channel, name="stations"):
        return [one["id"] for one in found[channel].get(name, ())]

    assert ids("network") == ["A", "zj:hz:B"]
    assert ids("region:") == ids("station:A") == ["A"]
    assert ids("region:zj") == ids("region:zj:hz") == ["zj:hz:B"]
    assert [one["number"] for one in found["region:zj"]["alerts"]] == [1, 2]
    assert "alerts" not in found["region:zj:hz"]
    assert [one["number"] for one in found["level:red"]["alerts"]] == [1, 2]  # it is not red any more
    assert [one["number"] for one in found["level:orange"]["alerts"]] == [2]
    assert found["level:red"]["alerts"][0]["transitions"][0]["change"] == "opened"
    (rain,) = found["property:rain"]["observations"]
    assert (rain["value"], rain["flag"], rain["revision"]) == (1.5, 1, 0)
    assert found["property:tilt"] == found["thing:hill"]
    assert found["thing:hill"]["observations"][0]["value"] is None


async def test_the_whole_network_is_told_changed_verdicts_a_station_each():
    one = hub_of()
    with one.viewer(("network", "station:A"), "stream") as watching:
        await one.step(START_US)
        rows = [("A", 0, "good"), ("A", 1, "good"), ("A", 2, "bad"), ("A", 1, "good"), ("A", 70, "bad")]
        one.listen([reports(row) for row in rows], START_US)
        await one.step(START_US)
        _, (_, _, update) = await told(watching)
    seconds = [
        [station["latest"]["judged_at"][-3:-1] for station in update["channels"][channel]["stations"]]
        for channel in ("network", "station:A")
    ]
    # the late one goes back to nothing, and after a minute of silence a verdict is told again
    assert seconds == [["00", "02", "10"], ["00", "01", "02", "01", "10"]]


async def test_all_viewers_of_a_channel_get_the_same_bytes_and_a_socket_the_same_words():
    one = hub_of()
    with (
        one.viewer(("network",), "stream") as a,
        one.viewer(("network",), "stream") as b,
        one.viewer(("network",), "socket") as c,
    ):
        await one.step(START_US)
        one.listen([reports(("A", 0, "good"))], START_US)
        await one.step(START_US)
        (_, first), (_, second), (_, third) = ([f.data for f in v._frames] for v in (a, b, c))
        assert first is second
        assert one.events == 2
        (_, _, update) = (await told(a))[1]
        message = msgspec.json.decode(third)
        assert message.pop("event") == "update"
        assert cursor_of(message.pop("id")) == one.window.cursor(START_US)
        assert message == update


async def test_a_quiet_channel_has_newer_ids_now_and_then(monkeypatch):
    monkeypatch.setattr(groups, "ALIVE_TICKS", 3)
    one = hub_of()
    with one.viewer(("level:red",), "stream") as watching:
        for k in range(8):
            one.listen([reports(("A", k, "good"))], START_US)
            await one.step(START_US + k * S)
        names = [
            (name, identity and cursor_of(identity).positions[0])
            for name, identity, _ in await told(watching)
        ]
    assert names == [("begin", (1,)), ("alive", (4,)), ("alive", (7,))]


async def test_what_is_not_kept_any_more_is_a_gap_with_its_time(monkeypatch):
    one = hub_of()
    identity = await first_id(one, "property:rain", "level:red")
    one.window._kept_bytes = dict.fromkeys(Source, 3 * (ENTRY_BYTES + 400))
    for k in range(10):
        one.listen([samples(("gauge.rain", k, 1.0))], START_US + k * S)
    assert one.window.n_bytes < 10 * ENTRY_BYTES
    later_us = START_US + 100 * S
    (gap, begin) = await back(one, identity, "level:red", "property:rain", now_us=later_us)
    assert (gap[0], gap[1]) == ("gap", None)
    assert (gap[2]["begin"], gap[2]["end"]) == ("2025-12-31T23:59:30Z", "2026-01-01T00:01:40Z")
    assert "/api/v1/windows" in gap[2]["detail"]
    assert (begin[0], begin[2]["resumed"]) == ("begin", False)
    assert one.gaps == 1
    # of alerts all is there
    events = await back(one, identity, "level:red", now_us=later_us)
    assert [(name, content.get("resumed")) for name, _, content in events] == [("begin", True)]


async def test_old_messages_go_and_alerts_stay():
    one = hub_of()
    identity = await first_id(one, "network")
    one.listen([reports(("A", 0, "good")), alerts(("a1", 1, "red"))], START_US)
    one.listen([reports(("A", 1, "good"))], START_US + 700 * S)
    assert len(one.window.entries(list(Source), 99)) == 2
    assert (await back(one, identity, "network"))[0][0] == "gap"
    assert [name for name, *_ in await back(one, identity, "level:red")] == ["begin", "update"]


async def test_ids_of_another_run_or_another_kafka_are_a_gap():
    identity = await first_id(hub_of("run-1"), "level:red")
    assert [name for name, *_ in await back(hub_of("run-2"), identity, "level:red")] == ["gap", "begin"]
    wide = PushHub(Window("run-1", {**ONE, Source.REPORTS: 2}), Catalogue())
    assert [name for name, *_ in await back(wide, identity, "level:red")] == ["gap", "begin"]


async def test_a_server_that_lags_waits_until_it_has_read_what_was_told_elsewhere():
    ahead, behind = hub_of(), hub_of()
    batches = [alerts((f"a{k}", 1, "red")) for k in range(4)]
    ahead.listen(batches[:3], START_US)
    behind.listen(batches[:1], START_US)
    identity = await first_id(ahead, "level:red")
    with behind.viewer(("level:red",), "stream", cursor_of(identity)) as watching:
        await behind.step(START_US)
        assert [name for name, *_ in await told(watching)] == ["begin"]
        behind.listen(batches[1:], START_US)
        await behind.step(START_US + S)
        ((_, last, update),) = await told(watching)
        assert [one["id"] for one in update["channels"]["level:red"]["alerts"]] == ["a3"]
        assert cursor_of(last).positions[2] == (4,)


async def test_an_id_that_is_never_reached_becomes_a_gap():
    ahead, anew = hub_of(), hub_of()
    ahead.listen([alerts((f"a{k}", 1, "red")) for k in range(9)], START_US)
    identity = await first_id(ahead, "level:red")
    with anew.viewer(("level:red",), "stream", cursor_of(identity)) as watching:
        for k in range(34):
            await anew.step(START_US + k * S)
        assert [name for name, *_ in await told(watching)] == ["begin", "gap", "begin"]
        anew.listen([alerts(("b1", 1, "red"))], START_US)
        await anew.step(START_US + 40 * S)
        assert [name for name, *_ in await told(watching)] == ["update"]


async def test_a_topic_that_somebody_made_anew_is_read_on():
    one = hub_of()
    one.take(alerts(("a1", 1, "red")), START_US, offset=50)
    identity = await first_id(one, "level:red")
    one.take(alerts(("b1", 1, "red")), START_US, offset=0)
    one.take(alerts(("b2", 1, "red")), START_US, offset=1)
    assert one.window.positions[2] == (2,)
    assert [entry.offset for entry in one.window.entries(list(Source), 99)] == [0, 1]
    assert [name for name, *_ in await back(one, identity, "level:red")] == ["begin"]  # it waits


async def test_what_is_no_message_is_read_all_the_same():
    one = hub_of()
    one.window.open(Source.ALERTS, {0: 40})
    one.take(alerts(("a1", 1, "red")), START_US, offset=41)
    one.window.reached(Source.ALERTS, {0: 43})  # the end of a transaction
    identity = await first_id(one, "level:red")
    assert cursor_of(identity).positions[2] == (43,)
    one.take(alerts(("a2", 1, "red")), START_US, offset=44)
    assert [name for name, *_ in await back(one, identity, "level:red")] == ["begin", "update"]


async def test_too_much_to_tell_again_is_a_gap(monkeypatch):
    monkeypatch.setattr(catching_up, "MOST_BYTES", 3_000)
    told_so = ["begin", "gap", "begin"]
    one = hub_of()
    identity = await first_id(one, "network")
    one.listen([reports((f"S{k}", 0, "good")) for k in range(20)], START_US)
    assert [name for name, *_ in await back(one, identity, "network")] == told_so
    monkeypatch.setattr(catching_up, "MOST_BYTES", 3_000_000)
    assert [name for name, *_ in await back(one, identity, "network")] == ["begin", "update"]
    monkeypatch.setattr(catching_up, "MOST_BYTES_TOGETHER", 3_000)
    monkeypatch.setattr(catching_up, "EVENT_ITEMS", 2)
    assert [name for name, *_ in await back(one, identity, "network")] == told_so


async def test_reading_the_window_rests_and_what_went_meanwhile_is_a_gap(monkeypatch):
    monkeypatch.setattr(returning, "LONG_S", -1.0)
    monkeypatch.setattr(returning, "REST", 1e9)
    one = hub_of()
    identity = await first_id(one, "network")
    one.listen([reports(("A", 0, "good"))], START_US)
    assert [name for name, *_ in await back(one, identity, "network")] == ["begin", "update"]
    with one.viewer(("network",), "stream", cursor_of(identity)) as watching:
        await one.step(START_US)
        assert [name for name, *_ in await told(watching)] == ["begin"]
        one.window._kept_bytes = dict.fromkeys(Source, ENTRY_BYTES)
        one.listen([reports(("B", 0, "good"))], START_US)
        one._returning._rest_until_s = 0.0
        await one.step(START_US)
        assert [name for name, *_ in await told(watching)] == ["gap", "begin"]


async def test_a_viewer_that_does_not_keep_up_is_dropped_for_its_reason_and_others_go_on(monkeypatch):
    monkeypatch.setattr(viewer, "MOST_EVENTS", 3)
    one = hub_of()
    with one.viewer(("station:A",), "stream") as slow, one.viewer(("station:A",), "stream") as quick:
        got = 0
        for k in range(8):
            one.listen([reports(("A", k, "good"))], START_US)
            await one.step(START_US)
            got += len(await told(quick))
        assert slow.dropped == "slow"
        assert slow.ended.is_set()
        assert (got, len(one), one.dropped["slow"]) == (8, 1, 1)
        assert slow.n_bytes == one.waiting_bytes == 0


async def test_all_that_waits_together_is_bounded(monkeypatch):
    monkeypatch.setattr(hub, "MOST_BYTES", 20_000)
    one = hub_of()
    with one.viewer(("network",), "stream") as small, one.viewer(("network", "station:A"), "stream") as large:
        for k in range(40):
            one.listen([reports(("A", k, "good"))], START_US)
            if not k % 10:
                one.listen([reports((f"B{k}", 0, "good"))], START_US)
            await one.step(START_US)
        assert (small.dropped, large.dropped) == (None, "no_room")
        assert one.waiting_bytes == small.n_bytes < 20_000


async def test_viewers_are_limited_there_and_at_all():
    one = hub_of(viewer_limit=3, address_limit=1)
    with one.viewer(("network",), "stream", address="2001:db8::1"):
        same_network = one.viewer(("network",), "stream", address="2001:db8::2")
        with pytest.raises(ViewerLimitError, match="from your address"), same_network:
            pass
        with (
            one.viewer(("network",), "stream", address="127.0.0.1"),
            one.viewer(("network",), "stream", address="127.0.0.1"),
            pytest.raises(ViewerLimitError, match="too many are watching"),
            one.viewer(("network",), "stream", address="192.0.2.1"),
        ):
            pass
    with one.viewer(("network",), "stream", address="2001:db8::2"):
        assert len(one) == 1
    assert not one._addresses
    one.close()
    with pytest.raises(ViewerLimitError, match="it is stopping"), one.viewer(("network",), "stream"):
        pass


async def test_nobody_begins_before_all_was_read(monkeypatch):
    monkeypatch.setattr(hub, "ALIVE_TICKS", 2)
    one = hub_of()
    one.expect(Source.REPORTS, Source.ALERTS)
    one.listen([alerts(("old", 1, "red"))], START_US)
    with one.viewer(("level:red",), "stream") as watching:
        for k in range(4):
            await one.step(START_US + k * S)
        assert [(name, identity) for name, identity, _ in await told(watching)] == [("alive", None)] * 2
        one.is_read(Source.REPORTS)
        one.is_read(Source.ALERTS)
        one.listen([alerts(("new", 1, "red"))], START_US)
        await one.step(START_US)
        assert [name for name, *_ in await told(watching)] == ["begin"]
    with one.viewer(("level:red",), "stream"):
        pass
    assert not one._arrivals


async def test_what_cannot_be_told_is_counted_and_the_rest_goes_on(monkeypatch):
    one = hub_of()
    with one.viewer(("property:rain", "level:red"), "stream") as watching:
        await one.step(START_US)
        damaged = samples(("gauge.rain", 0, 1.0))
        msgspec.structs.force_setattr(damaged, "series", np.array([7], np.int32))
        identity = (await told(watching))[0][1]
        one.listen([damaged, alerts(("a1", 1, "red"))], START_US)
        await one.step(START_US)
        ((_, _, update),) = await told(watching)
        assert list(update["channels"]) == ["level:red"]
    assert one.failures == 1
    events = await back(one, identity, "level:red", "property:rain")  # nor can it be told again
    assert [list(content["channels"]) for name, _, content in events if name == "update"] == [["level:red"]]
    assert one.failures == 2


async def test_who_comes_back_to_an_error_is_to_come_again(monkeypatch):
    one = hub_of()
    identity = await first_id(one, "level:red")

    async def fails(*_):
        raise RuntimeError

    monkeypatch.setattr(returning, "catch_up", fails)
    with one.viewer(("level:red",), "socket", cursor_of(identity)) as watching:
        with pytest.raises(RuntimeError):
            await one.step(START_US)
        assert watching.ended.is_set()
        assert watching.dropped == "failed"


async def test_an_acknowledgement_stays_known():
    one = hub_of()
    taken = alerts(("a1", 1, "red"))
    step = msgspec.structs.replace(
        taken.transitions[0], number=2, change="acknowledged", state="acknowledged", by="Li"
    )
    one.window.know([taken.transitions[0], step])
    with one.viewer(("level:red",), "stream") as watching:
        await one.step(START_US)
        one.listen([alerts(("a1", 2, "red"), ("a1", 3, "orange"))], START_US)
        await one.step(START_US)
        _, (_, _, update) = await told(watching)
    (shown,) = update["channels"]["level:red"]["alerts"]  # the repeated step is left out
    assert (shown["number"], shown["acknowledged_by"]) == (3, "Li")
