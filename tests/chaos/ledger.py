"""What was sent, and what became of it on the way in: files that only grow, one struct a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPOCHS = np.dtype(
    [
        ("station", "<i4"),
        ("connection", "<i4"),  # -1: nobody listened
        ("epoch_us", "<i8"),
        ("sent_us", "<i8"),
        ("end", "<i8"),  # bytes of this connection up to the end of this epoch
    ]
)
CONNECTIONS = np.dtype(
    [
        ("connection", "<i4"),
        ("station", "<i4"),
        ("opened_us", "<i8"),
        ("closed_us", "<i8"),
        ("taken", "<i8"),  # bytes that the other side's system had confirmed at the end
    ]
)
SAMPLES = np.dtype(
    [("sensor", "<i4"), ("event", "<i4"), ("time_us", "<i8"), ("value", "<f8"), ("confirmed_us", "<i8")]
)
ROVERS = np.dtype([("rover", "<i4"), ("bytes", "<i4"), ("at_us", "<i8")])
FILES = {"epochs": EPOCHS, "connections": CONNECTIONS, "samples": SAMPLES, "rovers": ROVERS}


@dataclass
class LedgerWriter:
    """Gathers lines; `flush` brings them to the files."""

    folder: Path
    _lines: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in FILES})

    def add(self, name: str, *line: Any) -> None:
        """Take a line."""
        self._lines[name].append(line)

    def flush(self) -> None:
        """Append what was taken."""
        for name, lines in self._lines.items():
            if lines:
                with (self.folder / f"{name}.ledger").open("ab") as file:
                    file.write(np.array(lines, FILES[name]).tobytes())
                lines.clear()


def read(folder: Path, name: str) -> NDArray[Any]:
    """Return the lines that are there, whole ones only."""
    path, kind = folder / f"{name}.ledger", FILES[name]
    raw = path.read_bytes() if path.exists() else b""
    return np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], kind)
