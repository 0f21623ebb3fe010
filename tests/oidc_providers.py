"""Two providers: one from PyPI that plays by the rules, and one of ours that does what a test wants."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.program import free_port


@contextlib.contextmanager
def mock_provider(host: str = "127.0.0.1", **users: dict[str, Any]) -> Iterator[str]:
    """Run oidc-provider-mock in a process of its own; yields its issuer, by a name of this machine."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    for sub, claims in users.items():
        command += ["--user-claims", json.dumps({"sub": sub, **claims})]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://{host}:{port}"
    try:
        deadline_s = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/jwks")
                break
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        yield issuer
    finally:
        process.terminate()
        process.wait(20)


def new_key(kid: str) -> RSAKey:
    """Return a key pair."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True)


@functools.cache
def _first_key() -> RSAKey:
    return new_key("k1")


class ScriptedProvider:
    """Answers as its fields say; what is None is as it should be."""

    def __init__(self) -> None:
        self.keys = [_first_key()]
        self.signing: RSAKey | None = None
        self.claims: dict[str, Any] = {}
        self.without: tuple[str, ...] = ()
        self.header: dict[str, Any] = {}
        self.token: str | None = None
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.seen: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.begun: dict[str, dict[str, str]] = {}
        self.wait_s = 0.0
        self.issuer = ""

    def address(self, where: str) -> str:
        """Take what a browser asks the authorization endpoint; return where it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code{len(self.begun)}"
        self.begun[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def made(self, form: dict[str, str]) -> str:
        """Return the ID token for a code."""
        asked = self.begun[form["code"]]
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        assert form["redirect_uri"] == asked["redirect_uri"]
        now_s = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "42", "aud": asked["client_id"], "nonce": asked["nonce"],
            "iat": now_s, "exp": now_s + 300, "preferred_username": "operator", **self.claims,
        }  # fmt: skip
        for name in self.without:
            del claims[name]
        key = self.signing or self.keys[0]
        header = {"alg": "RS256", "kid": key.kid, **self.header}
        return jwt.encode(header, claims, key, algorithms=["RS256", "HS256", "none"])

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        if path in self.answers:
            return self.answers[path]
        body: dict[str, Any]
        if path == "/.well-known/openid-configuration":
            body = {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize?a=1",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks", **self.metadata,
            }  # fmt: skip
        elif path == "/jwks":
            body = {"keys": [key.as_dict(private=False) for key in self.keys]}
        elif path == "/token":
            if form.get("code") not in self.begun:
                return 400, {}, b'{"error": "invalid_grant"}'
            body = {"access_token": "a", "token_type": "Bearer", "id_token": self.token or self.made(form)}
        else:
            return 404, {}, b""
        return 200, {}, json.dumps(body).encode()


@contextlib.contextmanager
def scripted_provider() -> Iterator[ScriptedProvider]:
    """Serve one on a free port."""
    script = ScriptedProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            form = parse_qs(self.rfile.read(length).decode())
            path = urlsplit(self.path).path
            script.seen.append((path, form, dict(self.headers)))
            time.sleep(script.wait_s)
            status, headers, body = script.answer(path, {name: one[0] for name, one in form.items()})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join(10)


def signed_in_at(issuer: str, address: str, sub: str) -> str:
    """Sign in at the mock as a person does with its form; return where the browser is sent back to."""
    assert re.match(re.escape(issuer), address)
    answer = httpx.post(address, data={"sub": sub})
    assert answer.status_code in {302, 303}, answer.text
    return answer.headers["location"]
