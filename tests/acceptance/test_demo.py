import re

import httpx
import pytest

from tests.program import running

pytestmark = [pytest.mark.acceptance, pytest.mark.alone]


def test_within_a_minute_a_station_goes_bad_and_an_alert_is_raised_and_visible(tmp_path):
    with running(tmp_path, "demo", anew=True) as demo:
        demo.wait_ready()
        demo.wait_for("20 judged stations", lambda: len(judged(demo.items("/api/v1/stations"))) == 20)
        assert len(demo.items("/api/v1/datastreams")) == 12
        demo.wait_for("a good station", lambda: "good" in judged(demo.items("/api/v1/stations")))
        bad = demo.wait_for(
            "a bad station",
            lambda: [s for s in demo.items("/api/v1/stations") if s["state"] == "bad"],
        )
        assert all(s["reasons"] and s["reasons"][0]["text"] for s in bad)
        (alert, *_) = demo.wait_for("an alert", lambda: demo.items("/api/v1/alerts"))
        assert alert["state"] == "open"
        assert alert["evidence"]

        with httpx.stream("GET", demo.url + "/api/v1/live", timeout=10) as live:
            text = ""
            for piece in live.iter_text():
                text += piece
                if alert["id"] in text:
                    break
        assert alert["id"] in text
        table = httpx.get(f"http://127.0.0.1:{demo.ntrip_port}/", timeout=5).text
        assert len(re.findall("^STR;", table, re.MULTILINE)) == 22  # NEAREST and BEST too
        assert demo.stop() == 0, demo.tail()
        assert "Traceback" not in demo.log.read_text()


def test_it_ends_by_itself_after_the_time_that_was_given(tmp_path):
    with running(tmp_path, "demo", "--for", "3", anew=True) as demo:
        assert demo.process.wait(90) == 0, demo.tail()
        assert "Traceback" not in demo.log.read_text()


def judged(stations):
    return [s["state"] for s in stations if s["state"] != "unknown" and s["score"] is not None]
