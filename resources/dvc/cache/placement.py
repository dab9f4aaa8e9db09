"""The placement of cache objects in a working tree, each as a whole.

1. Verify the bytes of each object against its name; a stored digest of an unchanged object counts.
2. Build the out in ``.dvc/tmp`` and rename it, so that a killed process leaves no partial out.
3. Without reflinks, place a large file as a hard link to the object, read-only like the object.
   A file that will be written to or is executable is a copy.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from resources.dvc.cache.content import RecordedContent
from resources.dvc.cache.object_cache import ObjectCache, default_mode
from security.content.digest import Digests

_SMALLEST_LINK = 64 << 10  # bytes: copying a smaller file is as fast as a link
_FORGOTTEN = 86400.0  # seconds after which a temporary directory is a leftover
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class _Placed:
    """One placed file.

    Attributes:
        source: the path of its object if the file is a link; else None.
    """

    digests: Digests
    source: str | None


class Placement:
    """Places the recorded outs of one working tree. Safe for threads.

    Args:
        root: the DVC root, absolute.
    """

    def __init__(self, root: Path, cache: ObjectCache) -> None:
        self._aside = root / ".dvc" / "tmp" / "ml-assets"
        self._cache = cache

    def place(self, recorded: RecordedContent, path: str, *, linked: bool) -> None:
        """Place an object at a path; leave an existing path unchanged.

        Args:
            path: an absolute path.
            linked: no stage writes to the path, so it may be a link.

        Raises:
            CorruptObjectError: the bytes of an object do not match its name.
            UnavailableError: an object cannot be read.
            OSError: the working tree cannot be written.
        """
        md5 = recorded.md5
        is_directory = md5.endswith(".dir")
        files = self._cache.listing(md5) if is_directory else [("", md5)]
        with self._make_aside() as aside:
            made = os.path.join(aside, "made")
            if is_directory:
                os.mkdir(made)
            directories = {os.path.dirname(relative) for relative, _ in files}
            for directory in sorted(directories - {""}):
                os.makedirs(os.path.join(made, directory), exist_ok=True)
            placed = {
                relative: self._place_file(
                    file,
                    os.path.join(made, relative) if relative else made,
                    linked and not recorded.executable,
                )
                for relative, file in files
            }
            if recorded.executable and not is_directory:
                os.chmod(made, default_mode(executable=True))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not _move(made, path):  # 2
                return
        for relative, one in placed.items():
            name = os.path.join(path, relative) if relative else path
            # A new link, and a rename, also change the status of the object.
            if one.source is None or self._cache.store.renew(one.source, one.digests):
                self._cache.store.remember(name, one.digests)

    @contextmanager
    def _make_aside(self) -> Iterator[str]:
        os.makedirs(self._aside, exist_ok=True)
        self._sweep()
        with tempfile.TemporaryDirectory(dir=self._aside, prefix=f"{os.getpid()}-") as aside:
            yield aside

    def _sweep(self) -> None:
        """Remove old temporary directories of killed processes."""
        for left in os.scandir(self._aside):
            with suppress(FileNotFoundError):
                if left.stat(follow_symlinks=False).st_mtime < time.time() - _FORGOTTEN:
                    shutil.rmtree(left.path, ignore_errors=True)

    def withdraw(self, md5: str, path: str) -> None:
        """Remove the linked files of a placed object, and keep the digests of its objects.

        The removal of a link changes the status of the object, which would invalidate its digest.

        Args:
            path: the absolute path at which it was placed.
        """
        store = self._cache.store
        for relative, file in self._cache.listing(md5) if md5.endswith(".dir") else [("", md5)]:
            source = self._cache.path(file)
            name = os.path.join(path, relative) if relative else path
            try:
                linked = os.lstat(name).st_ino == os.lstat(source).st_ino
            except (FileNotFoundError, NotADirectoryError):
                continue
            if linked:
                known = store.recall(source)
                os.unlink(name)
                if known is not None:
                    store.renew(source, known)

    def _place_file(self, md5: str, path: str, linked: bool) -> _Placed:
        digests = self._cache.verify(md5)  # 1
        source = self._cache.path(md5)
        if not self._cache.clone(source, path):
            if linked and digests.size >= _SMALLEST_LINK and _link(source, path):  # 3
                return _Placed(digests, source)
            shutil.copyfile(source, path)
        os.chmod(path, default_mode(executable=False))
        return _Placed(digests, None)


def _move(made: str, path: str) -> bool:
    """Rename a new file or directory to its path; return False if the path exists by now."""
    try:
        os.rename(made, path)
    except OSError:
        if not os.path.lexists(path):
            raise
        return False
    return True


def _link(source: str, path: str) -> bool:
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True
