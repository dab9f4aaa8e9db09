"""The repository lock: one run at a time in a checkout, and none beside DVC's own commands.

Two locks. Ours is an flock that the kernel drops when its holder dies. DVC's is an entry for each
path in ``.dvc/tmp/rwlock``, under an flock of its own; DVC itself removes the entries of dead
processes. An interrupted DVC can leave that file broken, after which every DVC command fails:
it is then set aside.
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

_PIDS = range(1, 1 << 31)  # process ids that there can be


@contextmanager
def hold_repository(
    root: Path, *, shared: bool, wait: float, on_wait: Callable[[str], None]
) -> Iterator[None]:
    """Hold a checkout against other runs of ours.

    Args:
        root: the DVC root.
        shared: several processes of one run work here, each at other stages.
        wait: seconds to wait for another run to end.
        on_wait: told once who holds it.

    Raises:
        RepositoryBusyError: it was held for longer than ``wait``.
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
    """Hold what a run writes for all of its stages: lock files and ``.gitignore`` files."""
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
                    f"another run works in this checkout: process {holder}",
                    "wait for it to end, or give --wait SECONDS",
                ) from None
            if not told:
                on_wait(holder)
                told = True
            time.sleep(0.1)


@contextmanager
def hold_paths(
    root: Path, *, reads: Iterable[str], writes: Iterable[str], on_repair: Callable[[str], None]
) -> Iterator[None]:
    """Hold paths against DVC's own commands for as long as stages use them.

    Args:
        reads: absolute paths that are read.
        writes: absolute paths that are written.
        on_repair: told when a broken file had to be set aside.

    Raises:
        RepositoryBusyError: a DVC command that still runs uses one of them.
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
            raise ValueError("a holder that is no process")
    except FileNotFoundError:
        return empty
    except (ValueError, TypeError, AttributeError, KeyError):
        broken = file.with_name("rwlock.broken")
        os.replace(file, broken)
        on_repair(f"an interrupted DVC command left a broken lock; set aside as: {broken}")
        return empty
    return held


def _is_process(pid: object) -> bool:
    # Whether a range holds what is no integer is found out by counting through all of it.
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
