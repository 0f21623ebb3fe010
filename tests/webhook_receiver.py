"""A webhook receiver in a process of its own; it verifies with the PyPI package standardwebhooks.

`python webhook_receiver.py PORT SECRET LOG STATUS...` answers the first requests with the given codes, the
last of them for ever; `hang` keeps a request without an answer. Each request is a line of JSON in LOG.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def serve(port: int, secret: str, log: str, statuses: list[str]) -> None:
    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # the sender was killed in the middle
            try:
                event = Webhook(secret).verify(body, dict(self.headers))
            except (WebhookVerificationError, ValueError) as error:
                event = {"error": repr(error)}
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            line = {"id": self.headers["webhook-id"], "bytes": len(body), "status": status, "event": event}
            with Path(log).open("a") as file:
                file.write(json.dumps(line) + "\n")
            if status == "hang":
                time.sleep(60)
                return
            self.send_response(int(status))
            self.send_header("location", f"http://127.0.0.1:{port}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


@dataclass
class Receiver:
    """The running process as the test sees it."""

    url: str
    log: Path

    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def receiver(log: Path, secret: str, *statuses: str) -> Iterator[Receiver]:
    """Start a receiver on a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log.touch()
    process = subprocess.Popen([sys.executable, __file__, str(port), secret, str(log), *statuses])
    try:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield Receiver(f"http://127.0.0.1:{port}/alerts", log)
    finally:
        process.kill()
        process.wait(10)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
