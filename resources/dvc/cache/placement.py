"""The placement: objects of the cache put where a working tree expects them, all of one at once.

1. Every object's bytes are checked against its name: digests that are remembered count as long as
   the object has not changed since.
2. What is placed is made aside, in ``.dvc/tmp``, and renamed: nobody ever sees half of it, not
   even when the process is killed.
3. A large file is a hard link to the object where the file system cannot share blocks, and then
   is read-only like the object. What somebody will write to, or may execute, is a copy.
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
from resources.dvc.cache.object_cache import ObjectCache
from resources.files import current_umask
from security.content.digest import Digests

_SMALLEST_LINK = 64 << 10  # bytes: a copy of less costs no more than a link
_FORGOTTEN = 86400.0  # seconds after which nobody is still making something
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class _Placed:
    """One file that was placed.

    Attributes:
        source: the object that it is a link to, if it is one.
    """

    digests: Digests
    source: str | None


class Placement:
    """Places what outs of one working tree are recorded to hold. Safe for threads.

    Args:
        root: the DVC root, absolute.
    """

    def __init__(self, root: Path, cache: ObjectCache) -> None:
        self._aside = root / ".dvc" / "tmp" / "ml-assets"
        self._cache = cache

    def place(self, recorded: RecordedContent, path: str, *, linked: bool) -> None:
        """Place an object where nothing is; if somebody else was faster, leave what lies there.

        Args:
            path: absolute.
            linked: nobody will write to it.

        Raises:
            CorruptObjectError: an object's bytes do not have the digest of its name.
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
                os.chmod(made, 0o777 & ~current_umask())
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not _move(made, path):  # 2
                return
        for relative, one in placed.items():
            name = os.path.join(path, relative) if relative else path
            # A name more, and a rename, change the status of the object as well.
            if one.source is None or self._cache.store.renew(one.source, one.digests):
                self._cache.store.remember(name, one.digests)

    @contextmanager
    def _make_aside(self) -> Iterator[str]:
        os.makedirs(self._aside, exist_ok=True)
        self._sweep()
        with tempfile.TemporaryDirectory(dir=self._aside, prefix=f"{os.getpid()}-") as aside:
            yield aside

    def _sweep(self) -> None:
        """Remove what processes that were killed have left, once it is old enough to be that."""
        for left in os.scandir(self._aside):
            with suppress(FileNotFoundError):
                if left.stat(follow_symlinks=False).st_mtime < time.time() - _FORGOTTEN:
                    shutil.rmtree(left.path, ignore_errors=True)

    def withdraw(self, md5: str, path: str) -> None:
        """Take away those files of a placed object that are links, with their objects left known.

        Removing such a link changes the status of the object, so that its bytes would have to be
        read again before they are believed.

        Args:
            path: absolute, as when it was placed.
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
        os.chmod(path, 0o666 & ~current_umask())
        return _Placed(digests, None)


def _move(made: str, path: str) -> bool:
    """Give what was made its place, unless something has got there meanwhile."""
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
