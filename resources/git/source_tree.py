"""The source tree: which files make up a working tree's source, and their digests.

It is what Git tracks and what it does not ignore, submodules included, as it lies there now. Outs
of stages are not part of it. Where there is no Git, it is every file but local state.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ChangedError, UnavailableError
from resources.git.command import run_git
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_bytes

_NEVER = (".git", ".dvc/cache", ".dvc/tmp", ".ml-assets/state")


@dataclass(frozen=True)
class SourceTree:
    """The source of one moment.

    Attributes:
        files: sha256 by path relative to the root, with ``/`` between names, sorted.
        unreadable: why something that belongs to it could not be read, by its path, which ends in
            ``/`` where it is a directory or leads to one. Nobody can judge without saying so.
    """

    root: Path
    files: dict[str, str]
    unreadable: dict[str, str]

    def is_current(self, store: DigestStore) -> bool:
        """Whether all of its files still are what they were. New files are not looked for."""
        try:
            return all(
                store.digest(os.path.join(self.root, path)).sha256 == sha256
                for path, sha256 in self.files.items()
            )
        except OSError:
            return False

    def select(self, reads: Callable[[str], bool]) -> dict[str, str]:
        """Return those of the files that somebody reads."""
        return {path: sha256 for path, sha256 in self.files.items() if reads(path)}

    def missing_for(self, reads: Callable[[str], bool]) -> dict[str, str]:
        """Return what could not be read and somebody would read; directories hold anything."""
        return {
            path: reason
            for path, reason in self.unreadable.items()
            if path.endswith("/") or reads(path)
        }


#: The paths that Git tracks and does not ignore, relative to the root; None outside of Git.
Listing = list[str] | None


def begin_listing(root: Path) -> Future[Listing]:
    """Begin to list the paths of a source tree, while the caller does something else.

    To find new files, Git compares every path with every line of the ignore files, of which DVC
    writes one for each out: thousands of stages cost it as long as everything else takes.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    listing = pool.submit(_list_git, root)
    pool.shutdown(wait=False)
    return listing


def read_source_tree(
    root: Path,
    store: DigestStore,
    *,
    outs: Collection[str] = (),
    extra: Iterable[str] = (),
    listing: Future[Listing] | None = None,
) -> SourceTree:
    """Read the source tree of a working tree.

    Args:
        store: digests files, each state of a file once.
        outs: locations that stages write, relative to the root; they are no source.
        extra: paths that count as source although Git ignores them: what stages read as code.
        listing: its paths, where nothing was written since they were listed.

    Raises:
        UnavailableError: Git cannot list it.
    """
    listed = _list_git(root) if listing is None else listing.result()
    paths = set(_walk(root) if listed is None else listed) | set(extra)
    left_out = {*_NEVER, *outs}  # a set: there may be thousands of outs for thousands of files
    kept = sorted(path for path in paths if not _is_below(path, left_out))
    files: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    links: dict[str, str] = {}
    for path in kept:
        try:
            status = os.lstat(root / path)
            if stat.S_ISREG(status.st_mode):
                files[path] = store.digest(os.fspath(root / path), status).sha256
            elif stat.S_ISLNK(status.st_mode):
                links[path] = os.readlink(root / path)
            elif not (stat.S_ISDIR(status.st_mode) and not os.listdir(root / path)):
                folder = "/" if stat.S_ISDIR(status.st_mode) else ""
                unreadable[path + folder] = "neither a file nor a link of this repository"
        except FileNotFoundError:
            continue  # deleted, and not yet from Git's index
        except OSError as error:
            unreadable[path] = (error.strerror or str(error)).lower()
    unreadable |= _stray_links(root, links, files)
    return SourceTree(root, files, unreadable)


def _stray_links(root: Path, links: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """Return the links that do not lead to a file, or a directory, of the tree itself.

    What they lead to is not digested, so a result would speak of bytes that it never saw.
    """
    top = os.path.realpath(root)
    folders = {parent for path in files for parent in _parents(path)}
    strays: dict[str, str] = {}
    for path in links:
        target = os.path.relpath(os.path.realpath(root / path), top).replace(os.sep, "/")
        if target not in files and target not in folders:
            folder = "/" if os.path.isdir(root / path) else ""
            strays[path + folder] = "a symbolic link that leads out of the source tree"
    return strays


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_below(path: str, places: Collection[str]) -> bool:
    return path in places or any(parent in places for parent in _parents(path))


def _list_git(root: Path) -> Listing:
    """List what Git tracks and does not ignore, relative to the root; None outside of Git."""
    tracked = run_git(root, "ls-files", "-z", "--cached", "--recurse-submodules")
    others = run_git(root, "ls-files", "-z", "--others", "--exclude-standard")
    for done in (tracked, others):
        if done.returncode != 0:
            if b"not a git repository" in done.stderr:
                return None
            detail = done.stderr.decode("utf-8", "replace").strip()
            raise UnavailableError(f"git ls-files failed: {detail}", "look: git status")
    names = os.fsdecode(tracked.stdout + others.stdout).split("\0")
    return [name.rstrip("/") for name in names if name]


def _walk(root: Path) -> Iterator[str]:
    for directory, folders, names in os.walk(root):
        below = os.path.relpath(directory, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if not _is_below(prefix + name, _NEVER)]
        linked = [name for name in folders if os.path.islink(os.path.join(directory, name))]
        yield from (prefix + name for name in (*names, *linked))


def copy_files(
    root: Path,
    target: Path,
    files: dict[str, str],
    replaced: dict[str, bytes],
) -> None:
    """Copy files of a tree for a tool to work on, so that it judges what was digested.

    Args:
        files: the sha256 that each copy must have, by path.
        replaced: bytes to write instead, by path.

    Raises:
        ChangedError: a file is not any more what was digested.
        OSError: it cannot be read, or the copy cannot be written.
    """
    for path, sha256 in files.items():
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = replaced.get(path)
        if content is None:
            content = _read_file(root / path)
            if digest_bytes(content).sha256 != sha256:
                raise ChangedError(f"changed while it was judged: {path}", "judge again")
        copy.write_bytes(content)


def _read_file(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def remove_copy(directory: Path) -> None:
    """Remove a copy, whatever a tool has left in it."""
    shutil.rmtree(directory, ignore_errors=True)
