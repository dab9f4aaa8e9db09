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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.dvc.content import Recorded
from resources.dvc.object_cache import ObjectCache
from resources.files import current_umask
from security.digest import Digests

_SMALLEST_LINK = 64 << 10  # bytes: a copy of less costs no more than a link
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class Placement:
    """Places what outs of one working tree are recorded to hold. Safe for threads.

    Args:
        root: the DVC root, absolute.
    """

    def __init__(self, root: Path, cache: ObjectCache) -> None:
        self._aside = root / ".dvc" / "tmp" / "ml-assets"
        self._cache = cache

    def place(self, recorded: Recorded, path: str, *, linked: bool) -> None:
        """Place an object where nothing is.

        Args:
            path: absolute.
            linked: nobody will write to it.

        Raises:
            CorruptObjectError: an object's bytes do not have the digest of its name.
            UnavailableError: an object cannot be read.
            OSError: the working tree cannot be written, or something is there.
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
            os.rename(made, path)  # 2
        for relative, digests in placed.items():
            self._cache.store.remember(os.path.join(path, relative) if relative else path, digests)

    @contextmanager
    def _make_aside(self) -> Iterator[str]:
        os.makedirs(self._aside, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._aside, prefix=f"{os.getpid()}-") as aside:
            yield aside

    def _place_file(self, md5: str, path: str, linked: bool) -> Digests:
        digests = self._cache.verify(md5)  # 1
        source = self._cache.path(md5)
        if self._cache.clone(source, path):
            os.chmod(path, 0o666 & ~current_umask())
        elif linked and digests.size >= _SMALLEST_LINK and _link(source, path):  # 3
            self._cache.store.renew(source, digests)
        else:
            shutil.copyfile(source, path)
            os.chmod(path, 0o666 & ~current_umask())
        return digests


def _link(source: str, path: str) -> bool:
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True
