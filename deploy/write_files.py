"""Reports to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploy.refusal import Refusal

Files = Sequence[tuple[Path, bytes]]


def write_files(files: Files) -> None:
    """Write files, with the folders that they need.

    Raises
    ------
    Refusal
        One cannot be written.
    """
    for path, content in files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Refusal(f"cannot write {path} ({reason}); name a file that may be written") from error
