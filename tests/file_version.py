"""The version of a file: what each write changes, and no read."""

from __future__ import annotations

from pathlib import Path


def read_version(file: Path) -> tuple[int, int, int]:
    """Return the inode, the time of the last change (ns) and the size of a file."""
    status = file.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
