"""Git: which commit and branch a working tree is at, and whether it differs from its commit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ConfigurationError, UnavailableError
from resources.git.command import run_git


@dataclass(frozen=True)
class Head:
    """Where a working tree stands.

    Attributes:
        commit: the full hash; None before the first commit.
        branch: the short name; None when HEAD is detached.
    """

    commit: str | None
    branch: str | None


def read_head(directory: Path) -> Head | None:
    """Read where the working tree of a directory stands; None outside of Git.

    Raises:
        UnavailableError: Git is missing, or cannot tell.
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
    """Whether a working tree differs from its commit; outside of Git everything does.

    Tracked files count, and files that are neither tracked nor ignored. To find these, Git
    compares every file with every line of the ignore files: slow where there are thousands.

    Raises:
        UnavailableError: Git is missing, or cannot tell.
    """
    return _read_status(directory, "--untracked-files=normal") != ""


def _read_status(directory: Path, *options: str) -> str | None:
    done = run_git(directory, "status", "--porcelain=v2", *options)
    if done.returncode == 0:
        return _text(done.stdout)
    if b"not a git repository" in done.stderr:
        return None
    raise UnavailableError(f"git status failed: {_text(done.stderr)}", "look: git status")


def list_changed(directory: Path) -> frozenset[str]:
    """Return the tracked files below a directory that differ from its commit, relative to it.

    Outside of Git there are none.

    Raises:
        UnavailableError: Git cannot tell.
    """
    done = run_git(directory, "diff", "--name-only", "--relative", "-z", "HEAD", "--", ".")
    if done.returncode == 0:
        return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    if read_head(directory) is None:
        return frozenset()
    # There is no commit yet: whatever is tracked differs from none.
    return frozenset(list_tracked(directory, "."))


def resolve_commit(directory: Path, rev: str) -> str:
    """Return the full hash of the commit that a revision names.

    Raises:
        ConfigurationError: it names none.
    """
    done = run_git(
        directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
    )
    if done.returncode != 0:
        raise ConfigurationError(f"not a commit: {rev}", "look: git log --oneline --all")
    return _text(done.stdout)


def read_remote_url(directory: Path) -> str | None:
    """Return the URL of the remote ``origin``, without credentials; None when there is none."""
    done = run_git(directory, "config", "--get", "remote.origin.url")
    url = _text(done.stdout) if done.returncode == 0 else ""
    if "://" in url and "@" in url.split("://", 1)[1].split("/", 1)[0]:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        url = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return url or None


def read_remote_address(directory: Path, remote: str) -> str | None:
    """Return the address of a remote, as it is; None where there is none of that name.

    Args:
        remote: its name, or an address itself: with a colon or a slash in it.
    """
    if "/" in remote or ":" in remote:
        return remote
    done = run_git(directory, "config", "--get", f"remote.{remote}.url")
    url = _text(done.stdout) if done.returncode == 0 else ""
    # Git takes a path as relative to the working tree; a mirror lies elsewhere.
    return os.path.abspath(directory / url) if url and _is_path(url) else url or None


def _is_path(url: str) -> bool:
    return "://" not in url and (url.startswith((".", "/")) or ":" not in url.partition("/")[0])


def read_place(directory: Path) -> str | None:
    """Return where a directory lies below the root of its working tree; None outside of Git."""
    done = run_git(directory, "rev-parse", "--show-prefix")
    return (_text(done.stdout).rstrip("/") or ".") if done.returncode == 0 else None


def is_shallow(directory: Path) -> bool:
    """Whether a clone holds only the end of its history; outside of Git none does."""
    done = run_git(directory, "rev-parse", "--is-shallow-repository")
    return done.returncode == 0 and _text(done.stdout) == "true"


def list_files_at(directory: Path, commit: str) -> dict[str, bool]:
    """Say of each file below a directory at a commit, by its path, whether it is executable.

    Raises:
        UnavailableError: Git cannot tell.
    """
    done = run_git(directory, "ls-tree", "-r", "-z", commit)
    if done.returncode != 0:
        raise UnavailableError(f"git ls-tree failed: {_text(done.stderr)}", "look: git fsck")
    lines = (line.partition("\t") for line in os.fsdecode(done.stdout).split("\0") if line)
    return {path: header.startswith("100755") for header, _, path in lines}


def read_file_at(directory: Path, commit: str, path: str) -> bytes:
    """Return a file's bytes at a commit.

    Args:
        path: relative to ``directory``.

    Raises:
        UnavailableError: Git has no such file.
    """
    done = run_git(directory, "cat-file", "blob", f"{commit}:./{path}")
    if done.returncode != 0:
        raise UnavailableError(f"git cat-file failed: {_text(done.stderr)}", "look: git fsck")
    return done.stdout


def list_tracked(directory: Path, path: str) -> list[str]:
    """Return what Git tracks at or below a path, whatever the case of its letters.

    Args:
        path: relative to ``directory``.

    Returns:
        Paths relative to ``directory``; none outside of Git.

    Raises:
        UnavailableError: Git is missing, or cannot tell.
    """
    done = run_git(directory, "ls-files", "-z", "--", f":(icase){path}")
    if done.returncode != 0:
        if b"not a git repository" in done.stderr:
            return []
        raise UnavailableError(f"git ls-files failed: {_text(done.stderr)}", "look: git status")
    return [name for name in os.fsdecode(done.stdout).split("\0") if name]


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Branch:
    """A branch as the repository knows it.

    Attributes:
        name: short: ``main``, or ``origin/main``.
        commit: the full hash.
    """

    name: str
    commit: str


def find_protected_branch(directory: Path, name: str | None = None) -> Branch | None:
    """Find the branch whose commit rules: of the remote ``origin`` if there is one, else local.

    The remote's default branch, else its ``main`` or ``master``, else the local ones.

    Args:
        name: of another branch, where somebody who may has said so.

    Returns:
        None where there is none and none is to be expected: outside of Git, before the first
        commit, or with other branches only and no remote.

    Raises:
        ConfigurationError: there is a remote, and what it protects is not here: a shallow clone.
        UnavailableError: Git cannot tell.
    """
    names = [name] if name else ["HEAD", "main", "master"]
    wanted = [f"refs/remotes/origin/{one}" for one in names]
    wanted += [f"refs/heads/{one}" for one in names if one != "HEAD"]
    done = run_git(directory, "for-each-ref", "--format=%(refname) %(objectname)", *wanted)
    if done.returncode != 0 and b"not a git repository" not in done.stderr:
        raise UnavailableError(f"git for-each-ref failed: {_text(done.stderr)}", "look: git fsck")
    lines = _text(done.stdout).splitlines() if done.returncode == 0 else []
    found = dict(line.rsplit(" ", 1) for line in lines)
    for ref in wanted:
        if ref in found:
            short = ref.removeprefix("refs/remotes/").removeprefix("refs/heads/")
            return Branch(short, found[ref])
    if name or read_remote_url(directory) is not None:
        wanted_one = name or "main"
        hint = f"fetch it: git fetch origin {wanted_one}:refs/remotes/origin/{wanted_one}"
        in_ci = "; in a CI job, check out everything (fetch-depth: 0, or GIT_DEPTH: 0)"
        raise ConfigurationError(
            f"the protected branch is not in this clone: {wanted_one}",
            hint + (in_ci if is_shallow(directory) else ""),
        )
    return None


def read_files_at(directory: Path, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of those of some files that a commit has, in one call.

    Args:
        paths: relative to ``directory``.

    Raises:
        UnavailableError: Git cannot read them.
    """
    wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
    if not wanted:
        return {}
    asked = "".join(f"{commit}:./{path}\n" for path in wanted)
    done = run_git(directory, "cat-file", "--batch", stdin=os.fsencode(asked))
    if done.returncode != 0:
        raise UnavailableError(f"git cat-file failed: {_text(done.stderr)}", "look: git fsck")
    found: dict[str, bytes] = {}
    rest = done.stdout
    for path in wanted:
        header, _, rest = rest.partition(b"\n")
        *_, kind, size = header.split(b" ") if not header.endswith(b" missing") else (b"", b"")
        if kind:
            length = int(size)
            if kind == b"blob":
                found[path] = rest[:length]
            rest = rest[length + 1 :]
    return found
