"""What dashboards ask of Prometheus, asked of a real one that scrapes what our processes tell."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import yaml

from dashboards.metrics import CONTENT_TYPE
from tests.figures import every_process
from tests.grafana import PROMETHEUS as SOURCE
from tests.grafana import queries, written_promql
from tests.operations import PROMETHEUS
from tests.program import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration

ASKED = [query for query in queries() if query.source == SOURCE and not query.text.startswith("label_values")]
VALUES = {"job": "(groundswell-run|groundswell-.+)", "station": "A"}
NAME = re.compile(r"\b(?:\w+:)?groundswell_\w+(?::\w+)?")


class Scraped:
    """Prometheus with our configuration and rules, quicker, and what it has scraped twice."""

    def __init__(self, client: httpx.Client, told: str) -> None:
        self.client, self.told = client, told

    def ask(self, expression: str) -> list[dict[str, object]]:
        answer = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        return answer["data"]["result"]


@contextlib.contextmanager
def serving(texts):
    """Serve each text at a port of its own; yields the ports by job."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(self.server.text)

        def log_message(self, *_):
            pass

    with contextlib.ExitStack() as stack:
        ports = {}
        for job, text in texts.items():
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.text = text
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            ports[job] = server.server_port
        yield ports


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A Prometheus; `groundswell run` itself is one of its targets."""
    folder = tmp_path_factory.mktemp("prometheus")
    ready, done = threading.Event(), threading.Event()
    found = []

    async def run():
        try:
            async with every_process(folder) as told:
                found.append(told)
                ready.set()
                await asyncio.to_thread(done.wait)
        finally:
            ready.set()  # also when it could not begin, which is then said at once

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(120)
        ((page, texts),) = found
        with serving(texts) as ports, running(folder, page, ports) as client:
            told = httpx.get(f"{page}/metrics").text + b"".join(texts.values()).decode()
            yield Scraped(client, told)
    finally:
        done.set()
        thread.join(60)


@contextlib.contextmanager
def running(folder, page, ports):
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    targets = {job: f"127.0.0.1:{port}" for job, port in ports.items()}
    targets["groundswell-run"] = page.partition("//")[2]
    for job in config["scrape_configs"]:
        at = targets.pop(job["job_name"], None)
        job["static_configs"] = [{"targets": [at] if at else []}]
    assert not targets, "a process that nobody scrapes"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            asyncio.run(until(lambda: _is_through(client, len(ports) + 1), 60))
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _is_through(client, targets):
    """Whether all targets were scraped some times, and records were made of them."""
    with contextlib.suppress(httpx.TransportError):
        for asked, least in (
            ("count(count_over_time(up[1m]) >= 4)", targets),
            # neither the one process nor the server has a stream here
            ("count(job_kind:groundswell_stream_messages:rate5m)", targets - 2),
        ):
            answer = client.get("/api/v1/query", params={"query": asked})
            found = answer.json()["data"]["result"] if answer.status_code == 200 else []
            if not found or float(found[0]["value"][1]) < least:
                return False
        return True
    return False


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_a_query_is_answered_and_its_figures_exist(scraped, query):
    names = NAME.findall(query.text)
    rows = scraped.ask(written_promql(query.text, VALUES))
    plain = [name for name in names if ":" not in name]
    for name in plain:
        family = name.removesuffix("_total")
        assert re.search(rf"^# TYPE {family}(_total)? ", scraped.told, re.MULTILINE), f"nothing tells {name}"
    told = [re.search(rf"^{name}[ {{]", scraped.told, re.MULTILINE) for name in plain]
    if all(told) and "> 0" not in query.text:
        assert rows, "nothing to be shown"


def test_all_that_is_recorded_is_there(scraped):
    groups = yaml.safe_load((PROMETHEUS / "records.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert scraped.ask(rule["record"]), rule["record"]
        assert any(rule["record"] in query.text for query in ASKED), "no dashboard asks for it"


def test_no_rule_fails_on_what_is_told(scraped):
    groups = scraped.client.get("/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not [rule["lastError"] for rule in rules if rule.get("lastError")]


def test_a_label_that_a_variable_lists_has_values(scraped):
    asked = [query.text for query in queries() if query.source == SOURCE and query not in ASKED]
    assert asked
    for text in asked:
        matcher, label = re.fullmatch(r"label_values\((.*), (\w+)\)", text).groups()
        answer = scraped.client.get(f"/api/v1/label/{label}/values", params={"match[]": matcher}).json()
        assert len(answer["data"]) > 5
