"""Compiled kernels are kept for exactly the sources that made them.

numba looks only at a kernel's own file, so that after a change in a table or a helper of another file it
would go on with the old code. Here the cache's folder is named by a hash of all sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

_ROOMS = ("kernels", "gnss", "sensors", "connectors/gathering")
_KEPT = 8


def is_cold() -> bool:
    """Whether there is a folder for kernels and none of the quality's is in it yet."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return folder is not None and not any(Path(folder).rglob("judge.judge-*.nbi"))


def lacks_detectors() -> Path | None:
    """Return the file that says that detectors of all kinds are there, where it is not; None: it is."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    mark = None if folder is None else Path(folder) / "detectors"
    return None if mark is None or mark.exists() else mark


def use() -> None:
    """Point numba to the right folder; call it before numba is imported."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for room in _ROOMS:
        for source in sorted((root / room).rglob("*.py")):
            digest.update(source.read_bytes())
    caches = Path(sys.prefix) / "var" / "groundswell-kernels"
    folder = caches / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for old in sorted(caches.iterdir(), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return  # a read-only installation: numba finds a place of its own
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
