"""The directory of cache objects, opened by descriptors: no link leads out of it or into it.

A stage can write to the cache. So an object that leaves this machine is opened once, as a regular
file in its place, and hashed; and a fetched object is hashed before it gets its place.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from resources.errors import CorruptObjectError

_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_INNER = ("files", "md5")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def require_plain(objects: Path) -> None:
    """Refuse links as inner directories of a cache: objects would be written elsewhere.

    The cache itself may be behind a link, which the user makes.

    Raises:
        CorruptObjectError: ``files`` or ``files/md5`` is a link.
    """
    inner = (objects.parent, objects) if objects.parts[-2:] == _INNER else ()
    for directory in inner:
        if directory.is_symlink():
            raise CorruptObjectError(
                f"directory of the cache is a symbolic link: {directory}",
                "remove the link; to keep the cache elsewhere: dvc cache dir PATH",
            )


@contextmanager
def open_objects(objects: Path, md5s: Collection[str]) -> Iterator[list[str]]:
    """Open objects, verify their bytes, and yield the paths of the open files.

    Raises:
        CorruptObjectError: a link, another kind of file, or the bytes do not match the name.
        OSError: an object cannot be read.
    """
    with ExitStack() as opened:
        paths = []
        for md5 in md5s:
            descriptor = _open_object(objects, md5)
            opened.callback(os.close, descriptor)
            path = f"/proc/self/fd/{descriptor}"
            paths.append(path if os.path.exists(path) else os.fspath(objects / md5[:2] / md5[2:]))
        yield paths


def _open_object(objects: Path, md5: str) -> int:
    with ExitStack() as opened:
        place = opened.enter_context(_open_place(objects, md5))
        try:
            descriptor = os.open(md5[2:], _REGULAR, dir_fd=place)
        except OSError as error:
            if os.path.islink(objects / md5[:2] / md5[2:]):
                raise _refuse(objects, md5, "a symbolic link") from error
            raise
    try:
        _verify(descriptor, objects, md5)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _verify(descriptor: int, objects: Path, md5: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _refuse(objects, md5, "not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5.removesuffix(".dir"):
        raise _refuse(objects, md5, f"md5 is {found}")


def place_object(file: Path, objects: Path, md5: str) -> bool:
    """Move a fetched file to its place in the cache; remove it if its bytes have another md5.

    Returns:
        Whether the object is in place.

    Raises:
        OSError: the cache cannot be written.
    """
    with _open_place(objects, md5, create=True) as place:
        descriptor = os.open(file, _REGULAR)
        try:
            _verify(descriptor, objects, md5)
            os.fchmod(descriptor, 0o444)
        except CorruptObjectError:
            file.unlink()
            return False
        finally:
            os.close(descriptor)
        os.rename(file, md5[2:], dst_dir_fd=place)
    return True


@contextmanager
def _open_place(objects: Path, md5: str, *, create: bool = False) -> Iterator[int]:
    with ExitStack() as opened:
        require_plain(objects)
        plain = os.O_NOFOLLOW if objects.parts[-2:] == _INNER else 0
        above = os.open(objects, _DIRECTORY | plain)
        opened.callback(os.close, above)
        if create:
            with suppress(FileExistsError):
                os.mkdir(md5[:2], stat.S_IMODE(os.fstat(above).st_mode), dir_fd=above)
        place = os.open(md5[:2], _DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        opened.callback(os.close, place)
        yield place


def _refuse(objects: Path, md5: str, reason: str) -> CorruptObjectError:
    path = objects / md5[:2] / md5[2:]
    return CorruptObjectError(
        f"corrupted cache object: {path}: {reason}", f"remove it, then run again: rm -f {path}"
    )
