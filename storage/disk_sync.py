"""One call that brings all of a file system to its disk.

To sync a file takes a dozen waits for the disk, and the files of 8,000 stations, synced each in ten seconds,
woke threads ten thousand times a second: everything else in the process came late. So the disk gets the same
bytes at once, in an order of its own.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from typing import Any

_FROM_VERSION = (5, 8)
"""Of Linux: an older one does not say what could not be written, see syncfs(2)."""
_TELLING = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})
"""By statfs(2): ext2-4, XFS, Btrfs, F2FS, tmpfs. Others pass a call on without what came of it, as overlays
do, or do not pass it on, as those of a user's process."""
_STATFS_BYTES = 512


def _library() -> Any:
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or release is None or tuple(map(int, release.groups())) < _FROM_VERSION:
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "syncfs") and hasattr(library, "fstatfs") else None


_libc = _library()


def can_sync_disk(descriptor: int) -> bool:
    """Return whether `sync_disk` of an open file tells what could not be written."""
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc is None or _libc.fstatfs(descriptor, found) != 0:
        return False
    return ctypes.c_long.from_buffer(found).value in _TELLING


def sync_disk(descriptor: int) -> None:
    """Write everything of the file system to which an open file belongs, whoever wrote it, and wait for it.

    Raises
    ------
    OSError
        Something that was written since the last call with this descriptor may not be on the disk.
    """
    if _libc is None:
        raise OSError("this system cannot sync a file system so that it tells what failed")
    if _libc.syncfs(descriptor) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
