"""The graph of a watched branch at one commit, described for Dagster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ml_assets.branches.commit_trust import find_objection
from ml_assets.branches.watch import SHOWN, Watch, identifier
from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import Asset, Key, asset_key, source_key
from ml_assets.project.project import Project
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError, LostRaceError, ResourceError
from security.errors import SecurityError


@dataclass(frozen=True)
class CommitGraph:
    """The graph of a branch at a commit.

    Attributes:
        project: the checkout of the commit.
        assets: the assets of its stages.
        shape: a digest of keys and deps, equal for graphs that look the same.
    """

    project: Project
    checkout: Checkout
    assets: Sequence[Asset]
    shape: str

    @property
    def source(self) -> Key:
        """The key of the source asset."""
        return source_key(self.project.branch, self.checkout.manifest)


@dataclass(frozen=True)
class WatchedBranch:
    """A watched branch.

    Attributes:
        commit: the commit that Dagster shows.
        graph: None where the commit has no readable graph.
        problem: why the graph is not readable.
    """

    name: str
    commit: str
    graph: CommitGraph | None
    problem: str | None = None

    @property
    def job(self) -> str:
        """The name of the job that brings the branch up to date."""
        return job_name(self.name)

    @property
    def source(self) -> Key:
        """The key of the source asset."""
        return self.graph.source if self.graph else asset_key(self.name, "source")

    @property
    def shape(self) -> str | None:
        """The shape of the graph; None without a graph."""
        return self.graph.shape if self.graph is not None else None


def job_name(branch: str) -> str:
    """Return the name of the job that brings a branch up to date, valid in Dagster."""
    return f"reproduce_{identifier(branch)}"


def load_graph(watch: Watch, branch: str, commit: str) -> CommitGraph:
    """Load the graph of a commit.

    Raises:
        ResourceError, SecurityError: the commit has no readable graph.
    """
    project = watch.open_worktree(branch, commit)
    checkout = project.open_checkout(pull=True)
    assets = describe_assets(project, checkout)
    if not assets:  # an empty run would count as a passed run of the pipeline
        raise ConfigurationError(
            f"no stage in commit {commit[:12]} of {branch}",
            "check that it still has its dvc.yaml, or watch other branches",
        )
    checkout.store.save()
    return CommitGraph(project, checkout, assets, _shape_of(assets))


def load_branch(watch: Watch, name: str, commit: str) -> WatchedBranch:
    """Load a branch at a commit, with or without a readable graph."""
    try:
        return WatchedBranch(name, commit, load_graph(watch, name, commit))
    except (ResourceError, SecurityError) as error:
        return WatchedBranch(name, commit, None, f"{error.message}\n  hint: {error.hint}")
    except (
        Exception
    ) as error:  # noqa: BLE001  # other branches continue; a run of this commit fails
        return WatchedBranch(name, commit, None, f"unexpected: {type(error).__name__}: {error}")


def find_shown(watch: Watch) -> dict[str, str]:
    """Return the shown commit of each branch: the last one with a readable graph.

    Where commits must be signed, unsigned ones are not read.
    """
    shown = watch.mirror.read_refs(SHOWN)
    found: dict[str, str] = {}
    for name in watch.settings.branches:
        commit = shown.get(name) or watch.mirror.read_tracked(name)
        if commit is not None and find_objection(watch, commit) is None:
            found[name] = commit
    return found


def keep_shown(watch: Watch, branches: Sequence[WatchedBranch]) -> None:
    """Remember the shown commits: later commits of a branch may have no readable graph."""
    shown = watch.mirror.read_refs(SHOWN)
    for branch in branches:
        if branch.graph is not None and branch.name not in shown:
            with suppress(LostRaceError):  # another process has written this commit or a later one
                watch.mirror.write_ref(f"{SHOWN}/{branch.name}", branch.commit, None)


def _shape_of(assets: Sequence[Asset]) -> str:
    drawn = [[one.key, one.stage, one.deps, one.group, sorted(one.kinds)] for one in assets]
    return hashlib.sha256(json.dumps(drawn).encode()).hexdigest()
