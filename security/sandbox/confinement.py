"""Confinement: a process, and all that it starts, is kept from paths that it must not reach.

What can be granted is rights below a directory, not rights below it but for one path
(``landlock.py``). So a *denied* path is kept by granting everything on all that lies
beside it and beside each directory above it, and nothing on these directories themselves. They
can be listed and walked through, their entries of now work as ever, but in them no entry can be
made, replaced, renamed or removed. What that stops:

1. A denied path is reached by another name: links are followed when it is denied, rights hold for
   inodes, bind mounts are looked up in the mount table, a denied file with a second hard link is
   refused. New hard links, renames of it or of a directory above it, and mounts, user namespace or
   not, fail for want of rights.
2. It does not exist yet: it cannot be made.
3. Something in place of it: a link on the way to it cannot be replaced.
4. Another process's eyes and hands: what is outside the domain cannot be traced, nor reached
   through ``/proc/<pid>``; signals and abstract sockets do not cross its border (Linux 6.12).
5. Past the file system, as root: capabilities go, block devices are denied, ``/proc`` and ``/sys``
   are read-only (a core pattern names a program that the kernel starts, for instance).

What is left: names, sizes, modes and times of what is denied can be seen, and its owner can change
mode and times. Before Linux 6.2 an existing file can be cut. A service that listens on a socket
file and does as it is told (a container engine) is a way out. So is what is executed later.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from security.sandbox import landlock
from security.sandbox.landlock import NOTHING, READ_ONLY, ConfinementError, Right, Scope
from security.sandbox.mount_table import Mount, read_mounts
from security.sandbox.path_aliases import find_denied

__all__ = ["ConfinementError", "can_confine", "start_confined"]

_NEEDED_ABI = 2  # without REFER, no file could be renamed to another directory


def can_confine() -> bool:
    """Whether this kernel can keep a process from paths (Linux 5.19, with Landlock on)."""
    return landlock.abi() >= _NEEDED_ABI


def start_confined(
    start: Callable[[], subprocess.Popen[bytes]], denied: Sequence[Path]
) -> subprocess.Popen[bytes]:
    """Start a process that can neither read nor write what is denied, nor can what it starts.

    Args:
        start: starts it; called in a thread of its own, which is restricted and then ends.
        denied: absolute paths, of files or directories, there or not.

    Raises:
        ConfinementError: it cannot be kept from them.
        OSError: it cannot be started.
    """
    ruleset = build_ruleset(denied)
    try:
        return start_restricted(start, ruleset)
    finally:
        os.close(ruleset)


def start_restricted(
    start: Callable[[], subprocess.Popen[bytes]], ruleset: int
) -> subprocess.Popen[bytes]:
    """Start a process in a domain of its own, under a ruleset.

    The starting thread is in that domain as well, from a moment before the process begins to a
    moment after. The process shall not look into ours through it: for that time ours is not
    dumpable (PR_SET_DUMPABLE, ptrace(2)). It could send it a signal.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: it cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []
    failures: list[BaseException] = []

    def restrict_and_start() -> None:
        try:
            landlock.drop_capabilities()
            landlock.restrict_thread(ruleset)
            started.append(start())
        except BaseException as error:  # raised again where it is waited for
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
    """Wait until the kernel, too, knows the thread no more; join() returns a little earlier."""
    thread.join()
    task = f"/proc/self/task/{thread.native_id}"
    while os.path.exists(task):
        os.sched_yield()


_guard = threading.Lock()
_windows = 0
_dumpable = 1


@contextmanager
def _not_dumpable() -> Iterator[None]:
    """Let nobody without privileges look into this process; several threads may ask at once."""
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
    """Return the descriptor of a ruleset that grants all but what is denied, as things are now.

    Raises:
        ConfinementError: this kernel cannot, or what is denied has a name that cannot be.
    """
    if not can_confine():
        raise ConfinementError(
            "this kernel cannot keep a process from files", "use Linux 6.2 or newer with landlock"
        )
    mounts = read_mounts()
    # Root alone may write there anything that matters, and others need their own /proc/self.
    exceptions = dict.fromkeys(("/proc", "/sys") if os.geteuid() == 0 else (), READ_ONLY)
    for path in denied:
        exceptions |= dict.fromkeys(find_denied(path, mounts), NOTHING)
    return _rulesets.get(_Layout(exceptions), mounts)


class _Rulesets:
    """The ruleset that was built last, for as long as it would be built the same way again.

    It would not once an entry has come to a directory on the way. The directory's times tell so,
    but several changes within one tick of the file system's clock give the same times: what was
    seen first is believed only when it is seen again, a while later.
    """

    _WHILE = 0.1  # seconds, of which a tick is a fraction

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: object = None
        self._since = 0.0
        self._ruleset: int | None = None

    def get(self, layout: _Layout, mounts: tuple[Mount, ...]) -> int:
        """Return a descriptor of its own, for a layout among these mounts."""
        with self._guard:
            seen = (layout.exceptions, mounts, layout.read_times())
            if seen != self._seen:
                self._forget()
                self._seen, self._since = seen, time.monotonic()
                return layout.build()
            if self._ruleset is None:
                if time.monotonic() - self._since < self._WHILE:
                    return layout.build()
                self._ruleset = layout.build()
            return os.dup(self._ruleset)

    def _forget(self) -> None:
        if self._ruleset is not None:
            os.close(self._ruleset)
            self._ruleset = None


_rulesets = _Rulesets()


class _Layout:
    """Where a ruleset grants other rights than above, and the directories on the way there."""

    def __init__(self, exceptions: dict[str, int]) -> None:
        self.exceptions = exceptions
        # Among devices one by one, so that those of blocks get nothing (``landlock.allow``).
        self._ways: dict[str, set[str]] = {"/": {"dev"}, "/dev": set()}
        for path in exceptions:
            while path != "/":
                directory, name = os.path.split(path)
                self._ways.setdefault(directory, set()).add(name)
                path = directory

    def read_times(self) -> tuple[tuple[int, ...] | None, ...]:
        """Return what tells whether directories on the way have changed."""
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
        """Grant rights on what is in a directory on the way, but for the exceptions."""
        names: Collection[str] = self._ways[directory]
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            opened = -1  # of its entries only those on the way can be told
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
