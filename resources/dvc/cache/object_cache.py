"""The object cache: DVC's content-addressed files, added and restored by copy or reflink.

Layout of DVC 3: ``<cache>/files/md5/<2 hex>/<30 hex>``, directories as ``.dir`` objects, all
read-only (mode 444). The digest of an object is verified before it is restored, so a corrupted
object never reaches the working tree.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat as modes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.dvc.cache.content import Content, tree_bytes
from resources.dvc.cache.object_name import require_name
from resources.errors import CorruptObjectError, UnavailableError, os_reason
from resources.files import current_umask
from resources.stores.digest_store import DigestStore
from security.content.digest import Digests

_PROTECTED = 0o444
_FILE = re.compile("[0-9a-f]{32}")
_FICLONE = 0x40049409  # linux/fs.h: ioctl that makes a reflink
_NO_REFLINK = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS}


class ObjectCache:
    """Adds the content of paths and restores it. Safe for threads.

    Args:
        directory: the cache directory (``Layout.cache_dir``).
        store: digests of objects that were verified before.
    """

    def __init__(self, directory: Path, store: DigestStore) -> None:
        self.store = self._store = store
        self._objects = os.path.join(os.fspath(directory), "files", "md5")
        self._reflink = True

    def path(self, md5: str) -> str:
        """Return the path of an object.

        Raises:
            ConfigurationError: not an md5; another name could lead out of the cache.
        """
        require_name(md5)
        return f"{self._objects}/{md5[:2]}/{md5[2:]}"

    def holds(self, md5: str) -> bool:
        """Whether the cache has an object and, for a directory, all of its files.

        As DVC does, this trusts the read-only mode; ``take`` and ``verify`` read the bytes.
        """
        if not self._present(md5):
            return False
        if not md5.endswith(".dir"):
            return True
        try:
            entries = self.listing(md5)
        except CorruptObjectError:
            return False
        return all(self._present(entry_md5) for _, entry_md5 in entries)

    def _present(self, md5: str) -> bool:
        path = self.path(md5)
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
        if modes.S_IMODE(mode) == _PROTECTED:
            return True
        return modes.S_ISREG(mode) and self._digest(md5).md5 == md5.removesuffix(".dir")

    def verify(self, md5: str) -> Digests:
        """Verify the bytes of an object against its name, and return its digests.

        Raises:
            CorruptObjectError: the bytes do not match the name.
            UnavailableError: the object cannot be read.
        """
        digests = self._digest(md5)
        if digests.md5 != md5.removesuffix(".dir"):
            path = self.path(md5)
            raise CorruptObjectError(
                f"corrupted cache object: {path}: md5 is {digests.md5}",
                f"remove it, then run again: rm -f {path}",
            )
        return digests

    def verify_all(self, md5: str) -> None:
        """Verify an object and, for a directory, all of its files.

        Raises:
            CorruptObjectError: the bytes of an object do not match its name.
            UnavailableError: an object cannot be read.
        """
        if not md5.endswith(".dir"):
            self.verify(md5)
            return
        for _, entry_md5 in self.listing(md5):
            self.verify(entry_md5)

    def _digest(self, md5: str) -> Digests:
        path = self.path(md5)
        try:
            return self._store.digest(path)
        except OSError as error:
            raise UnavailableError(
                f"cannot read cache object: {path}: {os_reason(error)}",
                f"correct its permissions, or remove it and run again: rm -rf {path}",
            ) from error

    def listing(self, md5: str) -> list[tuple[str, str]]:
        """Return the (path, md5) pairs of a directory object.

        Raises:
            CorruptObjectError: the object is not a listing.
        """
        self.verify(md5)
        try:
            listing = json.loads(Path(self.path(md5)).read_bytes())
            pairs = [(entry["relpath"], entry["md5"]) for entry in listing]
            if not all(isinstance(name, str) and _FILE.fullmatch(file) for name, file in pairs):
                raise ValueError("not the path and the md5 of a file")
        except (ValueError, KeyError, TypeError) as error:
            path = self.path(md5)
            raise CorruptObjectError(
                f"cache object is not a directory listing: {path}",
                f"remove it, then run again: rm -f {path}",
            ) from error
        for relative, _ in pairs:
            if _leads_elsewhere(relative):
                raise CorruptObjectError(
                    f"cache object lists a file outside of its directory: {relative!r}",
                    f"remove it, then run again: rm -f {self.path(md5)}",
                )
        return pairs

    def keep(self, path: str, content: Content) -> None:
        """Add the content of a path to the cache, and make its files as DVC leaves them.

        Links become copies, so that a write to the file changes no object. A file gets the default
        permissions, and the execute bit of its owner if it had any; DVC leaves copies in a
        directory as they are.

        Raises:
            OSError: the cache cannot be written.
        """
        if content.entries is None:
            digests = Digests(content.md5, content.sha256, content.size)
            self._keep_file(path, digests)
            self._set_mode(path, executable=content.executable)
            return
        for entry in content.entries:
            self._keep_file(os.path.join(path, entry.path), Digests(entry.md5, entry.sha256, 0))
        self._keep_bytes(content.md5, tree_bytes(content.entries))

    def _keep_file(self, path: str, digests: Digests) -> None:
        target = self.path(digests.md5)
        if not self._present(digests.md5):
            self._add(path, target)
        status = os.lstat(path)
        if modes.S_ISLNK(status.st_mode) or status.st_nlink > 1:
            self._unlink_shared(path, digests.md5)

    def _unlink_shared(self, path: str, md5: str) -> None:
        """Replace a link by a copy, as DVC does: a write to the file must not change the object."""
        os.unlink(path)
        self._take_file(md5, path)

    def _set_mode(self, path: str, *, executable: bool) -> None:
        mode = default_mode(executable=executable)
        if modes.S_IMODE(os.stat(path).st_mode) != mode:
            known = self._store.recall(path)
            os.chmod(path, mode)
            if known is not None:
                self._store.renew(path, known)

    def _add(self, path: str, target: str) -> None:
        with _new_object(target) as temporary:
            self._copy(path, temporary)

    def _keep_bytes(self, md5: str, content: bytes) -> None:
        target = self.path(md5)
        if not self._present(md5):
            with _new_object(target) as temporary:
                Path(temporary).write_bytes(content)

    def take(self, md5: str, path: str, *, executable: bool = False) -> None:
        """Verify an object and copy it to a path of the working tree.

        Args:
            path: an absolute path that does not exist.
            executable: set the execute bit of the owner.

        Raises:
            CorruptObjectError: the bytes of an object do not match its name.
            OSError: the working tree cannot be written.
        """
        if md5.endswith(".dir"):
            os.makedirs(path, exist_ok=True)
            for relative, entry_md5 in self.listing(md5):
                self._take_file(entry_md5, os.path.join(path, relative))
            return
        self._take_file(md5, path, executable=executable)

    def _take_file(self, md5: str, path: str, *, executable: bool = False) -> None:
        digests = self.verify(md5)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._copy(self.path(md5), path)
        os.chmod(path, default_mode(executable=executable))
        self._store.remember(path, digests)

    def _copy(self, source: str, target: str) -> None:
        if not self.clone(source, target):
            shutil.copyfile(source, target)

    def clone(self, source: str, target: str) -> bool:
        """Create a file as a reflink: it shares blocks with the source until one of them changes.

        Returns:
            Whether the file system supports reflinks.
        """
        if self._reflink:
            try:
                with open(source, "rb") as reading, open(target, "wb") as writing:
                    fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
                return True
            except OSError as error:
                if error.errno not in _NO_REFLINK:
                    raise
                self._reflink = False
                os.unlink(target)
        return False


def default_mode(*, executable: bool) -> int:
    """Return the permissions that DVC gives a file of the working tree."""
    return 0o666 & ~current_umask() | (modes.S_IXUSR if executable else 0)


def _leads_elsewhere(relative: str) -> bool:
    """Whether a name in a listing leads out of the directory, or into a nested repository.

    DVC lists no files of nested repositories. Such a name is an attempt to plant settings for Git
    or DVC.
    """
    parts = relative.split("/")
    foreign = not {"", ".", "..", ".git", ".hg", ".dvc"}.isdisjoint(parts)
    return foreign or "\0" in relative


@contextmanager
def _new_object(target: str) -> Iterator[str]:
    """Yield the path of a temporary file, which becomes the object if the block succeeds."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".tmp-")
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, _PROTECTED)
        _replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _replace(temporary: str, target: str) -> None:
    if os.path.isdir(target) and not os.path.islink(target):
        raise UnavailableError(
            f"a directory in the place of a cache object: {target}",
            f"remove it, then run again: rm -rf {target}",
        )
    os.replace(temporary, target)
