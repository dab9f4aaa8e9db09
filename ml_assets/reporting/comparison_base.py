"""The base of a comparison: a commit, and the bytes that its files had.

It is for display only: no gate uses it.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.ci_job import read_ci_job
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError, ResourceError
from resources.git.repository import Branch, find_protected_branch, read_files_at, resolve_commit

_LARGEST = 4 << 20  # bytes of a file that is read for display


class Base:
    """The commit to compare with.

    Args:
        branch: None without a commit to compare with.
        absent: the reason.
    """

    def __init__(self, project: Project, branch: Branch | None, absent: str = "") -> None:
        self._project = project
        self.branch = branch
        self.absent = absent

    def read(self, checkout: Checkout, locations: list[str]) -> dict[str, bytes]:
        """Return the bytes of files at the commit, if Git or DVC's cache has them."""
        if self.branch is None:
            return {}
        found = read_files_at(self._project.root, self.branch.commit, locations)
        for location in locations:
            if location not in found and (content := self._cached(checkout, location)) is not None:
                found[location] = content
        return found

    @cached_property
    def view(self) -> Checkout | None:
        """The commit; None without one, or with a graph that cannot be read."""
        try:
            return self._project.view_commit(self.branch.commit) if self.branch else None
        except ResourceError:
            return None

    def _cached(self, checkout: Checkout, location: str) -> bytes | None:
        try:
            content = self.view.identify(location) if self.view is not None else None
            if content is None or content.size > _LARGEST or not checkout.cache.holds(content.md5):
                return None
            checkout.cache.verify(content.md5)
            return Path(checkout.cache.path(content.md5)).read_bytes()
        except (ResourceError, OSError):
            return None


def find_base(project: Project, rules: Rules) -> Base:
    """Return the commit to compare with: the pull request's target, else the protected branch.

    The head of the protected branch is compared with its parent.
    """
    job = read_ci_job(os.environ)
    try:
        if job is not None and job.target is not None:
            branch = find_protected_branch(project.root, job.target)
        else:
            branch = rules.protection.branch
    except ConfigurationError as error:
        return Base(project, None, error.message)
    if branch is None:
        return Base(project, None, "no protected branch")
    if branch.commit != project.head.commit or project.dirty:
        return Base(project, branch)
    try:
        before = resolve_commit(project.root, f"{branch.commit}^")
    except ConfigurationError:
        return Base(project, None, "the parent commit is not in this clone")
    return Base(project, Branch("the parent commit", before))


def open_base(project: Project, revision: str) -> Base:
    """Return a commit of the repository to compare with.

    Raises:
        ConfigurationError: it is not a commit of this clone.
    """
    return Base(project, Branch(revision, resolve_commit(project.root, revision)))


def read_for_display(checkout: Checkout, location: str) -> bytes | None:
    """Return the bytes of a file of the working tree; None if it is missing or too large.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(checkout.path(location))
    inside = path.resolve().is_relative_to(checkout.root.resolve())
    if not inside or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return path.read_bytes()
