"""Files: atomic writes, reads that refuse links, and private files of one user."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file as a whole: readers and crashes see the old content or the new, never a part.

    Args:
        durable: wait until the bytes are on the disk.

    Raises:
        OSError: the file cannot be written; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user has named; a device or pipe, such as ``/dev/null``, stays.

    Raises:
        OSError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        with open(path, "wb") as stream:
            stream.write(content)
    else:
        write_atomically(path, content)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o666 & ~current_umask()


def create_private(path: Path, content: bytes) -> bool:
    """Create a file that only its owner can read (mode 0600), and flush it to the disk.

    An existing file stays. If several processes create the file at once, one of them wins.

    Returns:
        Whether this call created the file.

    Raises:
        OSError: the file cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)


def read_private(path: Path, largest: int) -> bytes:
    """Read a file that only its owner can read.

    Raises:
        OSError: the file cannot be read, is not a regular file of this user, other users can read
            it, or it has more than ``largest`` bytes.
    """
    return _read(path, largest, private=True)


def read_regular(path: Path, largest: int | None = None) -> bytes:
    """Read a regular file; do not follow a symbolic link or wait for a pipe.

    Raises:
        OSError: the file cannot be read, is not regular, or has more than ``largest`` bytes.
    """
    return _read(path, largest, private=False)


def _read(path: Path, largest: int | None, *, private: bool) -> bytes:
    with os.fdopen(os.open(path, _OPEN), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        if private and status.st_uid != os.geteuid():
            raise PermissionError(errno.EACCES, "owned by another user", os.fspath(path))
        if private and status.st_mode & 0o077:
            raise PermissionError(errno.EACCES, "readable by other users", os.fspath(path))
        if largest is None:
            return stream.read()
        content = stream.read(largest + 1) if status.st_size <= largest else b""
    if len(content) > largest or status.st_size > largest:
        raise OSError(errno.EFBIG, f"larger than {largest} bytes", os.fspath(path))
    return content


def current_umask() -> int:
    """Return the umask of the process."""
    return _UMASK


# Read once at import: reading the umask sets it, which another thread must not see.
_UMASK = os.umask(0)
os.umask(_UMASK)
