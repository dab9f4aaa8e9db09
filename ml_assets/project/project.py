"""A project: one Git + DVC repository on this machine, with its settings and local state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_assets.project.remotes import find_remotes
from ml_assets.project.settings.settings import Settings, load_settings
from ml_assets.signer.access import find_signer
from resources.ci_job import read_ci_job
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.checkout.commit_view import CommitView
from resources.dvc.checkout.sparse_checkout import SparseCheckout
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.graph.manifest import Manifest
from resources.dvc.graph.manifest_cache import load_manifest, load_manifest_at
from resources.errors import ConfigurationError
from resources.git.repository import (
    Head,
    is_dirty,
    list_files_at,
    list_tracked,
    read_file_at,
    read_head,
    resolve_commit,
)
from resources.stores.seal import Seal

#: The variable with the project's directory, for processes that Dagster starts.
PROJECT_VARIABLE = "ML_ASSETS_PROJECT"


@dataclass(frozen=True)
class Project:
    """A repository at its DVC root.

    Attributes:
        root: the directory that holds ``.dvc``, absolute.
        name: the name of the branch, for a checkout with a detached HEAD.
        shared: the directory of statements, results and digests that outlive the checkout; None
            keeps them in the project.
    """

    root: Path
    name: str | None = None
    shared: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """The project's settings.

        Raises:
            ConfigurationError: the settings are not valid.
        """
        return load_settings(self.root)

    @cached_property
    def head(self) -> Head:
        """The commit and branch of the working tree; both None outside of Git."""
        return read_head(self.root) or Head(commit=None, branch=None)

    @cached_property
    def remotes(self) -> RemoteSettings | None:
        """The settings of remotes of the protected branch; None if the working tree's count."""
        return self._find_remotes(self.head.commit)

    def _find_remotes(self, commit: str | None) -> RemoteSettings | None:
        # A worktree of ours has no local configuration but the one we wrote.
        return find_remotes(self.root, commit, owns_local=self.shared is not None)

    @cached_property
    def dirty(self) -> bool:
        """Whether the working tree differs from its commit, on first use."""
        return is_dirty(self.root)

    @property
    def branch(self) -> str:
        """The branch in the keys of this working tree's assets.

        CI jobs check out a commit without a branch: then it is the branch of the job, if the job is
        for this commit. Rules do not depend on it; they come from the protected branch.
        """
        return self.name or self.head.branch or self._branch_of_job or "detached"

    @property
    def _branch_of_job(self) -> str | None:
        job = read_ci_job(os.environ)
        if job is None or job.commit is None or job.commit != self.head.commit:
            return None
        return job.assets_name

    @cached_property
    def run_tags(self) -> dict[str, str]:
        """The tags of a Dagster run: branch, commit and dirtiness before the run changes files."""
        tags = {"ml-assets/branch": self.branch, "ml-assets/dirty": str(self.dirty).lower()}
        return {**tags, "ml-assets/commit": self.head.commit} if self.head.commit else tags

    @property
    def own_state(self) -> Path:
        """The directory of this working tree's own state; Git ignores it."""
        return self.root / ".ml-assets" / "state"

    @property
    def state(self) -> Path:
        """The directory of local state, which several working trees may share."""
        return self.shared or self.own_state

    @property
    def scope(self) -> str:
        """The identity of this project's stored results."""
        return os.fspath(self.shared or self.root)

    @cached_property
    def seal(self) -> Seal:
        """Seals stored results, manifests and digests with a secret of the signer.

        Raises:
            UnavailableError: the secret cannot be created or read, or the signer has ended.
        """
        return find_signer().seal

    @cached_property
    def _owns_state(self) -> bool:
        own = self.own_state
        if own.is_symlink() or own.parent.is_symlink():
            return False
        return not list_tracked(self.root, os.path.relpath(own, self.root))

    def make_state(self) -> Path:
        """Create the directory of local state.

        Its files are trusted: the parsed graph, digests, Dagster's instance. So it must hold only
        files that this machine has written, never files of a commit.

        Raises:
            ConfigurationError: not writable, or a commit contains the directory or a link to it.
        """
        if not self._owns_state:
            raise ConfigurationError(
                f"local state tracked by Git: {self.own_state}",
                "find its commit (git log -- .ml-assets), then: git rm -r .ml-assets/state",
            )
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self.own_state.mkdir(parents=True, exist_ok=True)
            marker = self.own_state / ".gitignore"
            if not marker.exists():
                marker.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write: {self.state}: {(error.strerror or '').lower()}",
                "make the project writable, or free the disk",
            ) from error
        return self.state

    def load_manifest(self) -> Manifest:
        """Load the working tree's graph.

        Raises:
            ConfigurationError: no DVC repository, or DVC cannot read it.
        """
        self.make_state()
        return load_manifest(self.root, self.own_state, self.seal, self.remotes)

    def view_commit(self, rev: str) -> CommitView:
        """Open a commit to plan its stages, without a checkout.

        Raises:
            ConfigurationError: unknown commit, or DVC cannot read it.
        """
        commit = resolve_commit(self.root, rev)
        remotes = self._find_remotes(commit)
        manifest = load_manifest_at(self.root, commit, self.make_state(), self.seal, remotes)
        return CommitView(
            self.root,
            self.state,
            manifest,
            commit,
            files=list_files_at(self.root, commit),
            read_file=lambda path: read_file_at(self.root, commit, path),
        )

    def open_checkout(self, *, pull: bool | None = None) -> Checkout:
        """Open the working tree to plan and run its stages.

        Args:
            pull: accept outs that are only in DVC's cache or remote; None takes the setting.

        Raises:
            ConfigurationError: no DVC repository, or DVC cannot read it.
        """
        is_sparse = self.settings.pull if pull is None else pull
        opened = SparseCheckout if is_sparse else Checkout
        return opened(self.root, self.make_state(), self.load_manifest(), self.seal, self.remotes)

    def find_cache(self) -> Path:
        """Find DVC's cache, also where the pipeline is not readable.

        Raises:
            ConfigurationError: no DVC repository.
        """
        try:
            return Path(self.load_manifest().layout.cache_dir)
        except ConfigurationError:
            from resources.dvc.graph.reader import read_cache_directory

            return read_cache_directory(self.root, self.remotes)

    def give_up(self) -> None:
        """Remove links to the cache, before this working tree is removed."""
        checkout = self.open_checkout(pull=True)
        if isinstance(checkout, SparseCheckout):
            checkout.withdraw()


def find_state_home() -> Path:
    """Find the user's state directory, for worktrees and mirrors that can be recreated."""
    named = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "state"
    return home / "ml-assets"


def find_project(directory: Path | None = None) -> Project:
    """Find the project of a directory: the nearest directory upwards that holds ``.dvc``.

    Args:
        directory: None takes the project of the environment, else the current directory.

    Raises:
        ConfigurationError: the directory is not in a DVC repository.
    """
    named = directory or Path(os.environ.get(PROJECT_VARIABLE) or os.getcwd())
    start = Path(os.path.abspath(named))
    if not start.is_dir():
        raise ConfigurationError(f"no such directory: {named}", "name another --project")
    for candidate in (start, *start.parents):
        if (candidate / ".dvc").is_dir():
            return Project(candidate)
    raise ConfigurationError(
        f"not in a DVC repository: {start}", "run `dvc init` there, or name another --project"
    )
