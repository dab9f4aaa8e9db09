"""Landlock: the system calls that restrict a thread and its descendants.

After landlock(7) and Linux's ``Documentation/userspace-api/landlock.rst``. A ruleset names the
rights that it *handles*. A thread under the ruleset keeps only those handled rights that a rule
grants, on a file or on everything below a directory. The thread can be restricted further, never
less. Rights apply to inodes, under any name. A thread in a domain can neither trace a process
outside it nor mount anything.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from functools import cache
from typing import Any

from security.sandbox.errors import ConfinementError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_HERE = -100  # AT_FDCWD
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_NO_NEW_PRIVS = 38


class Right:
    """The rights of rules (``LANDLOCK_ACCESS_FS_*``) as bits; listing is not handled."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class Scope:
    """The actions that cannot leave a domain (``LANDLOCK_SCOPE_*``)."""

    ABSTRACT_UNIX_SOCKET = 1 << 0
    SIGNAL = 1 << 1


_SINCE = {Right.REFER: 2, Right.TRUNCATE: 3, Right.IOCTL_DEV: 5}
_SCOPES_SINCE = 6
_ALL = ((1 << 16) - 1) & ~(1 << 3)  # bit 3 is LANDLOCK_ACCESS_FS_READ_DIR
_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV
_RULE = struct.Struct("=Qi")  # struct landlock_path_beneath_attr, which is packed
READ_ONLY = Right.EXECUTE | Right.READ_FILE
NOTHING = 0


@cache
def abi() -> int:
    """Return the version of the kernel's interface; 0 without Landlock."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION))
    except (ImportError, OSError, AttributeError):
        return 0


@cache
def everything() -> int:
    """Return all rights that this kernel handles."""
    return _ALL & ~sum(right for right, since in _SINCE.items() if since > abi())


def has_scopes() -> bool:
    """Whether a domain can confine signals and abstract sockets (Linux 6.12)."""
    return abi() >= _SCOPES_SINCE


def create_ruleset(rights: int, scopes: int) -> int:
    """Return the descriptor of a ruleset that grants nothing yet.

    Args:
        scopes: ignored where the kernel has no scopes.

    Raises:
        ConfinementError: the kernel refuses.
    """
    attributes = struct.pack("QQQ", rights, 0, scopes)
    size = 24 if has_scopes() else 8
    return _call("cannot create ruleset", _CREATE_RULESET, attributes[:size], size, 0)


def create_signal_ruleset() -> int:
    """Return the descriptor of a ruleset that confines signals and grants all rights.

    Every ruleset forbids moves between directories (REFER) unless it grants them, so this one
    grants them everywhere.

    Raises:
        ConfinementError: the kernel refuses.
    """
    ruleset = create_ruleset(Right.REFER, Scope.SIGNAL)
    try:
        allow(ruleset, "/", _HERE, Right.REFER)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def allow(ruleset: int, name: str, directory: int, rights: int) -> None:
    """Grant rights on one entry of a directory and everything below it.

    Entries without rights: links, since their targets have rights of their own; block devices,
    since a disk contains every file on it; removed entries, and entries that we cannot open.

    Raises:
        ConfinementError: the kernel refuses.
    """
    try:
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return
    try:
        mode = os.fstat(entry).st_mode
        if not stat.S_ISDIR(mode):
            rights &= _OF_FILES
        if not stat.S_ISLNK(mode) and not stat.S_ISBLK(mode):
            rule = struct.pack("=Qi", rights, entry)
            _call(f"cannot add rule: {name}", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(entry)


def restrict_thread(ruleset: int) -> None:
    """Move the calling thread and its future descendants into a new domain, permanently.

    The descendants cannot gain privileges by executing a program either.

    Raises:
        ConfinementError: the kernel refuses.
    """
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise ConfinementError("the kernel refuses to set no_new_privs", _HINT)
    _call("cannot restrict the thread", _RESTRICT_SELF, ruleset, 0)


def set_dumpable(value: int) -> int:
    """Set whether the user's other processes can read this one; return the previous value."""
    before = _prctl(_PR_GET_DUMPABLE, 0)
    _prctl(_PR_SET_DUMPABLE, value)
    return before


_HINT = "run as another user, or use Linux 6.12 or newer with `landlock` in `lsm=`"


def _call(failure: str, number: int, *arguments: object) -> int:
    answer = _syscall(number, *arguments)
    if answer < 0:
        import ctypes

        raise ConfinementError(f"landlock {failure}: {os.strerror(ctypes.get_errno())}", _HINT)
    return answer


def _syscall(number: int, *arguments: object) -> int:
    answer: int = _library().syscall(number, *arguments)
    return answer


def _prctl(option: int, value: int) -> int:
    return int(_library().prctl(option, value, 0, 0, 0))


@cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
