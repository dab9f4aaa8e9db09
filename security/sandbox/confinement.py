"""Confinement: start a process that, with its descendants, has a restricted view of the files.

Where this process can change mounts, the view is a mount namespace (``file_view.py``). Elsewhere
Landlock denies the hidden paths. Landlock grants rights on a directory tree and cannot exclude one
path from it (``landlock.py``). So the ruleset grants all rights on the siblings of a hidden path
and of each directory above it, and no rights on these directories. They can be listed and traversed
and their present entries work as before, but no entry in them can be created, replaced, renamed or
removed. Attacks that this stops:

1. Another name of a hidden path: links are followed when the path is denied, rights apply to
   inodes, bind mounts are looked up in the mount table, and a denied file with a second hard link
   is refused. New hard links, renames of the path or of a directory above it, and mounts, with or
   without a user namespace, fail without the rights.
2. A hidden path that does not exist yet: it cannot be created.
3. Replacement: a link on the way to a hidden path cannot be replaced.

Landlock always stops these:

4. Another process: processes outside the domain cannot be traced or reached through
   ``/proc/<pid>``; signals and abstract sockets do not leave the domain (Linux 6.12).
5. Root that bypasses the file system: capabilities are dropped, block devices are denied, and
   ``/proc`` and ``/sys`` are read-only (a core pattern, for example, names a program that the
   kernel starts).

Limits of Landlock: read-only paths can be written; the names, sizes, modes and times of hidden
files are visible, and the owner can change modes and times. Before Linux 6.2 an existing file can
be truncated. Limits of both: a service that listens on a socket file and runs commands for its
clients (a container engine) is a way out. So are files that are executed later.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from security.sandbox import capabilities, landlock
from security.sandbox.errors import ConfinementError
from security.sandbox.file_view import FileView, can_enter_view, enter_view
from security.sandbox.ruleset import build_ruleset, can_confine

__all__ = ["ConfinementError", "FileView", "can_confine", "can_protect", "start_confined"]


@dataclass(frozen=True, slots=True)
class Restriction:
    """What restricts a process.

    Attributes:
        ruleset: descriptor of a Landlock ruleset.
        view: the view that it enters first; None if the ruleset denies the hidden paths.
    """

    ruleset: int
    view: FileView | None = None


def can_protect() -> bool:
    """Whether read-only paths of a view are read-only here."""
    return can_confine() and can_enter_view()


def start_confined(
    start: Callable[[], subprocess.Popen[bytes]], view: FileView
) -> subprocess.Popen[bytes]:
    """Start a process that, like its descendants, has a view of the files.

    Args:
        start: starts the process; called in a separate thread, which is restricted and then ends.

    Raises:
        ConfinementError: access cannot be denied.
        OSError: the process cannot be started.
    """
    with open_restriction(view) as restriction:
        return start_restricted(start, restriction)


@contextmanager
def open_restriction(view: FileView) -> Iterator[Restriction]:
    """Prepare the restriction to a view.

    Raises:
        ConfinementError: access cannot be denied.
    """
    mounted = can_enter_view()
    # Landlock denies the creation of a path that is not there yet, and the replacement of a link.
    denied = [one for one in view.hidden if not mounted or not _is_plain(one)]
    ruleset = build_ruleset(denied, () if mounted else view.writable)
    try:
        yield Restriction(ruleset, view if mounted else None)
    finally:
        os.close(ruleset)


def _is_plain(path: Path) -> bool:
    return os.path.lexists(path) and os.path.realpath(path) == os.fspath(path)


def start_restricted(
    start: Callable[[], subprocess.Popen[bytes]], restriction: Restriction
) -> subprocess.Popen[bytes]:
    """Start a process in a domain of its own, under a restriction.

    The starting thread is in the same domain for the moment of the start. To stop the process from
    reading our memory through that thread, our process is not dumpable meanwhile (PR_SET_DUMPABLE,
    ptrace(2)). The process could still send the thread a signal.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: the process cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []
    failures: list[BaseException] = []

    def restrict_and_start() -> None:
        try:
            if restriction.view is not None:
                enter_view(restriction.view)
            capabilities.drop_for_children()
            landlock.restrict_thread(restriction.ruleset)
            started.append(start())
        except BaseException as error:  # raised again in the waiting thread
            failures.append(error)

    with _not_dumpable():
        thread = threading.Thread(target=restrict_and_start, name="confinement")
        thread.start()
        try:
            _wait_for_end(thread)
        except BaseException:
            thread.join()
            for process in started:
                process.kill()
                process.wait()
            raise
    if failures:
        raise failures[0]
    return started[0]


def _wait_for_end(thread: threading.Thread) -> None:
    """Wait until the kernel has removed the thread; join() returns slightly earlier."""
    thread.join()
    task = f"/proc/self/task/{thread.native_id}"
    while os.path.exists(task):
        os.sched_yield()


_guard = threading.Lock()
_windows = 0
_dumpable = 1


@contextmanager
def _not_dumpable() -> Iterator[None]:
    """Hide the memory of this process from unprivileged ones for the block. Safe for threads."""
    global _windows, _dumpable
    with _guard:
        _windows += 1
        if _windows == 1:
            _dumpable = landlock.set_dumpable(0)
    try:
        yield
    finally:
        with _guard:
            _windows -= 1
            if _windows == 0 and _dumpable == 1:
                landlock.set_dumpable(1)
