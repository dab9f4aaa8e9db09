"""The Git repository: its commits and branches, and the state of its working tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from resources.errors import ConfigurationError
from resources.git.command import (
    call_git,
    decode_output,
    git_failure,
    is_outside_git,
    run_git,
    split_names,
)
from resources.git.object_database import open_objects
from resources.git.object_format import GitEntry

#: Git must not look into submodules for changes: a stage can write the configuration there, which
#: names programs for filters. Another commit of a submodule is a change nevertheless.
_NO_SUBMODULES = ("--ignore-submodules=dirty",)


@dataclass(frozen=True)
class Head:
    """The commit and branch of a working tree.

    Attributes:
        commit: the full hash; None before the first commit.
        branch: the short name; None when HEAD is detached.
    """

    commit: str | None
    branch: str | None


def read_head(directory: Path) -> Head | None:
    """Read the commit and branch of a working tree; None outside of Git.

    Raises:
        UnavailableError: Git is not installed, or fails.
    """
    status = _read_status(directory, "--branch", "--untracked-files=no")
    if status is None:
        return None
    header: dict[str, str] = {}
    for line in status.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            header[name] = value
    commit = header.get("branch.oid")
    branch = header.get("branch.head")
    return Head(
        commit=None if commit == "(initial)" else commit,
        branch=None if branch == "(detached)" else branch,
    )


def is_dirty(directory: Path) -> bool:
    """Whether a working tree differs from its commit; always true outside of Git.

    Untracked files count unless Git ignores them. To find them, Git compares every file with every
    line of the ignore files, which is slow with thousands of lines.

    Raises:
        UnavailableError: Git is not installed, or fails.
    """
    return _read_status(directory, "--untracked-files=normal") != ""


def _read_status(directory: Path, *options: str) -> str | None:
    done = run_git(directory, "status", "--porcelain=v2", *_NO_SUBMODULES, *options)
    if done.returncode == 0:
        return decode_output(done)
    if is_outside_git(done):
        return None
    raise git_failure(directory, "status", done)


def list_changed(directory: Path) -> frozenset[str]:
    """List the tracked files below a directory that differ from the commit, relative to it.

    Outside of Git the list is empty.

    Raises:
        UnavailableError: Git fails.
    """
    compare = ("diff", "--no-ext-diff", "--name-only", "--relative", "-z", *_NO_SUBMODULES)
    done = run_git(directory, *compare, "HEAD", "--", ".")
    if done.returncode == 0:
        return frozenset(split_names(done.stdout))
    if read_head(directory) is None:
        return frozenset()
    # Before the first commit every tracked file counts as changed.
    return frozenset(list_tracked(directory, "."))


def resolve_commit(directory: Path, rev: str) -> str:
    """Return the full hash of the commit of a revision.

    Raises:
        ConfigurationError: the revision names no commit.
    """
    done = run_git(
        directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"not a commit: {rev}", "list the commits: git log --oneline --all"
        )
    return decode_output(done)


def read_remote_url(directory: Path) -> str | None:
    """Return the URL of the remote ``origin``, without credentials; None without a remote."""
    done = run_git(directory, "config", "--get", "remote.origin.url")
    url = decode_output(done) if done.returncode == 0 else ""
    if "://" in url and "@" in url.split("://", 1)[1].split("/", 1)[0]:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        url = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return url or None


def read_remote_address(directory: Path, remote: str) -> str | None:
    """Return the address of a remote, with credentials; None if there is no such remote.

    Args:
        remote: the name of a remote, or an address (with a colon or slash), returned unchanged.
    """
    if "/" in remote or ":" in remote:
        return remote
    done = run_git(directory, "config", "--get", f"remote.{remote}.url")
    url = decode_output(done) if done.returncode == 0 else ""
    # Git resolves a path against the working tree; a mirror is elsewhere.
    return os.path.abspath(directory / url) if url and _is_path(url) else url or None


def _is_path(url: str) -> bool:
    return "://" not in url and (url.startswith((".", "/")) or ":" not in url.partition("/")[0])


def read_place(directory: Path) -> str | None:
    """Return the path of a directory below the root of its working tree; None outside of Git."""
    done = run_git(directory, "rev-parse", "--show-prefix")
    return (decode_output(done).rstrip("/") or ".") if done.returncode == 0 else None


def is_shallow(directory: Path) -> bool:
    """Whether a clone holds only the end of its history; false outside of Git."""
    done = run_git(directory, "rev-parse", "--is-shallow-repository")
    return done.returncode == 0 and decode_output(done) == "true"


def list_entries_at(directory: Path, commit: str) -> dict[str, GitEntry]:
    """Return the files of a commit below a directory, by path relative to it.

    Raises:
        UnavailableError: Git fails, or an object does not have its hash.
    """
    prefix = _find_prefix(directory)
    files = open_objects(directory).list_files(commit, [prefix] if prefix else [])
    return {path.removeprefix(prefix): entry for path, entry in files.items()}


def read_files_at(directory: Path, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of files at a commit, by path, in one call; leave out missing files.

    Args:
        paths: relative to ``directory``.

    Raises:
        UnavailableError: Git cannot read them, or an object does not have its hash.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return {}
    prefix = _find_prefix(directory)
    found = open_objects(directory).read_files(commit, [f"{prefix}{path}" for path in wanted])
    return {path.removeprefix(prefix): text for path, text in found.items()}


@lru_cache(maxsize=64)
def _find_prefix(directory: Path) -> str:
    """Find the path of a directory in its commits, with a slash at its end unless it is empty."""
    done = call_git(directory, "rev-parse", "--show-prefix")
    return os.fsdecode(done.stdout.removesuffix(b"\n"))


def list_tracked(directory: Path, *paths: str) -> list[str]:
    """List the tracked files at or below some paths; upper and lower case count as equal.

    Args:
        paths: relative to ``directory``.

    Returns:
        Paths relative to ``directory``; empty outside of Git.

    Raises:
        UnavailableError: Git is not installed, or fails.
    """
    done = run_git(directory, "ls-files", "-z", "--", *(f":(icase){path}" for path in paths))
    if is_outside_git(done):
        return []
    if done.returncode != 0:
        raise git_failure(directory, "ls-files", done)
    return split_names(done.stdout)


@dataclass(frozen=True)
class Branch:
    """A branch of the repository.

    Attributes:
        name: the short name, such as ``main`` or ``origin/main``.
        commit: the full hash.
    """

    name: str
    commit: str


def find_protected_branch(directory: Path, name: str | None = None) -> Branch | None:
    """Find the protected branch, which supplies the policy and the trust files.

    It is the default branch of the remote ``origin``, else its ``main`` or ``master``, else the
    local ``main`` or ``master``. Only a symbolic ``origin/HEAD`` names the default branch: anyone
    who may push can create a branch with the name HEAD.

    Args:
        name: the name of another branch to use, as a trusted caller configured it.

    Returns:
        None if no protected branch is expected: outside of Git, before the first commit, or
        without a remote and without a branch of these names.

    Raises:
        ConfigurationError: the clone has a remote but not its protected branch (a shallow clone).
        UnavailableError: Git fails.
    """
    names = [name] if name else ["HEAD", "main", "master"]
    wanted = [f"refs/remotes/origin/{one}" for one in names]
    wanted += [f"refs/heads/{one}" for one in names if one != "HEAD"]
    leads = "%(if)%(symref)%(then)symbolic%(else)direct%(end)"
    shown = f"--format=%(refname) %(objectname) {leads}"
    done = run_git(directory, "for-each-ref", shown, *wanted)
    if done.returncode != 0 and not is_outside_git(done):
        raise git_failure(directory, "for-each-ref", done)
    lines = decode_output(done).splitlines() if done.returncode == 0 else []
    refs = (line.split(" ") for line in lines)
    direct = ("refs/remotes/origin/HEAD", "direct")
    found = {ref: commit for ref, commit, leads in refs if (ref, leads) != direct}
    for ref in wanted:
        if ref in found:
            short = ref.removeprefix("refs/remotes/").removeprefix("refs/heads/")
            return Branch(short, found[ref])
    if name or read_remote_url(directory) is not None:
        wanted_one = name or "main"
        hint = f"fetch it: git fetch origin {wanted_one}:refs/remotes/origin/{wanted_one}"
        in_ci = "; in a CI job, check out the full history (fetch-depth: 0, or GIT_DEPTH: 0)"
        raise ConfigurationError(
            f"the protected branch is not in this clone: {wanted_one}",
            hint + (in_ci if is_shallow(directory) else ""),
        )
    return None
