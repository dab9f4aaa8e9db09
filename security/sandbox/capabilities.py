"""Capabilities that root gives up: each leads around file permissions (capabilities(7))."""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import Any

from security.sandbox.errors import ConfinementError

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_HEADER = struct.Struct("=Ii")  # struct __user_cap_header_struct
_SETS = struct.Struct("=6I")  # two of struct __user_cap_data_struct: low and high halves
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
    _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    if os.geteuid() != 0:
        return  # without privileges to gain, a program has none
    for name, number in _LOST.items():
        if _prctl(_PR_CAPBSET_READ, number) == 1 and _prctl(_PR_CAPBSET_DROP, number) != 0:
            raise ConfinementError(f"root keeps the capability: CAP_{name}", "run as another user")


def give_up() -> None:
    """Give capabilities up for the calling thread and for all that it starts, for good.

    Users other than root give up all of them: they have some in a user namespace of their own.

    Raises:
        ConfinementError: the kernel refuses.
    """
    drop_for_children()
    lost = sum(1 << number for number in _LOST.values()) if os.geteuid() == 0 else (1 << 64) - 1
    header = _HEADER.pack(_VERSION_3, 0)
    sets = bytearray(_SETS.size)
    buffer = (_byte() * _SETS.size).from_buffer(sets)
    if _library().capget(header, buffer) != 0:
        raise ConfinementError("cannot read capabilities", "report it with: uname -a")
    kept = [
        value & ~(lost >> 32 * (at // 3)) & 0xFFFFFFFF
        for at, value in enumerate(_SETS.unpack(sets))
    ]
    if _library().capset(header, _SETS.pack(*kept)) != 0 or _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise ConfinementError("cannot give up capabilities", "report it with: uname -a")


def _byte() -> Any:
    import ctypes

    return ctypes.c_char


def _prctl(option: int, value: int) -> int:
    return int(_library().prctl(option, value, 0, 0, 0))


@cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
