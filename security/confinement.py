"""Confinement: a process, and all that it starts, is kept from paths that it must not reach.

What can be granted is rights below a directory, not rights below it but for one path
(``security/landlock.py``). So a *denied* path is kept by granting everything on all that lies
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
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from security import landlock
from security.landlock import NOTHING, READ_ONLY, ConfinementError, Right, Scope
from security.mount_table import other_names, read_mounts

__all__ = ["ConfinementError", "can_confine", "start_confined"]

_NEEDED_ABI = 2  # without REFER, no file could be renamed to another directory
_MOST_LINKS = 40  # on one path, as in path_resolution(7)


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
    # Root alone may write there anything that matters, and others need their own /proc/self.
    exceptions = dict.fromkeys(("/proc", "/sys") if os.geteuid() == 0 else (), READ_ONLY)
    for path in denied:
        exceptions |= dict.fromkeys(_denied_names(path), NOTHING)
    everything = landlock.everything()
    ruleset = landlock.create_ruleset(everything, Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET)
    try:
        _Layout(ruleset, exceptions).grant("/", everything & ~Right.MAKE_BLOCK)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


class _Layout:
    """Where a ruleset grants other rights than above, and the directories on the way there."""

    def __init__(self, ruleset: int, exceptions: dict[str, int]) -> None:
        self._ruleset = ruleset
        self._exceptions = exceptions
        # Among devices one by one, so that those of blocks get nothing (``landlock.allow``).
        self._ways: dict[str, set[str]] = {"/": {"dev"}, "/dev": set()}
        for path in exceptions:
            while path != "/":
                directory, name = os.path.split(path)
                self._ways.setdefault(directory, set()).add(name)
                path = directory

    def grant(self, directory: str, rights: int) -> None:
        """Grant rights on what is in a directory on the way, but for the exceptions."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            opened = os.open(directory, flags)
        except OSError:
            return self._go_on(directory, self._ways[directory], rights, None)
        try:
            return self._go_on(directory, os.listdir(opened), rights, opened)
        finally:
            os.close(opened)

    def _go_on(
        self, directory: str, names: Sequence[str] | set[str], rights: int, opened: int | None
    ) -> None:
        for name in names:
            path = f"{directory.rstrip('/')}/{name}"
            own = self._exceptions.get(path, rights)
            if own and path in self._ways:
                self.grant(path, own)
            elif own and opened is not None:
                landlock.allow(self._ruleset, name, opened, own)


def _denied_names(path: Path) -> set[str]:
    names = _places(path)
    mounts = read_mounts()
    for name in tuple(names):
        names |= other_names(name, mounts)
    if "/" in names:
        raise ConfinementError(f"everything would be denied: {path}", "deny less")
    return names


def _places(path: Path) -> set[str]:
    """Return where a path leads, and each link on the way: whoever replaces it, leads it astray.

    Raises:
        ConfinementError: it is relative, leads around in circles, or its file has another name.
    """
    if not path.is_absolute():
        raise ConfinementError(f"cannot be denied, not absolute: {path}", "give the whole path")
    ahead, here, places = _reversed_parts(str(path)), "/", set[str]()
    links = 0
    while ahead:
        name = ahead.pop()
        here, above = (
            (os.path.dirname(here), here) if name == ".." else (os.path.join(here, name), here)
        )
        try:
            mode = os.lstat(here).st_mode
        except OSError:
            return places | {here}
        if stat.S_ISLNK(mode):
            links += 1
            if links > _MOST_LINKS:
                raise ConfinementError(f"cannot be denied, links in a circle: {path}", "mend it")
            places.add(here)
            target = os.readlink(here)
            ahead += _reversed_parts(target)
            here = "/" if target.startswith("/") else above
    _refuse_second_name(here)
    return places | {here}


def _reversed_parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _refuse_second_name(path: str) -> None:
    found = os.lstat(path)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise ConfinementError(
            f"cannot be denied, the file has another hard link: {path}", "make it a copy"
        )
