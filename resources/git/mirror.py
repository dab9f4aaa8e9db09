"""The mirror: a bare clone of some branches of a remote Git repository, and its worktrees.

It has the references of an ordinary clone (``refs/remotes/origin/*``), so code that reads a clone
reads a worktree of the mirror the same way. Only this program works in it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ConfigurationError, LostRaceError, UnavailableError
from resources.git.command import (
    call_git,
    decode_output,
    run_git,
    use_bare_repository,
)
from resources.git.commit_history import Author, CommitHistory
from resources.git.commit_stream import build_commit_stream
from resources.git.mirror_files import restore_files
from resources.git.remote_repository import HEADS, TRACKING, GitNetwork, RemoteRepository

#: References to the last valid records of lock files, by branch name; no remote writes them.
TRUSTED_LOCKS = "refs/ml-assets/trusted-locks"
#: References to the last commit that passed, by branch name.
VERIFIED = "refs/ml-assets/verified"
_TRANSFER = 3600.0  # seconds


@dataclass(frozen=True)
class RemoteHeads:
    """The branches of a remote repository.

    Attributes:
        default: the default branch, which HEAD names.
        heads: commits by branch name, for the requested branches that exist.
    """

    default: str | None
    heads: Mapping[str, str]


class Mirror(CommitHistory):
    """A bare repository that follows a remote repository.

    Args:
        directory: the bare repository (``open_mirror``).
        url: its address; None for a repository of the user, whose configuration stays.
        patience: seconds that the remote may take to list its branches. A fetch or push may take
            much longer than a sensor tick, and continues after the tick times out.
        network: makes the calls over the network; None makes them in this process.
    """

    def __init__(
        self,
        directory: Path,
        patience: float = 20.0,
        url: str | None = None,
        network: GitNetwork | None = None,
    ) -> None:
        super().__init__(directory)
        self._patience = patience
        self._url = url
        self._network = network or RemoteRepository(directory, url)

    def restore(self) -> None:
        """Restore files of the mirror that a stage may have changed; not in the user's repository.

        Raises:
            UnavailableError: a file cannot be written.
        """
        if self._url is not None:
            restore_files(self.directory, self._url)

    def read_remote(self, branches: Collection[str]) -> RemoteHeads:
        """Read the commits of branches from the remote.

        Raises:
            UnavailableError: the remote does not answer.
        """
        refs = {f"{HEADS}/{name}": name for name in branches}
        listed = self._network.list_refs(list(refs), self._patience)
        heads: dict[str, str] = {}
        default = None
        for line in listed.splitlines():
            value, _, ref = line.partition("\t")
            if value.startswith(f"ref: {HEADS}/") and ref == "HEAD":
                default = value.removeprefix(f"ref: {HEADS}/")
            elif ref in refs:  # ls-remote also lists longer names with this ending
                heads[refs[ref]] = value
        return RemoteHeads(default, heads)

    def fetch(self, branches: Collection[str], default: str | None) -> dict[str, str]:
        """Fetch branches and the lock files of their runs; return the commits of the branches.

        Args:
            default: the protected branch (``find_protected_branch``), one of ``branches``.

        Raises:
            UnavailableError: the remote does not answer, or a branch no longer exists.
        """
        self._network.fetch(list(branches))
        if default is not None:
            self._run("symbolic-ref", f"{TRACKING}/HEAD", f"{TRACKING}/{default}")
        found = self.read_refs(TRACKING)
        return {name: found[name] for name in branches if name in found}

    def read_default(self) -> str | None:
        """Return the default branch of the remote as last fetched; None before the first fetch."""
        done = run_git(self.directory, "symbolic-ref", "--quiet", f"{TRACKING}/HEAD")
        return decode_output(done).removeprefix(f"{TRACKING}/") if done.returncode == 0 else None

    def read_tracked(self, branch: str) -> str | None:
        """Return the commit of a branch as last fetched."""
        return self.read_ref(f"{TRACKING}/{branch}")

    def read_refs(self, below: str) -> dict[str, str]:
        """Return the commits of all references below a prefix, by their names without it."""
        done = self._run("for-each-ref", "--format=%(objectname) %(refname)", below)
        pairs = (line.split(" ", 1) for line in decode_output(done).splitlines())
        return {ref.removeprefix(f"{below}/"): sha for sha, ref in pairs}

    def read_ref(self, ref: str) -> str | None:
        """Return the commit of a reference; None if the reference does not exist."""
        done = run_git(self.directory, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return decode_output(done) if done.returncode == 0 else None

    def write_ref(self, ref: str, new: str, old: str | None) -> None:
        """Move a reference from the old commit to the new one.

        Raises:
            LostRaceError: the reference no longer names the old commit.
        """
        done = run_git(self.directory, "update-ref", ref, new, old or "0" * len(new))
        if done.returncode != 0:
            raise LostRaceError(
                f"another process changed a reference first: {ref}",
                f"compare, then run again: git -C {self.directory} log -1 {ref}",
            )

    def push_ref(self, ref: str, new: str, old: str | None) -> None:
        """Move a reference of the remote from the old commit to the new one.

        Raises:
            LostRaceError: the reference no longer names the old commit.
            UnavailableError: the remote does not answer, or rejects the push.
        """
        self._network.push(ref, new, old)

    def read_remote_ref(self, ref: str) -> str | None:
        """Read one reference of the remote; None if it does not exist.

        Raises:
            UnavailableError: the remote does not answer.
        """
        lines = self._network.list_refs([ref], _TRANSFER).splitlines()
        pairs = (line.partition("\t") for line in lines)
        return next((sha for sha, _, name in pairs if name == ref), None)

    def write_commit(
        self,
        files: Mapping[str, bytes],
        message: str,
        author: Author,
        at: int,
        parent: str | None,
        *,
        whole: bool = False,
    ) -> str:
        """Write a commit and return its hash.

        Args:
            files: contents by path.
            at: seconds since 1970.
            whole: the commit holds only these files; otherwise it keeps the parent's other files.
        """
        ref = f"refs/ml-assets/scratch/{secrets.token_hex(8)}"
        committer = f"{author.name} <{author.email}> {at} +0000"
        stream = build_commit_stream(ref, files, message, committer, parent, whole=whole)
        done = call_git(self.directory, "fast-import", "--quiet", "--done", stdin=stream)
        self._run("update-ref", "-d", ref)
        return decode_output(done)

    def add_worktree(self, commit: str, directory: Path) -> None:
        """Check out a commit into a new directory, which must not exist.

        Raises:
            UnavailableError: the directory cannot be written, or an object does not have its hash.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        self._run("worktree", "add", "--quiet", "--detach", os.fspath(directory), commit)
        try:
            self.objects.verify_files(commit)
        except UnavailableError:
            self.remove_worktree(directory)
            raise

    def remove_worktree(self, directory: Path) -> None:
        """Remove a worktree, even an incomplete one."""
        run_git(self.directory, "worktree", "remove", "--force", "--force", os.fspath(directory))
        shutil.rmtree(directory, ignore_errors=True)
        self.prune_worktrees()

    def prune_worktrees(self) -> None:
        """Unregister worktrees without a directory."""
        self._run("worktree", "prune")

    def tidy(self) -> None:
        """Pack loose objects and merge small packs; remove no object."""
        for task in ("loose-objects", "incremental-repack"):  # the second needs packs
            self._run("maintenance", "run", "--quiet", f"--task={task}")


def read_mirror_address(directory: Path) -> str:
    """Return the address that an existing mirror follows, with credentials.

    Raises:
        UnavailableError: the mirror has none.
    """
    use_bare_repository(directory)
    return decode_output(call_git(directory, "config", "--get", "remote.origin.url"))


def open_mirror(directory: Path, url: str, network: GitNetwork | None = None) -> Mirror:
    """Open the mirror of a repository; create it on first use.

    Args:
        network: as of ``Mirror``.

    Raises:
        ConfigurationError: the address is not one of a repository.
        UnavailableError: the mirror cannot be created.
    """
    if not url or url.startswith("-"):
        raise ConfigurationError(
            f"not the address of a repository: {url}", "use a URL or a path: git remote -v"
        )
    use_bare_repository(directory)
    mirror = Mirror(directory, url=url, network=network)
    if not (directory / "HEAD").is_file():
        directory.mkdir(parents=True, exist_ok=True)
        # Without a template, so that no hook of the user runs in the mirror.
        call_git(directory, "init", "--quiet", "--bare", "--object-format=sha1", "--template=", ".")
    mirror.restore()
    return mirror
