"""Where a process listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Addresses:
    """Where the program listens; None: it does not."""

    http: tuple[str, int] | None
    ntrip: tuple[str, int] | None

    @property
    def page(self) -> str:
        """URL of the page and the API; empty: there is none."""
        return f"http://{_host_port(*self.http)}" if self.http else ""

    @property
    def caster(self) -> str:
        """URL of the caster; empty: there is none."""
        return f"ntrip://{_host_port(*self.ntrip)}" if self.ntrip else ""


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
