"""The ruleset of Landlock that denies some paths, and grants all rights on everything else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from security.sandbox import landlock
from security.sandbox.errors import ConfinementError
from security.sandbox.landlock import NOTHING, READ_ONLY, Right, Scope
from security.sandbox.mount_table import Mount, is_below, read_mounts
from security.sandbox.path_aliases import find_denied

_NEEDED_ABI = 2  # without REFER, no file could be renamed to another directory


def can_confine() -> bool:
    """Whether this kernel can deny a process access to paths (Linux 5.19 with Landlock)."""
    return landlock.abi() >= _NEEDED_ABI


def build_ruleset(denied: Sequence[Path], granted: Sequence[Path] = ()) -> int:
    """Return the descriptor of a ruleset that grants all rights except on the denied paths.

    The ruleset fits the directories as they are now.

    Args:
        granted: paths in denied ones for which that does not hold.

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
    everything = landlock.everything() & ~Right.MAKE_BLOCK
    for name in map(os.path.realpath, granted):
        if any(is_below(name, above) for above, rights in exceptions.items() if not rights):
            exceptions.setdefault(name, everything)
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
        granted = [path for path, rights in exceptions.items() if rights]
        self._around = {way for way in self._ways if any(is_below(one, way) for one in granted)}

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
                if path in self._ways and (own or path in self._around):
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
