"""The object database: reads objects by their hashes, and verifies every one.

Git compares neither a loose object with its hash when it reads one, nor a commit with the shortcuts
beside it (replacements, grafts, the commit graph). A stage that writes below ``.git`` could so
change the policy of a commit without changing its hash. Here a commit names its tree, a tree its
entries, and an entry its bytes; each is hashed again. Git's own lookups only say what to read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from resources.errors import UnavailableError
from resources.git.command import call_git, git_failure, run_git, split_names
from resources.git.object_format import (
    HASH,
    SUBMODULE,
    TREE,
    CommitObject,
    GitEntry,
    hash_object,
    parse_commit,
    parse_tree,
)

_HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) ([0-9]+)")
_READ = "--no-replace-objects"
_FOLDERS = ("--full-tree", "-r", "-d", "-z")
_LONGEST = 1 << 16  # bytes of a line of ``cat-file``, which repeats a requested path
_MOST_KEPT = 50_000  # commits and trees in memory
_PORTION = 64 << 20  # bytes of blobs to read at once
_DEEPEST = 200  # directories above a file


class ObjectDatabase:
    """Reads the verified objects of one repository.

    Raises:
        UnavailableError: by each method: an object is missing, or its bytes do not have its hash.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, tuple[bytes, bytes]] = {}

    def read_commit(self, commit: str) -> CommitObject:
        """Read a commit by its full hash."""
        try:
            return parse_commit(self._get(commit, b"commit"))
        except ValueError as error:
            raise self._corrupt(commit) from error

    def read_commits(self, commits: Collection[str]) -> dict[str, CommitObject]:
        """Read several commits, in one call of Git."""
        self._prefetch(commits)
        return {commit: self.read_commit(commit) for commit in commits}

    def size(self, name: str) -> int:
        """Return the size of an object in bytes, before it is read."""
        return self._measure([name]).get(name, 0)

    def list_files(self, commit: str, below: Collection[str] = ()) -> dict[str, GitEntry]:
        """List the files of a commit by path: at or below some paths, or all."""
        places = [place.strip("/") for place in below if place.strip("/") not in ("", ".")]
        limits = [os.fspath(Path(place)) for place in places] if len(places) == len(below) else []
        listed = call_git(self._directory, _READ, "ls-tree", *_FOLDERS, commit, *limits)
        trees = [line.split(" ")[2].split("\t")[0] for line in split_names(listed.stdout)]
        self._prefetch([commit, f"{commit}^{{tree}}", *trees])
        return dict(self._walk(self.read_commit(commit).tree, "", limits))

    def find_files(self, commit: str, paths: Collection[str]) -> dict[str, GitEntry]:
        """Return the files of a commit among some paths."""
        self._prefetch(_name(commit, paths, blobs=False))
        return self._find(commit, paths)

    def read_files(self, commit: str, paths: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of the files of a commit among some paths, in one call of Git."""
        read = dict(self._request(_name(commit, paths, blobs=True)))
        entries = self._find(commit, paths)
        found = {path: one.hash for path, one in entries.items() if one.mode != SUBMODULE}
        blobs = {name: body for name, (kind, body) in read.items() if kind == b"blob"}
        blobs |= self.read_blobs(set(found.values()) - blobs.keys())
        return {path: blobs[name] for path, name in found.items()}

    def read_blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of blobs by hash."""
        wanted = set(names)
        blobs = {name: body for name, (kind, body) in self._request(wanted) if kind == b"blob"}
        for name in wanted - blobs.keys():
            raise self._corrupt(name)
        return blobs

    def verify_files(self, commit: str) -> None:
        """Read and verify all files of a commit, before Git writes them to a working tree."""
        entries = self.list_files(commit).values()
        names = {one.hash for one in entries if one.mode != SUBMODULE}
        sizes = self._measure(names)
        portion: list[str] = []
        total = 0
        for name in names:
            portion.append(name)
            total += sizes.get(name, 0)
            if total >= _PORTION:
                self.read_blobs(portion)
                portion, total = [], 0
        self.read_blobs(portion)

    def compare(self, old: str, new: str) -> dict[str, tuple[GitEntry | None, GitEntry | None]]:
        """Return the files that differ between two commits, by path, before and after."""
        trees = self.read_commit(old).tree, self.read_commit(new).tree
        return dict(self._compare(*trees, ""))

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit is an ancestor of another commit, or that commit itself.

        Git proposes the commits between them; their own bytes say whether they lead there.
        """
        if old == new:
            return bool(self.read_commit(old))
        options = (_READ, "-c", "core.commitGraph=false", "rev-list", "--ancestry-path")
        listed = run_git(self._directory, *options, f"{old}..{new}")
        if listed.returncode != 0:
            raise git_failure(self._directory, "rev-list", listed)
        between = set(listed.stdout.decode("ascii").split())
        self._prefetch(between)
        waiting, seen = [new] if new in between else [], {new}
        while waiting:
            parents = self.read_commit(waiting.pop()).parents
            if old in parents:
                return True
            later = [one for one in parents if one in between and one not in seen]
            seen.update(later)
            waiting += later
        return False

    def _find(self, commit: str, paths: Collection[str]) -> dict[str, GitEntry]:
        wanted = set(paths)
        walked = self._walk(self.read_commit(commit).tree, "", wanted) if wanted else ()
        return {path: entry for path, entry in walked if path in wanted}

    def _compare(
        self, old: str | None, new: str | None, prefix: str
    ) -> Iterator[tuple[str, tuple[GitEntry | None, GitEntry | None]]]:
        if old == new:
            return
        before = self._read_tree(old, prefix) if old else {}
        after = self._read_tree(new, prefix) if new else {}
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        for name in sorted(names):
            pair = before.get(name), after.get(name)
            trees = [one.hash if one and one.mode == TREE else None for one in pair]
            files = [one if one and one.mode != TREE else None for one in pair]
            if any(trees):
                yield from self._compare(trees[0], trees[1], f"{prefix}{name}/")
            if any(files):
                yield prefix + name, (files[0], files[1])

    def _walk(
        self, tree: str, prefix: str, limits: Collection[str]
    ) -> Iterator[tuple[str, GitEntry]]:
        """Yield the files of a tree by path.

        Args:
            limits: paths at or below which files are wanted; none for all.
        """
        for name, entry in self._read_tree(tree, prefix).items():
            path = prefix + name
            if limits and not any(_meet(path, limit) for limit in limits):
                continue
            if entry.mode == TREE:
                yield from self._walk(entry.hash, f"{path}/", limits)
            elif not limits or any(path == one or path.startswith(f"{one}/") for one in limits):
                yield path, entry

    def _read_tree(self, tree: str, prefix: str) -> dict[str, GitEntry]:
        if prefix.count("/") > _DEEPEST:
            raise UnavailableError(f"directories too deep: {prefix[:80]}…", "move the files up")
        try:
            return parse_tree(self._get(tree, b"tree"), len(tree))
        except ValueError as error:
            raise self._corrupt(tree) from error

    def _get(self, name: str, kind: bytes) -> bytes:
        if not HASH.fullmatch(name):
            raise UnavailableError(f"not the full hash of an object: {name}", "git log")
        found = self._known.get(name) or dict(self._request([name])).get(name)
        if found is None or found[0] != kind:
            raise self._corrupt(name)
        return found[1]

    def _prefetch(self, names: Collection[str]) -> None:
        """Read commits and trees in one call; an object that is missing fails its reader."""
        for _ in self._request([name for name in names if name not in self._known]):
            pass

    def _request(self, names: Collection[str]) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """Yield kind and bytes of objects by hash, each compared with its hash."""
        if not names:
            return
        stdin = os.fsencode("".join(f"{name}\n" for name in names))
        rest = memoryview(
            call_git(self._directory, _READ, "cat-file", "--batch", stdin=stdin).stdout
        )
        while rest:
            end = bytes(rest[:_LONGEST]).find(b"\n")
            found = _HEADER.fullmatch(rest[:end])
            rest = rest[end + 1 :]
            if found is None:
                continue  # "NAME missing"
            name, kind, size = found[1].decode("ascii"), bytes(found[2]), int(found[3])
            body = bytes(rest[:size])
            if hash_object(kind, body, len(name)) != name:
                raise self._corrupt(name)
            if kind != b"blob":
                self._keep(name, kind, body)
            yield name, (kind, body)
            rest = rest[size + 1 :]

    def _keep(self, name: str, kind: bytes, body: bytes) -> None:
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[name] = kind, body

    def _measure(self, names: Collection[str]) -> dict[str, int]:
        stdin = "".join(f"{name}\n" for name in dict.fromkeys(names)).encode()
        done = call_git(self._directory, _READ, "cat-file", "--batch-check", stdin=stdin)
        found = map(_HEADER.fullmatch, done.stdout.splitlines())
        return {one[1].decode("ascii"): int(one[3]) for one in found if one is not None}

    def _corrupt(self, name: str) -> UnavailableError:
        return UnavailableError(
            f"Git object missing or corrupt: {name}",
            f"check the repository: git -C {self._directory} fsck --full",
        )


@lru_cache(maxsize=64)
def open_objects(directory: Path) -> ObjectDatabase:
    """Return the objects of a repository; verified commits and trees stay in memory."""
    return ObjectDatabase(directory)


def _name(commit: str, paths: Iterable[str], *, blobs: bool) -> list[str]:
    """Name what leads to some paths of a commit: the commit, its trees and perhaps its blobs."""
    named = {path: None for path in paths if blobs}
    for path in paths:
        named |= {parent: None for parent in _list_parents(path)}
    within = [f"{commit}:{path}" for path in named if "\n" not in path]
    return [commit, f"{commit}^{{tree}}", *within]


def _list_parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _meet(path: str, limit: str) -> bool:
    """Whether one of two paths lies at or below the other."""
    return path == limit or limit.startswith(f"{path}/") or path.startswith(f"{limit}/")
