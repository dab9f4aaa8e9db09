"""The repository pin: which repository and which protected commit the last command went by.

A stage could move the protected branch, remove the remote, or start another repository between the
project and the real one, and so bring its own policy. Where file views work it cannot. Everywhere
the pin is compared at the start of a command, before rules are believed:

1. Git's directory is the same.
2. There still is a protected branch.
3. Its commit is the pinned one or a descendant: a history that was rewritten is not followed.

The pin is sealed, so that only this program writes it. The first command on a machine, and each job
on a fresh clone, has nothing to compare with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules, find_rules
from resources.errors import ConfigurationError
from resources.files import write_atomically
from resources.git.commit_history import CommitHistory
from resources.git.git_directories import find_git_directories

_PURPOSE = "repository pin"

Seal: TypeAlias = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class RepositoryPin:
    """What rules were taken from.

    Attributes:
        git: ``.git``, relative to the project, which can be moved; None outside of Git.
        branch: the protected branch; None where the working tree supplied the rules.
        commit: its commit.
    """

    git: str | None
    branch: str | None
    commit: str | None


def open_rules(project: Project) -> Rules:
    """Resolve the rules of a project now, and compare their repository with the pin.

    Raises:
        ConfigurationError: the repository or its protected branch is not the pinned one, or the
            protected branch is not in this clone.
    """
    rules = find_rules(project.root)
    found = _describe(project, rules)
    file = project.make_state() / "repository.json"

    def seal(body: bytes) -> bytes:
        return project.seal(_PURPOSE, [body])[0]

    pinned = _read(file, seal)
    if pinned != found:
        if pinned is not None:
            _compare(project, pinned, found, file)
        _write(file, found, seal)
    return rules


def _describe(project: Project, rules: Rules) -> RepositoryPin:
    branch = rules.protection.branch
    git = next(iter(find_git_directories(project.root)), None)
    return RepositoryPin(
        os.path.relpath(git, project.root) if git is not None else None,
        branch.name if branch is not None else None,
        branch.commit if branch is not None else None,
    )


def _compare(project: Project, pinned: RepositoryPin, found: RepositoryPin, file: Path) -> None:
    accept = f"if that is right, remove {file}"
    if pinned.git not in (None, found.git):  # 1
        raise ConfigurationError(
            f"another Git repository than in the last run: {found.git}, was {pinned.git}",
            accept,
        )
    if pinned.commit is None:
        return
    if found.commit is None:  # 2
        raise ConfigurationError(
            f"the protected branch is gone: {pinned.branch}", f"restore it; {accept}"
        )
    history = CommitHistory(project.root)
    known = history.has(pinned.commit)
    if not known or not history.is_ancestor(pinned.commit, found.commit):  # 3
        raise ConfigurationError(
            f"the protected branch {found.branch} does not contain its commit of the last run:"
            f" {pinned.commit[:12]}",
            f"compare: git log {pinned.commit[:12]}...{found.commit[:12]}; {accept}",
        )


def _read(file: Path, seal: Seal) -> RepositoryPin | None:
    """Read the pin; None without one that this program has written.

    Raises:
        OSError: the file cannot be read: then nothing can be compared.
    """
    try:
        text, _, mark = file.read_bytes().rpartition(b"\n")
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        pin = RepositoryPin(document["git"], document["branch"], document["commit"])
    except (ValueError, TypeError, LookupError):
        return None
    return pin if mark == seal(text).hex().encode("ascii") else None


def _write(file: Path, pin: RepositoryPin, seal: Seal) -> None:
    text = json.dumps(asdict(pin)).encode()
    write_atomically(file, text + b"\n" + seal(text).hex().encode("ascii"))
