"""A private copy of the bytes that were hashed, which other users cannot change.

A file can change between its verification by path and its use. A private copy cannot:

1. The copy is written to a new path beside its target, so it overwrites nothing, and one rename or
   link publishes it. In that directory other users must not be able to rename files.
2. Until then the copy has a temporary name, and only its owner can read or write it (0600, 0700).
3. Publishing syncs the whole copy to disk, makes it read-only (0444, 0555) and then gives it its
   name. An unpublished copy is removed.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from security.errors import SecurityError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class CopyError(SecurityError):
    """A copy cannot be written to its target.

    Attributes:
        exit_code: 2: another target is needed.
    """

    kind = "copy"
    exit_code = 2


class PrivateCopy:
    """A context manager that writes a copy and removes it at the end unless it was published.

    Args:
        target: the path of the published copy.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._name = f".ml-assets-{secrets.token_hex(8)}"
        self._parent = -1
        self._root: int | None = None
        self._file: int | None = None
        self._directories: list[str] = []
        self._is_there = False

    def __enter__(self) -> PrivateCopy:
        """Check the target and its directory.

        Raises:
            CopyError: the target exists, or its directory is missing or not safe.
        """
        if os.path.lexists(self.target):  # 1
            raise _taken(self.target)
        try:
            self._parent = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CopyError(
                f"no such directory: {self.target.parent}",
                f"mkdir -p -m 700 {shlex.quote(str(self.target.parent))}",
            ) from error
        mode = os.fstat(self._parent).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            os.close(self._parent)
            raise CopyError(
                f"other users can rename files in the directory: {self.target.parent}",
                "choose a directory that only you can write to",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove an unpublished copy."""
        try:
            self._remove()  # 3
        finally:
            for one in (self._root, self._file, self._parent):
                if one is not None:
                    os.close(one)

    def make_directory(self, path: str) -> None:
        """Create a directory of the copy; ``.`` is the copy itself and comes first."""
        if path != ".":
            os.mkdir(path, 0o700, dir_fd=self._root)
        else:
            os.mkdir(self._name, 0o700, dir_fd=self._parent)  # 2
            self._is_there = True
            self._root = os.open(self._name, _DIRECTORY, dir_fd=self._parent)
        self._directories.append(path)

    @contextmanager
    def write_file(self, path: str) -> Iterator[Callable[[memoryview], object]]:
        """Create a file of the copy and yield its write function; ``.`` for a single file."""
        if path == ".":
            handle = os.open(self._name, _NEW, 0o600, dir_fd=self._parent)  # 2
            self._is_there = True
        else:
            handle = os.open(path, _NEW, 0o600, dir_fd=self._root)
        with os.fdopen(handle, "wb") as stream:
            yield stream.write
            stream.flush()
            if path == ".":
                self._file = os.dup(handle)  # publish() changes its mode
            else:  # its directory is private
                os.fchmod(handle, 0o444)
                os.fsync(handle)

    def publish(self) -> None:
        """Give the copy its name: step 3.

        Raises:
            CopyError: the target exists now.
            OSError: the copy cannot be synced or renamed.
        """
        for path in reversed(self._directories):
            place = os.open(path, _DIRECTORY, dir_fd=self._root)
            try:
                os.fchmod(place, 0o555)  # nosec B103  # readable like its files
                os.fsync(place)
            finally:
                os.close(place)
        if self._file is not None:
            os.fchmod(self._file, 0o444)
            os.fsync(self._file)
        try:
            self._rename()
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(self.target) from error
        os.fsync(self._parent)

    def _rename(self) -> None:
        """Rename the copy without replacing a file: creating a hard link fails if the name exists.

        Directories have no hard links; renaming one replaces only an empty directory.
        """
        places = {"src_dir_fd": self._parent, "dst_dir_fd": self._parent}
        if self._root is not None:
            os.rename(self._name, self.target.name, **places)
            self._is_there = False
        else:
            os.link(self._name, self.target.name, follow_symlinks=False, **places)

    def _remove(self) -> None:
        if not self._is_there:
            return
        if self._root is None:
            os.unlink(self._name, dir_fd=self._parent)
            return
        for path in self._directories:
            os.chmod(path, 0o700, dir_fd=self._root)
        shutil.rmtree(self._name, dir_fd=self._parent)


def _taken(target: Path) -> CopyError:
    return CopyError(f"target already exists: {target}", "choose a path that does not exist")
