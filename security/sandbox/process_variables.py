"""The variables of this process: forget some of them, also where the kernel shows them.

After proc_pid_environ(5) and proc_pid_stat(5): the kernel shows the memory in which a process got
its variables, no matter what it has changed since. So their values are overwritten there.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection, MutableMapping
from pathlib import Path

_ENV_START = 50 - 3  # field env_start of proc_pid_stat(5), counted after the name of the program


def forget(names: Collection[str], variables: MutableMapping[str, str]) -> None:
    """Remove variables of this process, and overwrite their values in its memory.

    Copies that Python has made of the values can remain in the memory.

    Args:
        variables: ``os.environ``.
    """
    found = [name for name in names if variables.pop(name, None) is not None]
    if found and sys.platform == "linux":
        _overwrite({os.fsencode(name) for name in found})


def _overwrite(names: Collection[bytes]) -> None:
    try:
        block = Path("/proc/self/environ").read_bytes()
        status = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no /proc: nothing shows them
        return
    place = int(status.rpartition(")")[2].split()[_ENV_START])
    for entry in block.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if place and name in names:
            ctypes.memset(place + len(name) + 1, 0, len(value))
        place += len(entry) + 1
