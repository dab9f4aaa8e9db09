"""The metrics comparison: metrics of the working tree and of the commit that it changes.

It is for display only: no gate uses it, and unreadable files are listed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.ci_job import read_ci_job
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError, ResourceError
from resources.git.repository import Branch, find_protected_branch, read_files_at, resolve_commit

_LARGEST = 4 << 20  # bytes of a file that is read for display


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one file, now and before; None if it does not exist.

    Attributes:
        name: its keys, joined by dots.
    """

    file: str
    name: str
    now: float | None
    before: float | None

    @property
    def is_changed(self) -> bool:
        """Whether the values differ; NaN equals NaN."""
        if self.now is None or self.before is None:
            return self.now is not self.before
        return self.now != self.before and not (math.isnan(self.now) and math.isnan(self.before))


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
    def _view(self) -> Checkout | None:
        try:
            return self._project.view_commit(self.branch.commit) if self.branch else None
        except ResourceError:
            return None

    def _cached(self, checkout: Checkout, location: str) -> bytes | None:
        try:
            content = self._view.identify(location) if self._view is not None else None
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


def compare_metrics(checkout: Checkout, base: Base) -> tuple[list[MetricComparison], list[str]]:
    """Compare all numbers of all metrics files.

    Returns:
        The metrics, and the unreadable files.
    """
    files = _metric_files(checkout)
    earlier = base.read(checkout, files)
    metrics: list[MetricComparison] = []
    unreadable: list[str] = []
    for file in files:
        try:
            content = read_for_display(checkout, file)
            now = _parse(checkout, file, content) if content is not None else {}
            before = _parse(checkout, file, earlier[file]) if file in earlier else {}
        except (ConfigurationError, OSError):
            unreadable.append(file)
            continue
        if content is None:
            unreadable.append(file)
        for name in dict.fromkeys([*now, *before]):
            metrics.append(MetricComparison(file, name, now.get(name), before.get(name)))
    return metrics, unreadable


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


def _metric_files(checkout: Checkout) -> list[str]:
    manifest = checkout.manifest
    outs = [out.location for stage in manifest.stages for out in stage.outs if out.role == "metric"]
    return [one for one in dict.fromkeys([*outs, *manifest.metrics]) if "://" not in one]


def _parse(checkout: Checkout, file: str, content: bytes) -> dict[str, float]:
    return dict(_numbers(checkout.documents.parse_content(content, checkout.root / file), ""))


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            yield name or "value", float(value)
        except OverflowError:
            yield name or "value", math.inf
