"""The commit history: commits of a repository with their files, messages and authors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess

from resources.errors import UnavailableError
from resources.git.command import call_git, decode_output, run_git
from resources.git.object_database import ObjectDatabase, open_objects
from resources.git.object_format import SUBMODULE


@dataclass(frozen=True)
class Author:
    """The author of a commit."""

    name: str
    email: str


class CommitHistory:
    """Reads commits of a repository by their hashes.

    Raises:
        UnavailableError: by each method: Git cannot read a commit.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit."""
        return run_git(self.directory, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def find_missing(self, commits: Collection[str]) -> list[str]:
        """Return the commits that the repository does not have."""
        return [one for one in commits if not self.has(one)]

    @property
    def is_complete(self) -> bool:
        """Whether the repository holds the whole history."""
        return decode_output(self._run("rev-parse", "--is-shallow-repository")) == "false"

    def find_first(self, commit: str) -> str | None:
        """Return the first commit of a history, along first parents; None in a shallow clone."""
        if not self.is_complete:
            return None
        done = self._run("rev-list", "--first-parent", "--max-parents=0", commit)
        return next(iter(decode_output(done).split()), None)

    @property
    def objects(self) -> ObjectDatabase:
        """The objects of the repository, verified by their hashes."""
        return open_objects(self.directory)

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit is an ancestor of another commit, or that commit itself."""
        return self.objects.is_ancestor(old, new)

    def list_commits(self, old: str, new: str, most: int | None) -> list[str]:
        """List the commits of a branch after an old one, oldest first, along first parents.

        Args:
            most: list only this many of the newest commits; None lists all.
        """
        limit = [f"--max-count={most}"] if most is not None else []
        done = self._run("rev-list", "--first-parent", "--reverse", *limit, f"{old}..{new}")
        found = decode_output(done).split()
        read = self.objects.read_commits(found)
        for before, commit in pairwise(found):
            if read[commit].parents[0] != before:
                raise UnavailableError(
                    f"Git lists commits that do not follow each other: {commit}",
                    f"check the repository: git -C {self.directory} fsck --full",
                )
        return found

    def list_changed(self, old: str, new: str) -> frozenset[str]:
        """Return the paths that differ between two commits."""
        return frozenset(self.objects.compare(old, new))

    def read_message(self, commit: str) -> str:
        """Return the message of a commit."""
        return self.objects.read_commit(commit).message.strip()

    def read_author(self, commit: str) -> Author:
        """Return the author that a commit claims; nothing proves the claim."""
        name, _, email = self.objects.read_commit(commit).author.rpartition(" <")
        return Author(name, email.removesuffix(">"))

    def read_files(self, commit: str, paths: Collection[str] = ()) -> dict[str, bytes]:
        """Return the contents of a commit's files by path: at or below some paths, or all files."""
        entries = self.objects.list_files(commit, paths).items()
        found = {path: one.hash for path, one in entries if one.mode != SUBMODULE}
        blobs = self.objects.read_blobs(found.values())
        return {path: blobs[name] for path, name in found.items()}

    def _run(self, *arguments: str) -> CompletedProcess[bytes]:
        return call_git(self.directory, *arguments)
