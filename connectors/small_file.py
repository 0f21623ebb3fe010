"""A small file that is replaced as a whole: after a kill it is the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def replace(file: Path, content: bytes) -> None:
    """Put content in the place of what a file had; durable on return.

    Raises
    ------
    OSError
        It cannot be written; the old content stays.
    """
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
