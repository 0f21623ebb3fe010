"""Small file systems in memory that can be filled to the last byte, and get room again."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4096


class NoDiskError(RuntimeError):
    """A file system cannot be mounted here: one sentence."""


@dataclass(frozen=True)
class Disk:
    """A tmpfs at a folder; `size_mb` is its room in good times."""

    folder: Path
    size_mb: int

    def mount(self) -> None:
        """Make it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._do("-t", "tmpfs", "-o", f"size={self.size_mb}m,mode=755", "groundswell-chaos", str(self.folder))

    def fill(self, spare_bytes: int = 0) -> None:
        """Leave this much room and no more: as if somebody else had filled it."""
        used = os.statvfs(self.folder)
        blocks = used.f_blocks - used.f_bfree + spare_bytes // PAGE_BYTES
        self._do("-o", f"remount,size={max(blocks, 1) * PAGE_BYTES}", str(self.folder))

    def free(self) -> None:
        """Give it room again."""
        self._do("-o", f"remount,size={self.size_mb}m", str(self.folder))

    @property
    def free_bytes(self) -> int:
        """Room that is left."""
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize

    def unmounting(self) -> str:
        """Return a shell command that removes it."""
        return f"umount -l {self.folder}"

    def _do(self, *words: str) -> None:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoDiskError(f"mount {' '.join(words)}: {done.stderr.strip()}; it needs root")
