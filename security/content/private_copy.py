"""The private copy: bytes as they were read, kept where nobody else can change them.

What was verified by its path may be something else when it is used. A copy that is made of the very
bytes that were hashed is not, because:

1. The place is new, and beside the one where the copy shall stand at last: nothing is overwritten,
   and it gets its name at once. Nobody else may be able to rename what lies there.
2. Until then it has another name, and nobody but its owner can read or write it (0600, 0700).
3. It gets its name only when it is published, as a whole, on the disk, and read-only (0444, 0555).
   What is not published is removed.
"""

from __future__ import annotations

import os
import secrets
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
    """A copy cannot stand where it shall.

    Attributes:
        exit_code: 2: another place is needed.
    """

    kind = "copy"
    exit_code = 2


class PrivateCopy:
    """A copy that is being made: a context, at whose end it is published or gone.

    Args:
        target: where it shall stand.
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
        """Look at the place.

        Raises:
            CopyError: something is there, or it is not safe.
        """
        if os.path.lexists(self.target):  # 1
            raise _taken(self.target)
        try:
            self._parent = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CopyError(
                f"no such directory: {self.target.parent}", "make it, for you alone"
            ) from error
        mode = os.fstat(self._parent).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            os.close(self._parent)
            raise CopyError(
                f"everybody can rename what lies there: {self.target.parent}",
                "give a place where nobody else can write",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not published."""
        try:
            self._remove()  # 3
        finally:
            for one in (self._root, self._file, self._parent):
                if one is not None:
                    os.close(one)

    def make_directory(self, path: str) -> None:
        """Make a directory of the copy; the copy's own path is ``.``, and comes first."""
        if path != ".":
            os.mkdir(path, 0o700, dir_fd=self._root)
        else:
            os.mkdir(self._name, 0o700, dir_fd=self._parent)  # 2
            self._is_there = True
            self._root = os.open(self._name, _DIRECTORY, dir_fd=self._parent)
        self._directories.append(path)

    @contextmanager
    def write_file(self, path: str) -> Iterator[Callable[[memoryview], object]]:
        """Make a file of the copy, and give what writes to it; a single file's path is ``.``."""
        if path == ".":
            handle = os.open(self._name, _NEW, 0o600, dir_fd=self._parent)  # 2
            self._is_there = True
        else:
            handle = os.open(path, _NEW, 0o600, dir_fd=self._root)
        with os.fdopen(handle, "wb") as stream:
            yield stream.write
            stream.flush()
            if path == ".":
                self._file = os.dup(handle)  # its mode is changed when it is published
            else:  # its directory is nobody else's
                os.fchmod(handle, 0o444)
                os.fsync(handle)

    def publish(self) -> None:
        """Give the copy its name: step 3.

        Raises:
            CopyError: something else has got it meanwhile.
            OSError: it cannot get it.
        """
        for path in reversed(self._directories):
            place = os.open(path, _DIRECTORY, dir_fd=self._root)
            try:
                os.fchmod(place, 0o555)  # nosec B103  # to read and enter, as its files
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
        """Give the name without taking it from another: a link fails where something is.

        Directories have no links; renaming one replaces nothing but an empty directory.
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
    return CopyError(f"something is there already: {target}", "give the name of nothing")
