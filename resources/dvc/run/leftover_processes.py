"""Leftover processes of killed runs: those of their stages, found by their environment variables.

A run that ends by itself leaves none (``security/sandbox/process_tree.py``).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PAUSE = 0.0005  # seconds between two rounds


def end_orphans(root: Path) -> list[int]:
    """Kill the stage processes of a killed run in a checkout, and return their ids.

    Only for a checkout that this program alone uses, while its lock is held: then each stage
    process in it is a leftover.
    """
    ended: list[int] = []
    while found := [pid for pid in _processes() if _is_stage_of(root, pid)]:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if set(found) <= set(ended):
            break  # a process of another user, or one that cannot be killed
        ended += found
        time.sleep(_PAUSE)
    return ended


def _processes() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) != os.getpid():
            yield int(entry.name)


def _is_stage_of(root: Path, pid: int) -> bool:
    seen = _read_variables(pid)
    return f"DVC_ROOT={root}" in seen and any(one.startswith("DVC_STAGE=") for one in seen)


def _read_variables(pid: int) -> set[str]:
    """Return the variables of a process; empty while it starts a program or ends."""
    try:
        return set(os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")) - {""}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError:
        return {"another user's"}  # not ours to kill
