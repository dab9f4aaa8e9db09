"""Denied paths: all the names under which what is denied is kept from a process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from security.sandbox.landlock import ConfinementError
from security.sandbox.mount_table import Mount, other_names

_MOST_LINKS = 40  # on one path, as in path_resolution(7)


def find_denied(path: Path, mounts: tuple[Mount, ...]) -> set[str]:
    """Return where a path leads, each link on the way, and where else mounts show it.

    Raises:
        ConfinementError: it cannot be denied.
    """
    names = _places(path)
    for name in tuple(names):
        names |= other_names(name, mounts)
    if "/" in names:
        raise ConfinementError(f"everything would be denied: {path}", "deny less")
    return names


def _places(path: Path) -> set[str]:
    """Return where a path leads, and each link on the way: whoever replaces it, leads it astray.

    Raises:
        ConfinementError: it is relative, leads around in circles, or its file has another name.
    """
    if not path.is_absolute():
        raise ConfinementError(f"cannot be denied, not absolute: {path}", "give the whole path")
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
                raise ConfinementError(f"cannot be denied, links in a circle: {path}", "mend it")
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
            f"cannot be denied, the file has another hard link: {path}", "make it a copy"
        )
