"""The commit history: commits of a repository with their files, messages and authors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from resources.git.command import call_git, decode_output, git_failure, run_git, split_names


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

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit is an ancestor of another commit, or that commit itself."""
        done = run_git(self.directory, "merge-base", "--is-ancestor", old, new)
        if done.returncode not in (0, 1):
            raise git_failure(self.directory, "merge-base", done)
        return done.returncode == 0

    def list_commits(self, old: str, new: str, most: int | None) -> list[str]:
        """List the commits of a branch after an old one, oldest first, along first parents.

        Args:
            most: list only this many of the newest commits; None lists all.
        """
        limit = [f"--max-count={most}"] if most is not None else []
        done = self._run("rev-list", "--first-parent", "--reverse", *limit, f"{old}..{new}")
        return decode_output(done).split()

    def list_changed(self, old: str, new: str) -> frozenset[str]:
        """Return the paths that differ between two commits."""
        done = self._run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        return frozenset(split_names(done.stdout))

    def read_message(self, commit: str) -> str:
        """Return the message of a commit."""
        return decode_output(self._run("show", "--no-patch", "--format=%B", commit))

    def read_author(self, commit: str) -> Author:
        """Return the author that a commit claims; nothing proves the claim."""
        done = self._run("show", "--no-patch", "--format=%an%x00%ae", commit)
        name, _, email = decode_output(done).partition("\0")
        return Author(name, email)

    def read_files(self, commit: str, paths: Collection[str] = ()) -> dict[str, bytes]:
        """Return the contents of a commit's files by path: of some paths, or of all files."""
        listed = self._run("ls-tree", "-r", "-z", "--name-only", commit, "--", *paths).stdout
        return {
            name: self._run("cat-file", "blob", f"{commit}:{name}").stdout
            for name in split_names(listed)
        }

    def _run(self, *arguments: str) -> CompletedProcess[bytes]:
        return call_git(self.directory, *arguments)
