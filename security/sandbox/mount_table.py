"""The mount table: the other names that bind mounts give a path.

After proc_pid_mountinfo(5). Two mounts of one file system show its directories twice.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from security.sandbox.errors import ConfinementError

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table.

    Attributes:
        device: major and minor number of the file system.
        root: the mounted directory of the file system.
        point: the mount point.
    """

    id: int
    device: str
    root: str
    point: str


def read_mounts() -> tuple[Mount, ...]:
    """Read the mounts that this process sees.

    Raises:
        ConfinementError: the table cannot be read or parsed.
    """
    try:
        text = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
        return tuple(_parse_mount(line) for line in text.splitlines())
    except (OSError, ValueError, IndexError) as error:
        raise ConfinementError(f"cannot read mount table: {error}", "mount /proc") from error


def _parse_mount(line: str) -> Mount:
    fields = line.split(" ")
    return Mount(int(fields[0]), fields[2], _unescape(fields[3]), _unescape(fields[4]))


def _unescape(text: str) -> str:
    # Names in any encoding: os.fsdecode has turned bytes that are not UTF-8 into surrogates.
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def other_names(path: str, mounts: tuple[Mount, ...]) -> set[str]:
    """Return the other names of a path, and of parts of the tree below it.

    Args:
        path: absolute, without links; it need not exist yet.
    """
    existing = path
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    number = _mount_of(existing)
    names: set[str] = set()
    for own in (mount for mount in mounts if mount.id == number):
        inside = _join(own.root, os.path.relpath(path, own.point))
        for other in mounts:
            if other.device == own.device and other.id != own.id:
                if is_below(inside, other.root):
                    names.add(_join(other.point, os.path.relpath(inside, other.root)))
                elif is_below(other.root, inside):
                    names.add(other.point)
    return names - {path}


def is_below(path: str, directory: str) -> bool:
    """Whether a path equals a directory or is below it; both are absolute."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _join(directory: str, path: str) -> str:
    return os.path.normpath(os.path.join(directory, path))


def _mount_of(path: str) -> int:
    """Return the id of the mount of a path (proc_pid_fdinfo(5))."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        finally:
            os.close(descriptor)
        return int(text.partition("mnt_id:")[2].split()[0])
    except (OSError, ValueError, IndexError) as error:
        raise ConfinementError(
            f"cannot find the mount of {path}: {error}", "mount /proc"
        ) from error
