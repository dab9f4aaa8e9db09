"""Mounts: the system calls that change what a thread sees of the file system.

After mount_namespaces(7), user_namespaces(7), mount_setattr(2), open_tree(2) and move_mount(2). A
mount namespace belongs to a thread and to all that it starts.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from security.sandbox.errors import ConfinementError

_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # CLONE_*, linux/sched.h
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8  # MS_*, linux/mount.h
_BIND, _REC, _SLAVE = 0x1000, 0x4000, 0x80000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on all architectures
_ATTR_RDONLY = 1  # MOUNT_ATTR_RDONLY
_TREE_CLONE, _CLOEXEC, _RECURSIVE = 1, os.O_CLOEXEC, 0x8000  # OPEN_TREE_CLONE, AT_RECURSIVE
_FROM_DESCRIPTOR = 4  # MOVE_MOUNT_F_EMPTY_PATH
_HERE = -100  # AT_FDCWD
_HINT = "allow user namespaces, or use a kernel with landlock"


def enter_namespace(*, of_user: bool) -> None:
    """Enter a mount namespace of this thread. Mounts from here go nowhere.

    Args:
        of_user: enter a user namespace too, with the same ids; this process must have one thread.
            It gets all capabilities there, and the mounts that exist now are locked.

    Raises:
        ConfinementError: the system refuses.
    """
    if of_user:
        _enter_user_namespace()
    else:
        call("unshare", _NEWNS)
    _mount("", "/", flags=_REC | _SLAVE)


def cover(path: str) -> bool:
    """Cover a path with an empty file or an empty directory; return whether it is a directory.

    The directory can be written until it is set read-only. A link is covered where it leads.

    Raises:
        ConfinementError: the system refuses.
    """
    mode = _look_at(path)
    if mode is None or stat.S_ISLNK(mode):
        return False
    if not stat.S_ISDIR(mode):
        _mount("/dev/null", path, flags=_BIND)
        return False
    _mount("tmpfs", path, "tmpfs", _NOSUID | _NODEV | _NOEXEC, "size=64k,mode=0755")
    return True


def bind(path: str) -> None:
    """Make a path a mount point: it can be neither renamed nor removed.

    Raises:
        ConfinementError: the system refuses.
    """
    _mount(path, path, flags=_BIND | _REC)


def set_read_only(path: str, read_only: bool = True, *, below: bool = False) -> None:
    """Make a mount read-only or writable, and change no other attribute.

    Args:
        below: change the mounts below it as well.

    Raises:
        ConfinementError: the system refuses.
    """
    change = (_ATTR_RDONLY, 0) if read_only else (0, _ATTR_RDONLY)
    attributes = struct.pack("QQQQ", *change, 0, 0)  # struct mount_attr
    flags = _RECURSIVE if below else 0
    name, size = os.fsencode(path), len(attributes)
    call("syscall", _MOUNT_SETATTR, _HERE, name, flags, attributes, size, about=f" {path}")


def copy_tree(path: str) -> int:
    """Return the descriptor of a copy of the mounts at a path, mounted nowhere yet.

    Raises:
        ConfinementError: the system refuses.
    """
    flags = _TREE_CLONE | _CLOEXEC | _RECURSIVE
    return call("syscall", _OPEN_TREE, _HERE, os.fsencode(path), flags, about=f" {path}")


def place_tree(tree: int, path: str) -> None:
    """Mount such a copy at a path.

    Raises:
        ConfinementError: the system refuses.
    """
    name = os.fsencode(path)
    call("syscall", _MOVE_MOUNT, tree, b"", _HERE, name, _FROM_DESCRIPTOR, about=f" {path}")


def call(name: str, *arguments: Any, about: str = "") -> int:
    """Call a function of the C library that returns -1 on failure.

    Raises:
        ConfinementError: it failed.
    """
    answer = getattr(_library(), name)(*map(_widen, arguments))
    if answer < 0:
        import ctypes

        reason = os.strerror(ctypes.get_errno())
        raise ConfinementError(f"{name}{about}: {reason}", _HINT)
    return int(answer)


def _enter_user_namespace() -> None:
    """Enter a user namespace. A child outside of it maps the ids: only it may map all of root's."""
    maps = _build_maps()
    ours, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _serve_maps(childs, os.getppid(), maps)
    childs.close()
    with ours:
        try:
            call("unshare", _NEWUSER | _NEWNS)
            ours.sendall(b".")
            mapped = ours.recv(1) == b"."
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            os.waitpid(child, 0)
    if not mapped:
        raise ConfinementError("user namespace without our ids", _HINT)


def _build_maps() -> dict[str, str]:
    """Return the files that give a user namespace the ids of this one, or those of this user."""
    if os.geteuid() != 0:
        own = {"uid_map": os.geteuid(), "gid_map": os.getegid()}
        return {"setgroups": "deny", **{name: f"{one} {one} 1" for name, one in own.items()}}
    maps = {}
    for name in ("uid_map", "gid_map"):
        lines = Path(f"/proc/self/{name}").read_text(encoding="ascii").splitlines()
        ranges = [line.split() for line in lines]
        maps[name] = "".join(f"{first} {first} {count}\n" for first, _, count in ranges)
    return maps


def _serve_maps(connection: socket.socket, pid: int, maps: dict[str, str]) -> NoReturn:
    code = 1
    try:
        if connection.recv(1):
            for name, text in maps.items():
                Path(f"/proc/{pid}/{name}").write_text(text, encoding="ascii")
            connection.sendall(b".")
            code = 0
    finally:
        os._exit(code)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    names = (os.fsencode(one) or None for one in (source or "none", target, kind))
    call("mount", *names, flags, os.fsencode(options) or None, about=f" {target}")


def _look_at(path: str) -> int | None:
    """Return the mode of a path; None if nothing is there."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfinementError(f"cannot hide: {path}: {error.strerror}", _HINT) from error


def _widen(argument: Any) -> Any:
    import ctypes

    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


@cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
