"""Path aliases: all names of a denied path, through links and mounts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from security.sandbox.errors import ConfinementError
from security.sandbox.mount_table import Mount, other_names

_MOST_LINKS = 40  # on one path, as in path_resolution(7)


def find_denied(path: Path, mounts: tuple[Mount, ...]) -> set[str]:
    """Return the target of a path, each link on the way, and their other names through mounts.

    Raises:
        ConfinementError: the path cannot be denied.
    """
    names = _places(path)
    for name in tuple(names):
        names |= other_names(name, mounts)
    if "/" in names:
        raise ConfinementError(
            f"cannot deny the root directory: {path}", "deny a directory below it"
        )
    return names


def _places(path: Path) -> set[str]:
    """Return the target of a path, and each link on the way, whose replacement would redirect it.

    Raises:
        ConfinementError: the path is relative or a loop of links, or its file has another name.
    """
    if not path.is_absolute():
        raise ConfinementError(f"cannot deny a relative path: {path}", "give an absolute path")
    ahead, here, places = _reversed_parts(str(path)), "/", set[str]()
    links = 0
    while ahead:
        name = ahead.pop()
        here, above = (
            (os.path.dirname(here), here) if name == ".." else (os.path.join(here, name), here)
        )
        try:
            mode = os.lstat(here).st_mode
        except OSError:
            return places | {here}
        if stat.S_ISLNK(mode):
            links += 1
            if links > _MOST_LINKS:
                raise ConfinementError(
                    f"cannot deny a path with too many links: {path}", "remove the loop of links"
                )
            places.add(here)
            target = os.readlink(here)
            ahead += _reversed_parts(target)
            here = "/" if target.startswith("/") else above
    _refuse_second_name(here)
    return places | {here}


def _reversed_parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _refuse_second_name(path: str) -> None:
    found = os.lstat(path)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise ConfinementError(
            f"cannot deny a file with another hard link: {path}", "replace it with a copy"
        )
