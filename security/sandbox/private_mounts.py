"""Private mounts: a mount namespace of this process, in which directories are empty for good.

After mount_namespaces(7), user_namespaces(7) and capabilities(7):

1. This process enters a mount namespace of its own. Root needs CAP_SYS_ADMIN for it; other users
   enter a user namespace too, which maps their own user and group.
2. Later mounts of the system still arrive here. Mounts from here go nowhere.
3. An empty, read-only file system covers each hidden directory, and each other name that links and
   bind mounts give it. The directory above becomes a mount point: a mount point cannot be renamed,
   so nothing can be put in its place. A directory that holds a path in use stays a plain one,
   because files cannot be linked across mount points.
4. This process gives up the capabilities that could uncover the directories or open a process
   outside of the namespace, for itself and for all that it starts. In a nested user namespace the
   covers are locked.

A hidden directory has to be opened before, by another process. Not hidden: a disk that root reads
as a device (``landlock.py`` denies block devices), and file systems that only other machines mount.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from security.sandbox import capabilities
from security.sandbox.errors import ConfinementError
from security.sandbox.mount_table import read_mounts
from security.sandbox.path_aliases import find_denied

_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # CLONE_*, linux/sched.h
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8  # MS_*, linux/mount.h
_BIND, _REC, _SLAVE = 0x1000, 0x4000, 0x80000
_HINT = "allow user namespaces, or use a kernel with landlock"


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
    mounts = read_mounts()
    names = sorted({name for path in hidden for name in find_denied(path, mounts)})
    if os.geteuid() != 0:
        _try(names, in_use)
    _hide(names, in_use)


def _try(names: Sequence[str], in_use: Sequence[Path]) -> None:
    """Try in a child: a system can allow the user namespace, but no mounts in it (AppArmor).

    This process would be left in a namespace without the user's groups, and with nothing hidden.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _hide(names, in_use)
        except BaseException:  # the parent says that it failed
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise ConfinementError("this system allows no mounts in a user namespace", _HINT)


def _hide(names: Sequence[str], in_use: Sequence[Path]) -> None:
    _enter_namespace()  # 1
    _mount("", "/", flags=_REC | _SLAVE)  # 2
    for name in names:  # 3
        _cover(name, in_use)
    capabilities.give_up()  # 4


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", _NEWNS)
        return
    _call("unshare", _NEWUSER | _NEWNS)
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    except OSError as error:
        raise ConfinementError(f"user namespace without our ids: {error}", _HINT) from error


def _cover(name: str, in_use: Sequence[Path]) -> None:
    try:
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfinementError(f"cannot hide: {name}: {error.strerror}", _HINT) from error
    if stat.S_ISLNK(mode):
        return  # covered where it leads
    above = Path(name).parent
    holds = any(path.resolve().is_relative_to(above) for path in in_use)
    if not holds and above != Path("/"):
        _mount(str(above), str(above), flags=_BIND | _REC)
    if stat.S_ISDIR(mode):
        _mount("tmpfs", name, "tmpfs", _RDONLY | _NOSUID | _NODEV | _NOEXEC, "size=4k,mode=0")
    else:
        _mount("/dev/null", name, flags=_BIND)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    names = (os.fsencode(one) or None for one in (source or "none", target, kind))
    _call("mount", *names, flags, os.fsencode(options) or None, about=f" {target}")


def _call(name: str, *arguments: Any, about: str = "") -> None:
    if getattr(_library(), name)(*map(_widen, arguments)) != 0:
        import ctypes

        reason = os.strerror(ctypes.get_errno())
        raise ConfinementError(f"{name}{about}: {reason}", _HINT)


def _widen(argument: Any) -> Any:
    import ctypes

    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


@cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
