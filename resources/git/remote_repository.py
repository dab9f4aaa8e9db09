"""The remote repository of a local one: all calls of Git over the network.

They need the user's credentials: an agent, a helper of Git's configuration, or the address itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from resources.errors import ConfigurationError, LostRaceError, UnavailableError
from resources.git.command import decode_output, explain_failure, run_git
from resources.git.mirror_files import restore_files

#: References to the lock files that runs wrote, by branch name.
LOCKS = "refs/ml-assets/locks"
#: References to the branches of the remote as last fetched.
TRACKING = "refs/remotes/origin"
HEADS = "refs/heads"

_TRANSFER = 3600.0  # seconds
#: A stage can write the Git directory of a submodule, with programs in its configuration.
_OWN = "--no-recurse-submodules"
#: Output of a push that found a value other than the expected one.
_STALE = re.compile(rb"stale info|fetch first|cannot lock ref|reference already exists")
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
#: Parts of a name that git-check-ref-format(1) forbids, as they mean something else to Git.
_NO_NAME = re.compile(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|//|^[-/]|[/.]$")


class GitNetwork(Protocol):
    """What a mirror asks of its remote repository (``RemoteRepository``)."""

    def list_refs(self, refs: Collection[str], patience: float) -> str: ...
    def fetch(self, branches: Collection[str]) -> None: ...
    def push(self, ref: str, new: str, old: str | None) -> None: ...


class RemoteRepository:
    """The remote ``origin`` of a repository.

    Args:
        directory: of the repository.
        url: of the remote, for a mirror of this program; None for a repository of the user, whose
            configuration stays.
    """

    def __init__(self, directory: Path, url: str | None) -> None:
        self._directory = directory
        self._url = url

    def list_refs(self, refs: Collection[str], patience: float = _TRANSFER) -> str:
        """List references of the remote, and what its HEAD names, as ``git ls-remote`` does.

        Args:
            patience: seconds that the remote may take.

        Raises:
            UnavailableError: the remote does not answer.
        """
        names = [require_name(ref) for ref in refs]
        return self._call("ls-remote", "--symref", "origin", "HEAD", *names, timeout=patience)

    def fetch(self, branches: Collection[str]) -> None:
        """Fetch branches and the lock files of their runs.

        Raises:
            UnavailableError: the remote does not answer, or a branch no longer exists.
        """
        names = [require_name(name) for name in branches]
        wanted = [f"+{HEADS}/{name}:{TRACKING}/{name}" for name in names]
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head")
        self._call("fetch", _OWN, *quiet, "origin", *wanted, f"+{LOCKS}/*:{LOCKS}/*")

    def push(self, ref: str, new: str, old: str | None) -> None:
        """Move a reference of the remote from the old commit to the new one.

        Raises:
            LostRaceError: the reference no longer names the old commit.
            UnavailableError: the remote does not answer, or rejects the push.
        """
        self._restore()
        lease = f"--force-with-lease={require_name(ref)}:{_require_commit(old) if old else ''}"
        words = ("push", _OWN, "--porcelain", "--no-verify", lease, "origin")
        moved = f"{_require_commit(new)}:{ref}"
        done = run_git(self._directory, *words, moved, timeout=_TRANSFER)
        if done.returncode == 0:
            return
        if _STALE.search(done.stdout + done.stderr):
            raise LostRaceError(
                f"another process changed a reference of the remote first: {ref}",
                f"compare, then run again: git -C {self._directory} ls-remote origin {ref}",
            )
        raise UnavailableError(
            f"the remote repository rejects a push to {ref}: {explain_failure(done)}",
            'allow the push, or set write-back = "off" in [tool.ml-assets.watch]',
        )

    def _call(self, *arguments: str, timeout: float = _TRANSFER) -> str:
        self._restore()
        done = run_git(self._directory, *arguments, timeout=timeout)
        if done.returncode != 0:
            raise UnavailableError(
                f"cannot read the remote repository: {explain_failure(done)}",
                f"check address and credentials: git -C {self._directory} ls-remote origin",
            )
        return decode_output(done)

    def _restore(self) -> None:
        if self._url is not None:
            restore_files(self._directory, self._url)


def require_name(name: object) -> str:
    """Return the name of a reference or branch.

    Raises:
        ConfigurationError: Git allows no such name.
    """
    if not isinstance(name, str) or not name or _NO_NAME.search(name):
        raise ConfigurationError(f"not the name of a branch: {name}", "list them: git branch -a")
    return name


def _require_commit(commit: object) -> str:
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise ConfigurationError(f"not a commit: {commit}", "list the commits: git log --oneline")
    return commit
