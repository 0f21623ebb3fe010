"""A network of its own for each process and server, so that one can be cut off: namespaces and a bridge."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


class NoNetworkError(RuntimeError):
    """Namespaces cannot be made here: one sentence."""


def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of the system."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise NoNetworkError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


@dataclass
class Network:
    """Places with an address each; what runs at a place is started with `command(place)` before it.

    With `plain` all places are 127.0.0.1 and nothing can be cut.
    """

    plain: bool = False
    tag: str = field(default_factory=lambda: f"gs{os.getpid() % 0xFFFFF:x}")
    subnet: str = field(default_factory=lambda: f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}")
    _places: dict[str, int] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """Address of whoever is outside: the driver, the stations, the rovers."""
        return "127.0.0.1" if self.plain else f"{self.subnet}.1"

    def add(self, place: str) -> str:
        """Make a place; return its address."""
        if self.plain:
            return "127.0.0.1"
        number = self._places[place] = len(self._places) + 2
        name, link = self._name(place), self._link(place)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", link, "master", self.tag, "up")
        run("ip", "-n", name, "addr", "add", f"{self.subnet}.{number}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        return f"{self.subnet}.{number}"

    def command(self, place: str) -> Sequence[str]:
        """Return the words that let a program run at a place."""
        return () if self.plain else ("ip", "netns", "exec", self._name(place))

    def cut(self, place: str) -> None:
        """Let nothing through, in either direction, and tell nobody."""
        self._expect_links()
        run("ip", "link", "set", self._link(place), "down")

    def mend(self, place: str) -> None:
        """Let everything through again."""
        self._expect_links()
        run("ip", "link", "set", self._link(place), "up")

    def removal(self) -> str:
        """Return a shell script that removes all of it."""
        if self.plain:
            return ":"
        spaces = "; ".join(f"ip netns del {self._name(place)}" for place in self._places)
        return f"{spaces or ':'}; ip link del {self.tag}"

    def _expect_links(self) -> None:
        if self.plain:
            raise NoNetworkError("the processes run without namespaces: nothing can be cut")

    def _name(self, place: str) -> str:
        return f"{self.tag}-{place}"

    def _link(self, place: str) -> str:
        return f"{self.tag}v{self._places[place]}"


@contextlib.contextmanager
def network(*, needed: bool) -> Iterator[Network]:
    """Give a network of namespaces; without `needed` a plain one where they cannot be had.

    Raises
    ------
    NoNetworkError
        They are needed and cannot be had: not root, no iproute2, or a kernel that refuses.
    """
    one = Network()
    try:
        if os.geteuid() != 0:
            raise NoNetworkError("network namespaces need root: run it as root, or without `cut`")
        if shutil.which("ip") is None:
            raise NoNetworkError("there is no program `ip`: install Debian's iproute2")
        run("ip", "link", "add", one.tag, "type", "bridge")
        run("ip", "addr", "add", f"{one.subnet}.1/24", "dev", one.tag)
        run("ip", "link", "set", one.tag, "up")
    except NoNetworkError:
        if needed:
            raise
        one = Network(plain=True)
    try:
        yield one
    finally:
        subprocess.run(["sh", "-c", one.removal()], capture_output=True, check=False)
