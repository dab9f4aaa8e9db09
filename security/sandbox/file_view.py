"""The file view: what a confined process sees of the file system, where it differs from ours.

Each view is a mount namespace of its own (``mounts.py``). Paths are treated from the outside to the
inside, so that a writable directory can lie in a read-only one, and a hidden one in that.

1. Links are followed, and all names that bind mounts give a path are treated alike.
2. A read-only or hidden path becomes a mount point: it can be neither replaced nor renamed, nor the
   directories above it up to the next mount point.
3. The process gets none of the capabilities that change mounts (``confinement.py``). In a user
   namespace of its own the mounts are locked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from security.sandbox import mounts
from security.sandbox.errors import ConfinementError
from security.sandbox.mount_table import is_below, other_names, read_mounts
from security.sandbox.path_aliases import find_denied


class Access(Enum):
    """What a process may do with a path and all below it."""

    HIDDEN = "hidden"
    READ_ONLY = "read-only"
    WRITABLE = "writable"


@dataclass(frozen=True, slots=True)
class FileView:
    """The paths that a process may access less than we may. All are absolute.

    Attributes:
        hidden: can be neither read nor written; need not exist. Denied on every system.
        read_only: cannot be written. Missing ones do not count, and without mount namespaces none.
        writable: paths in these for which that does not hold.
        exempt: names of places that would be read-only, had the user not made them writable.
    """

    hidden: tuple[Path, ...] = ()
    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    exempt: tuple[str, ...] = ()


@cache
def can_enter_view() -> bool:
    """Whether processes that this process starts can have views of their own."""
    entered: list[bool] = []

    def enter() -> None:
        try:
            enter_view(FileView())
            entered.append(True)
        except (ConfinementError, OSError):
            entered.append(False)

    thread = threading.Thread(target=enter)  # which keeps the namespace for its short life
    thread.start()
    thread.join()
    return entered == [True]


def enter_view(view: FileView) -> None:
    """Enter a view with the calling thread, for good.

    Raises:
        ConfinementError: the system refuses, or a path cannot be hidden.
    """
    accesses = _find_accesses(view)
    mounts.enter_namespace(of_user=False)
    kept = {path: mounts.copy_tree(path) for path in _find_kept(accesses)}
    try:
        for path, access in accesses.items():
            _apply(path, access, kept)
    finally:
        for tree in kept.values():
            os.close(tree)


def _find_accesses(view: FileView) -> dict[str, Access]:
    """Return the access to each path by all its names, the outer paths first."""
    table = read_mounts()
    found: dict[str, Access] = {}
    for paths, access in (
        (view.read_only, Access.READ_ONLY),
        (view.writable, Access.WRITABLE),
    ):
        for path in paths:
            real = os.path.realpath(path)
            if os.path.exists(real):
                found |= dict.fromkeys({real, *other_names(real, table)}, access)
    for path in view.hidden:
        found |= dict.fromkeys(find_denied(path, table), Access.HIDDEN)
    limits = [path for path, access in found.items() if access is not Access.WRITABLE]
    return {
        path: found[path]
        for path in sorted(found, key=lambda path: path.count("/"))
        # A mount point that nothing needs would only forbid links and renames across it.
        if path in limits or any(is_below(path, one) for one in limits)
    }


def _find_kept(accesses: dict[str, Access]) -> Iterator[str]:
    """Find the paths in hidden directories that stay visible."""
    hidden = [path for path, access in accesses.items() if access is Access.HIDDEN]
    for path, access in accesses.items():
        if access is not Access.HIDDEN and any(is_below(path, one) for one in hidden):
            yield path


def _apply(path: str, access: Access, kept: dict[str, int]) -> None:
    if access is Access.HIDDEN:
        if mounts.cover(path):
            inside = [one for one in kept if is_below(one, path)]
            for one in inside:
                os.makedirs(one, exist_ok=True)
            mounts.set_read_only(path)
        return
    if path in kept:
        mounts.place_tree(kept[path], path)
    else:
        mounts.bind(path)
    mounts.set_read_only(path, access is Access.READ_ONLY, below=True)
