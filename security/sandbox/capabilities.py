"""Capabilities that root gives up: each leads around file permissions (capabilities(7))."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any

from security.sandbox.errors import ConfinementError

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _RAISE, _CLEAR_ALL = 47, 2, 4
_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_HEADER = struct.Struct("=Ii")  # struct __user_cap_header_struct
_SETS = struct.Struct("=6I")  # two of struct __user_cap_data_struct: low and high halves
_MOST = 64  # capabilities of the sets
_LOST = {
    "DAC_READ_SEARCH": 2,
    "SYS_MODULE": 16,
    "SYS_RAWIO": 17,
    "SYS_PTRACE": 19,
    "SYS_ADMIN": 21,
    "SYS_BOOT": 22,
    "SYS_RESOURCE": 24,
    "MKNOD": 27,
    "MAC_OVERRIDE": 32,
    "MAC_ADMIN": 33,
    "PERFMON": 38,
    "BPF": 39,
    "CHECKPOINT_RESTORE": 40,
}


def drop_for_children() -> None:
    """Drop capabilities for the programs that the calling thread will start.

    Raises:
        ConfinementError: root keeps one of them.
    """
    _drop(_LOST.values())


def find_own() -> frozenset[int]:
    """Return the numbers of the capabilities that this process has and may pass on.

    Raises:
        ConfinementError: the kernel refuses.
    """
    _, _, permitted = _read_sets()
    return frozenset(
        number
        for number in range(_MOST)
        if permitted >> number & 1 and _prctl(_PR_CAPBSET_READ, number) == 1
    )


def give_up(own: frozenset[int], *, but_mounts: bool = False) -> None:
    """Give capabilities up for the calling thread and for all that it starts, for good.

    Users other than root give up all of them: they have some in a user namespace of their own.

    Args:
        own: the capabilities before a user namespace was entered, which grants all.
        but_mounts: keep CAP_SYS_ADMIN, in a user namespace of our own.

    Raises:
        ConfinementError: the kernel refuses.
    """
    kept = own - set(_LOST.values()) if os.geteuid() == 0 else frozenset()
    mounts = {_LOST["SYS_ADMIN"]} if but_mounts else set[int]()
    _drop(set(range(_MOST)) - kept - mounts)
    # Programs of root get what the bounding set has; those of other users have to inherit it.
    inherited = mounts if os.geteuid() != 0 else set()
    _reduce_sets(kept | mounts, inherited)
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise ConfinementError("cannot give up capabilities", "report it with: uname -a")
    for number in inherited:
        _prctl(_PR_CAP_AMBIENT, _RAISE, number)


def _drop(lost: Iterable[int]) -> None:
    """Drop capabilities from what programs can have: from the ambient and the bounding set."""
    _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    if os.geteuid() != 0:
        return  # without privileges to gain, a program has none
    for number in lost:
        if _prctl(_PR_CAPBSET_READ, number) == 1 and _prctl(_PR_CAPBSET_DROP, number) != 0:
            raise ConfinementError(f"root keeps capability number {number}", "run as another user")


def _reduce_sets(kept: Iterable[int], inherited: Iterable[int]) -> None:
    """Remove all other capabilities from the sets of the calling thread, and inherit some."""
    header, buffer, _ = _read_sets()
    mask = sum(1 << number for number in kept)
    added = sum(1 << number for number in inherited)
    sets = [
        value & mask >> 32 * (at // 3) & 0xFFFFFFFF for at, value in enumerate(_SETS.unpack(buffer))
    ]
    sets[2] |= added  # the low half of the inheritable set
    if _library().capset(header, _SETS.pack(*sets)) != 0:
        raise ConfinementError("cannot give up capabilities", "report it with: uname -a")


def _read_sets() -> tuple[bytes, bytes, int]:
    """Return the header and the sets of the calling thread for capset(2), and the permitted set."""
    header = _HEADER.pack(_VERSION_3, 0)
    sets = bytearray(_SETS.size)
    if _library().capget(header, (_byte() * _SETS.size).from_buffer(sets)) != 0:
        raise ConfinementError("cannot read capabilities", "report it with: uname -a")
    _, low, _, _, high, _ = _SETS.unpack(sets)
    return header, bytes(sets), low | high << 32


def _byte() -> Any:
    import ctypes

    return ctypes.c_char


def _prctl(option: int, value: int, other: int = 0) -> int:
    return int(_library().prctl(option, value, other, 0, 0))


@cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
