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
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from security.sandbox import capabilities, landlock
from security.sandbox.errors import ConfinementError
from security.sandbox.file_view import FileView, can_enter_view, enter_view
from security.sandbox.landlock import NOTHING, READ_ONLY, Right, Scope
from security.sandbox.mount_table import Mount, read_mounts
from security.sandbox.path_aliases import find_denied

__all__ = ["ConfinementError", "FileView", "can_confine", "can_protect", "start_confined"]

_NEEDED_ABI = 2  # without REFER, no file could be renamed to another directory


@dataclass(frozen=True, slots=True)
class Restriction:
    """What restricts a process.

    Attributes:
        ruleset: descriptor of a Landlock ruleset.
        view: the view that it enters first; None if the ruleset denies the hidden paths.
    """

    ruleset: int
    view: FileView | None = None


def can_confine() -> bool:
    """Whether this kernel can deny a process access to paths (Linux 5.19 with Landlock)."""
    return landlock.abi() >= _NEEDED_ABI


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
    ruleset = build_ruleset(denied)
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


def build_ruleset(denied: Sequence[Path]) -> int:
    """Return the descriptor of a ruleset that grants all rights except on the denied paths.

    The ruleset fits the directories as they are now.

    Raises:
        ConfinementError: the kernel has no such rulesets, or a path cannot be denied.
    """
    if not can_confine():
        raise ConfinementError(
            "this kernel cannot deny access to files", "use Linux 6.2 or newer with landlock"
        )
    mounts = read_mounts()
    # Only root can write anything that matters there; other users need their /proc/self.
    exceptions = dict.fromkeys(("/proc", "/sys") if os.geteuid() == 0 else (), READ_ONLY)
    for path in denied:
        exceptions |= dict.fromkeys(find_denied(path, mounts), NOTHING)
    return _rulesets.get(_Layout(exceptions), mounts)


class _Rulesets:
    """A cache of the last ruleset, valid until a directory on the way changes.

    The times of a directory show a change, but several changes within one tick of the file system
    clock give the same times. So a ruleset is cached only once the same times are seen again after
    ``_SETTLING`` seconds.
    """

    _SETTLING = 0.1  # seconds; longer than a tick of the file system clock

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: object = None
        self._since = 0.0
        self._ruleset: int | None = None

    def get(self, layout: _Layout, mounts: tuple[Mount, ...]) -> int:
        """Return a new descriptor of the ruleset for a layout and these mounts."""
        with self._guard:
            seen = (layout.exceptions, mounts, layout.read_times())
            if seen != self._seen:
                self._forget()
                self._seen, self._since = seen, time.monotonic()
                return layout.build()
            if self._ruleset is None:
                if time.monotonic() - self._since < self._SETTLING:
                    return layout.build()
                self._ruleset = layout.build()
            return os.dup(self._ruleset)

    def _forget(self) -> None:
        if self._ruleset is not None:
            os.close(self._ruleset)
            self._ruleset = None


_rulesets = _Rulesets()


class _Layout:
    """The paths with exceptional rights, and the directories on the way to them."""

    def __init__(self, exceptions: dict[str, int]) -> None:
        self.exceptions = exceptions
        # Grant devices one by one, so that block devices get no rights (``landlock.allow``).
        self._ways: dict[str, set[str]] = {"/": {"dev"}, "/dev": set()}
        for path in exceptions:
            while path != "/":
                directory, name = os.path.split(path)
                self._ways.setdefault(directory, set()).add(name)
                path = directory

    def read_times(self) -> tuple[tuple[int, ...] | None, ...]:
        """Return the inodes and times of the directories on the way, to detect changes."""
        return tuple(map(_read_times, self._ways))

    def build(self) -> int:
        """Return the descriptor of a new ruleset."""
        everything = landlock.everything()
        ruleset = landlock.create_ruleset(everything, Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET)
        try:
            self._grant(ruleset, "/", everything & ~Right.MAKE_BLOCK)
        except BaseException:
            os.close(ruleset)
            raise
        return ruleset

    def _grant(self, ruleset: int, directory: str, rights: int) -> None:
        """Grant rights on the entries of a directory on the way, except on the exceptions."""
        names: Collection[str] = self._ways[directory]
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            opened = -1  # cannot be listed: only its entries on the way are known
        try:
            for name in names if opened < 0 else os.listdir(opened):
                path = f"{directory.rstrip('/')}/{name}"
                own = self.exceptions.get(path, rights)
                if own and path in self._ways:
                    self._grant(ruleset, path, own)
                elif own and opened >= 0:
                    landlock.allow(ruleset, name, opened, own)
        finally:
            if opened >= 0:
                os.close(opened)


def _read_times(directory: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(directory, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
