"""Private directories: temporary files that no other user can access, nor a confined process.

All lie in one directory of this user, so that one path hides them (``file_view.py``).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_NEW = 60.0  # seconds in which a directory may still lack its lock


@contextmanager
def make_private(prefix: str, within: Path | None = None) -> Iterator[Path]:
    """Create a private directory for a block, and remove those that killed processes have left.

    Args:
        within: the directory above it; None takes that of all private directories.

    Raises:
        OSError: it cannot be created.
    """
    above = within or find_private()
    _remove_abandoned(prefix, above)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=above) as name:
        lock = _lock(Path(name))
        try:
            yield Path(name)
        finally:
            os.close(lock)


def create_private(prefix: str) -> tuple[Path, int]:
    """Create a private directory, and remove those that killed processes have left.

    Returns:
        The directory, and the descriptor of its lock. The directory counts as abandoned when no
        process holds the lock any more; a forked child holds it, too.

    Raises:
        OSError: it cannot be created.
    """
    _remove_abandoned(prefix, find_private())
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=find_private()))
    return directory, _lock(directory)


def _lock(directory: Path) -> int:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove_abandoned(prefix: str, above: Path) -> None:
    for other in filter(_is_abandoned, above.glob(f"{prefix}*")):
        shutil.rmtree(other, ignore_errors=True)


def _is_abandoned(directory: Path) -> bool:
    try:
        if time.time() - os.lstat(directory).st_mtime < _NEW:
            return False
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # another process is removing it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


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
