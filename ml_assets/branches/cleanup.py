"""The cleanup: remove leftovers of runs by age and size, but no statement and no data.

1. Worktrees that no run uses and that hold neither the head of a branch, nor its shown commit, nor
   its passed commit: those unused for the days of the settings, then the oldest ones until the rest
   fits into the size of the settings.
2. DVC's site caches of removed worktrees, and the digests of their files.
3. Claims, worker files and gate results that are older than the days of the settings.
4. Loose objects of the mirror are packed.

The ledger and DVC's cache stay; ``run_retention`` cleans up Dagster's own storage.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml_assets.branches.watch import SHOWN, Watch
from ml_assets.orchestration.instance.worker import Life, look_at
from ml_assets.project.project import Project
from resources.dvc.lock.repository_lock import hold_repository
from resources.errors import RepositoryBusyError, ResourceError
from resources.git.mirror import VERIFIED
from resources.git.remote_repository import TRACKING
from resources.stores.digest_store import forget_missing

_DAY = 86400.0
#: Seconds between two cleanups, and seconds that a worktree counts as in use after its opening.
_PAUSE = 3600.0
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
#: The end of the name of a claim after the first one of a commit (``commit_claim``).
_FURTHER = re.compile(r"\+[0-9]+$")


@dataclass(frozen=True)
class _Worktree:
    directory: Path
    used: float


class Collector:
    """Cleans up after the runs of a watch.

    Args:
        workers: the directory of worker files.
        now: seconds since 1970.
        seconds: the time limit; the next cleanup takes the rest.
    """

    def __init__(self, watch: Watch, workers: Path, now: float, seconds: float = 20.0) -> None:
        self._watch = watch
        self._workers = workers
        self._now = now
        self._deadline = time.monotonic() + seconds
        self._oldest = now - watch.settings.keep * _DAY

    def is_due(self) -> bool:
        """Whether the last cleanup is an hour old, or in the future, after a clock was set back."""
        try:
            last = self._marker.stat().st_mtime
        except FileNotFoundError:
            return True
        return not 0 <= self._now - last < _PAUSE

    def collect(self, used: Collection[str]) -> int:
        """Clean up; return the number of removed worktrees.

        Args:
            used: the commits of waiting and running runs.

        Raises:
            ResourceError: Git cannot list the worktrees in use.
            OSError: a file cannot be read.
        """
        self._marker.touch()
        os.utime(self._marker, (self._now, self._now))
        gone = self._collect_worktrees(used)  # 1
        self._collect_made()  # 2
        for file in self._list_old():  # 3
            file.unlink(missing_ok=True)
        if self._is_late:
            self._marker.unlink(missing_ok=True)  # continue at the next tick
        else:
            self._watch.mirror.tidy()  # 4
        return gone

    @property
    def _marker(self) -> Path:
        return self._watch.home / "collected"

    @property
    def _trash(self) -> Path:
        return self._watch.home / "trash"

    @property
    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _collect_worktrees(self, used: Collection[str]) -> int:
        mirror = self._watch.mirror
        kept = {*used}
        for place in (SHOWN, VERIFIED, TRACKING):
            kept |= set(mirror.read_refs(place).values())
        every = sorted(_list_worktrees(self._watch.home / "worktrees"), key=lambda one: one.used)
        free = [
            one for one in every if one.directory.name not in kept and one.used < self._now - _PAUSE
        ]
        old = [one for one in free if one.used < self._oldest]
        gone = {one.directory for one in old if self._remove(one.directory)}
        most = self._watch.settings.keep_size * (1 << 30)
        sizes = {
            one.directory: _measure(one.directory) for one in every if one.directory not in gone
        }
        for one in free:
            if sum(sizes.values()) <= most:
                break
            if one.directory in sizes and self._remove(one.directory):
                del sizes[one.directory]
                gone.add(one.directory)
        shutil.rmtree(self._trash, ignore_errors=True)
        if gone:
            mirror.prune_worktrees()
        return len(gone)

    def _remove(self, directory: Path) -> bool:
        """Remove a worktree in one step, if no run has started in it meanwhile."""
        if self._is_late:
            return False
        root = Path(os.path.normpath(directory / self._watch.below))
        try:
            if (root / ".dvc" / "tmp").is_dir() and not (root / ".dvc").is_symlink():
                with hold_repository(root, shared=False, wait=0, on_wait=lambda _: None):
                    self._give_up(root)
                    self._take_away(directory)
            else:
                self._take_away(directory)
        except (RepositoryBusyError, OSError):  # in use, or without permission: it stays
            return False
        shutil.rmtree(self._trash, ignore_errors=True)
        return True

    def _give_up(self, root: Path) -> None:
        # The digests only save reads of the cache's objects: remove unreadable ones as well.
        with suppress(ResourceError, OSError):
            Project(root, shared=self._watch.state).give_up()

    def _take_away(self, directory: Path) -> None:
        self._trash.mkdir(exist_ok=True)
        directory.rename(self._trash / secrets.token_hex(8))

    def _collect_made(self) -> None:
        worktrees = self._watch.home / "worktrees"
        for branch in _list_directories(self._watch.home / "dvc"):
            for made in _list_directories(branch):
                if not (worktrees / branch.name / made.name).exists() and not self._is_late:
                    shutil.rmtree(made, ignore_errors=True)
        forget_missing(self._watch.state / "digests.sqlite", worktrees)

    def _list_old_claims(self) -> Iterator[Path]:
        """List the claims of each commit together, once the last of them is old."""
        by_commit: dict[str, list[Path]] = {}
        for file in _list_files(self._watch.home / "claims"):
            by_commit.setdefault(_FURTHER.sub("", file.name), []).append(file)
        for files in by_commit.values():
            if all(_is_older(file, self._oldest) for file in files):
                yield from files

    def _list_old(self) -> Iterator[Path]:
        yield from self._list_old_claims()
        for file in _list_files(self._workers):
            if _is_older(file, self._oldest) and look_at(self._workers, file.name)[0] is Life.GONE:
                yield file
        for directory in _list_directories(self._watch.state / "results"):
            for file in _list_files(directory):
                if _is_older(file, self._oldest):
                    yield file


def _list_worktrees(directory: Path) -> Iterator[_Worktree]:
    for branch in _list_directories(directory):
        for one in _list_directories(branch):
            if _COMMIT.fullmatch(one.name):
                yield _Worktree(one, one.stat().st_mtime)


def _list_directories(directory: Path) -> list[Path]:
    return [one for one in _list(directory) if one.is_dir() and not one.is_symlink()]


def _list_files(directory: Path) -> list[Path]:
    return [one for one in _list(directory) if one.is_file() and not one.is_symlink()]


def _list(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []


def _is_older(file: Path, than: float) -> bool:
    try:
        return file.stat().st_mtime < than
    except FileNotFoundError:
        return False


def _measure(directory: Path) -> int:
    """Return the bytes on disk that removing a directory would free.

    Files with another hard link, in DVC's cache, free nothing.
    """
    total = 0
    waiting = [os.fspath(directory)]
    while waiting:
        with suppress(FileNotFoundError, PermissionError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
                total += status.st_blocks * 512 if status.st_nlink == 1 else 0
    return total
