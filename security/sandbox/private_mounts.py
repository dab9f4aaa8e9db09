"""Private mounts: a mount namespace of this process, in which directories are empty for good.

After mount_namespaces(7), user_namespaces(7) and capabilities(7):

1. This process enters a mount namespace of its own. Root needs CAP_SYS_ADMIN for it; other users
   enter a user namespace too.
2. An empty, read-only file system covers each hidden directory, and each other name that links and
   bind mounts give it. The directory above becomes a mount point: a mount point cannot be renamed,
   so nothing can be put in its place. A directory that holds a path in use stays a plain one,
   because files cannot be linked across mount points.
3. This process enters a user namespace inside, which locks the covers and has no power over the
   processes outside. There it may change mounts, for the views of what it starts
   (``file_view.py``). A system can refuse this: then the covers hold, but there are no views.
4. This process gives up the capabilities that could lead around the covers, and those that it did
   not have before, for itself and for all that it starts.

A hidden directory has to be opened before, by another process. Not hidden: a disk that root reads
as a device (``landlock.py`` denies block devices), and file systems that only other machines mount.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from security.sandbox import capabilities, mounts
from security.sandbox.errors import ConfinementError
from security.sandbox.mount_table import read_mounts
from security.sandbox.path_aliases import find_denied


def hide_directories(hidden: Sequence[Path], in_use: Sequence[Path] = ()) -> None:
    """Hide directories from this process, and from all that it starts, for good.

    Args:
        hidden: absolute paths. A missing directory is created, so that no one else can create it.
        in_use: paths whose files may be linked to others beside them.

    Raises:
        ConfinementError: the system refuses, or this process has more than one thread: a namespace
            is that of a thread. Then nothing is hidden.
    """
    if sys.platform != "linux":
        raise ConfinementError("no mount namespaces on this system", "use Linux")
    if len(os.listdir("/proc/self/task")) != 1:
        raise ConfinementError("cannot hide directories from a second thread", "hide them earlier")
    for path in hidden:
        with suppress(OSError):  # a directory that we cannot create, no stage can create
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    table = read_mounts()
    names = sorted({name for path in hidden for name in find_denied(path, table)})
    lock = _can_hide(names, in_use, lock=True)
    if not lock and not _can_hide(names, in_use, lock=False):
        raise ConfinementError(
            "this system allows no mounts in a namespace of our own",
            "allow user namespaces, or use a kernel with landlock",
        )
    _hide(names, in_use, lock=lock)


def _can_hide(names: Sequence[str], in_use: Sequence[Path], *, lock: bool) -> bool:
    """Try in a child: a system can allow the namespace, but no mounts in it (AppArmor).

    This process would be left in a namespace without the user's groups, and with nothing hidden.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _hide(names, in_use, lock=lock)
        except BaseException:  # the parent goes by the exit code
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _hide(names: Sequence[str], in_use: Sequence[Path], *, lock: bool) -> None:
    own = capabilities.find_own()
    mounts.enter_namespace(of_user=os.geteuid() != 0)  # 1
    for name in names:  # 2
        _cover(name, in_use)
    if lock:
        mounts.enter_namespace(of_user=True)  # 3
    capabilities.give_up(own, but_mounts=lock)  # 4


def _cover(name: str, in_use: Sequence[Path]) -> None:
    above = Path(name).parent
    holds = any(path.resolve().is_relative_to(above) for path in in_use)
    if not holds and above != Path("/") and os.path.lexists(name):
        mounts.bind(str(above))
    if mounts.cover(name):
        mounts.set_read_only(name)
