"""Whoever is told of alerts: takes the webhooks, and answers each alert over the API."""

from __future__ import annotations

import http.server
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ANSWER_AFTER_S = 2.0


@dataclass
class Subscriber:
    """Threads that receive and answer, until `stop`."""

    host: str
    secret: str
    api: str
    token: str
    received: Counter[str] = field(default_factory=Counter)
    """How often each message id came."""
    changes: dict[str, str] = field(default_factory=dict)
    """What each message id told."""
    unverified: int = 0
    answered: set[str] = field(default_factory=set)
    """Alerts whose acknowledgement was confirmed."""
    refused: dict[str, str] = field(default_factory=dict)
    _asked: queue.Queue[str] = field(default_factory=queue.Queue)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Listen on a free port."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204 if outer.take(body, dict(self.headers)) else 401)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._answer_all, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._server.server_port}/alerts"

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()

    def take(self, body: bytes, headers: dict[str, str]) -> bool:
        """Take one message."""
        headers = {name.lower(): value for name, value in headers.items()}
        try:
            event = Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            self.unverified += 1
            return False
        name = headers["webhook-id"]
        self.received[name] += 1
        self.changes[name] = event["type"]
        if event["type"] == "alert.opened" and self.received[name] == 1:
            self._asked.put(event["data"]["id"])
        return True

    @property
    def unanswered(self) -> int:
        """Alerts whose answer is under way."""
        return self._asked.qsize()

    def _answer_all(self) -> None:
        while not self._stopped.is_set():
            try:
                alert = self._asked.get(timeout=0.5)
            except queue.Empty:
                continue
            self._stopped.wait(ANSWER_AFTER_S)
            while not self._stopped.is_set() and not self._answer(alert):
                self._stopped.wait(1.0)

    def _answer(self, alert: str) -> bool:
        """Acknowledge an alert; False: try again."""
        request = urllib.request.Request(
            f"{self.api}/api/v1/alerts/{alert}/acknowledge",
            json.dumps({"by": "duty", "comment": "seen"}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20):
                self.answered.add(alert)
                return True
        except urllib.error.HTTPError as error:
            self.refused[alert] = f"{error.code} at {time.time():.0f}: {error.read()[:200]!r}"
            return error.code == 409
        except OSError as error:
            self.refused[alert] = repr(error)
            return False
