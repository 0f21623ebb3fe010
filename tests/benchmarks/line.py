"""A line to another place that can be cut: a network namespace with two links to this machine. Needs root."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = "gsregion"
_NET = "10.213"


@dataclass(frozen=True, slots=True)
class Line:
    """A place with two links: one far, which can be cut, and one near, which stays."""

    far: str
    """Address on this machine that is reached from there over the line."""
    near: str

    @property
    def there(self) -> tuple[str, ...]:
        """Return the words that let a program run there."""
        return "ip", "netns", "exec", _SPACE

    def cut(self) -> None:
        """Let nothing through, in either direction, and tell nobody."""
        _ip("link", "set", f"{_SPACE}0", "down")

    def mend(self) -> None:
        """Let everything through again."""
        _ip("link", "set", f"{_SPACE}0", "up")


@contextlib.contextmanager
def line() -> Iterator[Line]:
    """Make the place, and take it away again.

    The addresses are of the loopback interface, so that they stay when the link is down.
    """
    addresses = [f"{_NET}.{k}.10" for k in range(2)]
    _ip("netns", "add", _SPACE)
    try:
        for k, address in enumerate(addresses):
            here, there, link = f"{_NET}.{k}.1", f"{_NET}.{k}.2", f"{_SPACE}{k}"
            _ip("link", "add", link, "type", "veth", "peer", "name", f"eth{k}", "netns", _SPACE)
            _ip("addr", "add", f"{here}/29", "dev", link)
            _ip("link", "set", link, "up")
            _ip("-n", _SPACE, "addr", "add", f"{there}/29", "dev", f"eth{k}")
            _ip("-n", _SPACE, "link", "set", f"eth{k}", "up")
            _ip("addr", "add", f"{address}/32", "dev", "lo")
            _ip("-n", _SPACE, "route", "add", f"{address}/32", "via", here)
        yield Line(*addresses)
    finally:
        _ip("netns", "del", _SPACE)
        for address in addresses:
            subprocess.run(
                ["ip", "addr", "del", f"{address}/32", "dev", "lo"], capture_output=True, check=False
            )


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()}; a line needs root and iproute2")
