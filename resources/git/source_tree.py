"""The source tree: the source files of a working tree and their digests.

Source files are tracked files and untracked files that Git does not ignore, submodules included, as
they are on disk now. Outs of stages are not source. Outside of Git every file except local state is
source.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from resources.errors import ChangedError, os_reason
from resources.files import read_regular
from resources.git.command import git_failure, is_outside_git, run_git, split_names
from resources.git.own_output import find_own_output
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_bytes

_NEVER = (".git", ".dvc/cache", ".dvc/tmp", ".ml-assets/state")


@dataclass(frozen=True)
class SourceTree:
    """The source at one moment.

    Attributes:
        files: sha256 by path relative to the root, with ``/`` between names, sorted.
        unreadable: the reason by path for each part that cannot be read. The path of a directory,
            or of a link to one, ends in ``/``. A gate that reads such a path must report it.
        links: the file that each link of the tree leads to, by the path of the link.
        receiving: the files that receive the output of this process; they are left out.
    """

    root: Path
    files: dict[str, str]
    unreadable: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    receiving: tuple[str, ...] = ()

    def is_current(self, store: DigestStore) -> bool:
        """Whether all files are unchanged. Does not look for new files."""
        try:
            return all(
                store.digest(os.path.join(self.root, path)).sha256 == sha256
                for path, sha256 in self.files.items()
            )
        except OSError:
            return False

    def select(self, reads: Callable[[str], bool]) -> dict[str, str]:
        """Return the files that ``reads`` accepts by their path, or by that of a link to them."""
        linked = {target for link, target in self.links.items() if reads(link)}
        return {p: sha256 for p, sha256 in self.files.items() if reads(p) or p in linked}

    def missing_for(self, reads: Callable[[str], bool]) -> dict[str, str]:
        """Return the unreadable paths that ``reads`` accepts, and all unreadable directories."""
        return {
            path: reason
            for path, reason in self.unreadable.items()
            if path.endswith("/") or reads(path)
        }


#: Paths of the source tree according to Git, relative to the root; None outside of Git.
Listing = list[str] | None


def begin_listing(root: Path) -> Future[Listing]:
    """List the paths of a source tree in the background.

    To find new files, Git compares every path with every line of the ignore files. DVC writes one
    line for each out, so with thousands of stages this takes as long as the rest of a run.
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
        store: digests each state of a file once.
        outs: locations that stages write, relative to the root; they are not source.
        extra: paths that count as source although Git ignores them: code that stages read.
        listing: the paths (``begin_listing``), if nothing was written since.

    Raises:
        UnavailableError: Git cannot list the paths.
    """
    listed = _list_git(root) if listing is None else listing.result()
    code = set(extra)
    paths = set(_walk(root) if listed is None else listed) | code
    written = _own_output(root, paths - code)
    # a set: thousands of files are looked up in thousands of outs
    left_out = {*_NEVER, *outs, *written}
    kept = sorted(path for path in paths if not _is_below(path, left_out))
    files: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    links: set[str] = set()
    for path in kept:
        try:
            status = os.lstat(root / path)
            if stat.S_ISREG(status.st_mode):
                files[path] = store.digest(os.fspath(root / path), status).sha256
            elif stat.S_ISLNK(status.st_mode):
                links.add(path)
            elif not (stat.S_ISDIR(status.st_mode) and not os.listdir(root / path)):
                folder = "/" if stat.S_ISDIR(status.st_mode) else ""
                unreadable[path + folder] = "neither a file nor a link of this repository"
        except FileNotFoundError:
            continue  # deleted on disk, still in the index of Git
        except OSError as error:
            unreadable[path] = os_reason(error)
    targets = _follow(root, links)
    unreadable |= _stray_links(root, targets, files)
    inside = {link: target for link, target in targets.items() if target in files}
    return SourceTree(root, files, unreadable, inside, tuple(written))


def _own_output(root: Path, paths: Collection[str]) -> list[str]:
    """Return the files that receive our output; their bytes are judged next time.

    A file that Git tracks, or that a stage reads as code, is source: gates report that it changes.
    """
    found = [path for path in find_own_output(root) if path in paths]
    return [path for path in found if not _is_tracked(root, path)]


def _is_tracked(root: Path, path: str) -> bool:
    done = run_git(root, "ls-files", "-z", "--", f":(literal){path}")
    return not is_outside_git(done) and (done.returncode != 0 or bool(done.stdout))


def _follow(root: Path, links: Collection[str]) -> dict[str, str]:
    """Return what each link leads to, relative to the root."""
    top = os.path.realpath(root)
    return {
        path: os.path.relpath(os.path.realpath(root / path), top).replace(os.sep, "/")
        for path in links
    }


def _stray_links(root: Path, targets: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """Return the links that do not lead to a file or directory of the tree.

    Their targets are not digested, so a result would cover bytes that no gate recorded.
    """
    folders = {parent for path in files for parent in _parents(path)}
    strays: dict[str, str] = {}
    for path, target in targets.items():
        if target not in files and target not in folders:
            folder = "/" if os.path.isdir(root / path) else ""
            strays[path + folder] = "a symbolic link to a path outside of the source tree"
    return strays


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_below(path: str, places: Collection[str]) -> bool:
    return path in places or any(parent in places for parent in _parents(path))


def _list_git(root: Path) -> Listing:
    """List tracked and not ignored files, relative to the root; None outside of Git."""
    tracked = run_git(root, "ls-files", "-z", "--cached", "--recurse-submodules")
    others = run_git(root, "ls-files", "-z", "--others", "--exclude-standard")
    for done in (tracked, others):
        if is_outside_git(done):
            return None
        if done.returncode != 0:
            raise git_failure(root, "ls-files", done)
    return [name.rstrip("/") for name in split_names(tracked.stdout + others.stdout)]


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
    """Copy files of a tree for a tool, so that the tool reads exactly the digested bytes.

    Args:
        files: the required sha256 of each copy, by path.
        replaced: bytes to write instead of a file, by path.

    Raises:
        ChangedError: a file changed since it was digested.
        OSError: a file cannot be read, or a copy cannot be written.
    """
    for path, sha256 in files.items():
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = replaced.get(path)
        if content is None:
            content = read_regular(root / path)
            if digest_bytes(content).sha256 != sha256:
                raise ChangedError(
                    f"file changed while a gate read it: {path}", "run again: ml-assets check"
                )
        copy.write_bytes(content)


def remove_copy(directory: Path) -> None:
    """Remove a copy with all files that a tool added."""
    shutil.rmtree(directory, ignore_errors=True)
