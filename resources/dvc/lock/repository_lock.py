"""The repository lock: one run at a time in a checkout, and no DVC command on the same paths.

There are two locks. Ours is an flock, which the kernel releases when its process ends. DVC's is an
entry for each path in ``.dvc/tmp/rwlock``, guarded by another flock; DVC removes the entries of
dead processes. An interrupted DVC command can leave a broken file, with which every DVC command
fails. A broken file is moved aside.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from resources.errors import RepositoryBusyError
from resources.files import write_atomically

_PIDS = range(1, 1 << 31)  # valid process ids


@contextmanager
def hold_repository(
    root: Path, *, shared: bool, wait: float, on_wait: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock of a checkout against other runs.

    Args:
        root: the DVC root.
        shared: several processes of one run work in the checkout, each on other stages.
        wait: seconds to wait for another run to end.
        on_wait: called once with the holder of the lock.

    Raises:
        RepositoryBusyError: another run held the lock for longer than ``wait``.
    """
    path = root / ".dvc" / "tmp" / "ml-assets.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as stream:
        _lock(stream, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, wait, on_wait)
        stream.truncate(0)
        stream.write(f"{os.getpid()} {' '.join(sys.argv)}\n")
        stream.flush()
        yield


@contextmanager
def hold_record(root: Path) -> Iterator[None]:
    """Hold the lock for lock files and ``.gitignore`` files, which one process writes at a time."""
    with open(root / ".dvc" / "tmp" / "ml-assets.record.lock", "a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _lock(
    stream: IO[str], mode: int, path: Path, wait: float, on_wait: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            fcntl.flock(stream, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = path.read_text("utf-8").strip() or "unknown"
            if time.monotonic() >= deadline:
                raise RepositoryBusyError(
                    f"another run uses this checkout: process {holder}",
                    "wait for it to end, or wait longer: ml-assets run --wait SECONDS",
                ) from None
            if not told:
                on_wait(holder)
                told = True
            time.sleep(0.1)


@contextmanager
def hold_paths(
    root: Path, *, reads: Iterable[str], writes: Iterable[str], on_repair: Callable[[str], None]
) -> Iterator[None]:
    """Hold DVC's locks of paths that stages use.

    Args:
        reads: absolute paths that stages read.
        writes: absolute paths that stages write.
        on_repair: called with a message if a broken lock file was moved aside.

    Raises:
        RepositoryBusyError: a running DVC command uses one of the paths.
    """
    ours = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}
    written = set(writes)
    reading, writing = sorted(set(reads) - written), sorted(written)
    with _edit(root, on_repair) as held:
        _refuse_blockers(held, ours, reading, writing)
        for path in writing:
            held["write"][path] = ours
        for path in reading:
            held["read"].setdefault(path, []).append(ours)
    try:
        yield
    finally:
        with _edit(root, on_repair) as held:
            held["write"] = {p: who for p, who in held["write"].items() if who != ours}
            held["read"] = {
                path: others
                for path, all_of in held["read"].items()
                if (others := [who for who in all_of if who != ours])
            }


@contextmanager
def _edit(root: Path, on_repair: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    directory = root / ".dvc" / "tmp"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "rwlock"
    with open(directory / "rwlock.lock", "a+", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        held = _read(file, on_repair)
        yield held
        kept = {mode: paths for mode, paths in held.items() if paths}
        write_atomically(file, json.dumps(kept).encode())


def _read(file: Path, on_repair: Callable[[str], None]) -> dict[str, Any]:
    empty: dict[str, Any] = {"write": {}, "read": {}}
    try:
        held = {**empty, **json.loads(file.read_text("utf-8"))}
        holders = [
            *held["write"].values(),
            *(who for all_of in held["read"].values() for who in all_of),
        ]
        if not all(_is_process(who["pid"]) and isinstance(who["cmd"], str) for who in holders):
            raise ValueError("not a process")
    except FileNotFoundError:
        return empty
    except (ValueError, TypeError, AttributeError, KeyError):
        broken = file.with_name("rwlock.broken")
        os.replace(file, broken)
        on_repair(f"moved a broken lock of an interrupted DVC command aside: {broken}")
        return empty
    return held


def _is_process(pid: object) -> bool:
    # For a value other than an integer, `in` would iterate over the whole range.
    return isinstance(pid, int) and pid in _PIDS


def _refuse_blockers(
    held: dict[str, Any], ours: dict[str, Any], reading: list[str], writing: list[str]
) -> None:
    for path, who in held["write"].items():
        if _alive(who, ours) and any(_overlap(path, wanted) for wanted in (*reading, *writing)):
            raise _busy(path, who)
    for path, readers in held["read"].items():
        for who in readers:
            if _alive(who, ours) and any(_overlap(path, wanted) for wanted in writing):
                raise _busy(path, who)


def _busy(path: str, who: dict[str, Any]) -> RepositoryBusyError:
    return RepositoryBusyError(
        f"a DVC command uses {path}: process {who['pid']} {who['cmd']}",
        "wait for it to end, then run again",
    )


def _alive(who: dict[str, Any], ours: dict[str, Any]) -> bool:
    if who == ours:
        return False
    try:
        os.kill(who["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + os.sep) or other.startswith(one + os.sep)
