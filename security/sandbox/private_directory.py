"""Private directories: temporary files that no other user can access, nor a confined process.

All lie in one directory of this user, so that one path hides them (``file_view.py``).
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@contextmanager
def make_private(prefix: str) -> Iterator[Path]:
    """Create a private directory for a block.

    Raises:
        OSError: it cannot be created.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=find_private()) as directory:
        yield Path(directory)


@cache
def find_private() -> Path:
    """Return the directory that holds all private directories of this user, and create it.

    Where someone else has taken its name, this process uses a directory of its own.

    Raises:
        OSError: it cannot be created.
    """
    directory = Path(tempfile.gettempdir()).resolve() / f"ml-assets-{os.geteuid()}"
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_private(directory):
            return Path(tempfile.mkdtemp(prefix=f"{directory.name}-", dir=directory.parent))
    return directory


def _is_private(directory: Path) -> bool:
    found = os.lstat(directory)
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )
