"""A project: one Git + DVC repository on this machine, with its settings and local state."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ml_assets.project.remotes import find_remotes
from ml_assets.project.settings.settings import Settings, load_settings
from ml_assets.signer.access import find_broker, find_signer
from ml_assets.signer.broker_client import BrokeredCheckout
from ml_assets.signer.user_directories import find_dvc_root, find_start, find_watches
from resources.ci_job import read_ci_job
from resources.dvc.cache.remote import open_here
from resources.dvc.cache.transfer import Transfer
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.checkout.commit_view import CommitView
from resources.dvc.checkout.sparse_checkout import SparseCheckout
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.graph.manifest import Manifest
from resources.dvc.graph.manifest_cache import load_manifest, load_manifest_at
from resources.errors import ConfigurationError
from resources.git.commit_tree import CommitTree
from resources.git.repository import (
    Head,
    is_dirty,
    list_tracked,
    read_head,
    resolve_commit,
)
from resources.stores.seal import Seal

_STATE = ".ml-assets/state"
#: Local state of this program and of DVC, relative to a project: no commit may hold it.
_LOCAL = (_STATE, ".dvc/cache", ".dvc/tmp")


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
    def _tracked_state(self) -> str | None:
        """A place of local state that a commit holds, or that is a link; None without one."""
        own = self.own_state
        if own.is_symlink() or own.parent.is_symlink():
            return _STATE
        found = list_tracked(self.root, *_LOCAL)
        return next((one for one in _LOCAL if any(_lies_in(path, one) for path in found)), None)

    def make_state(self) -> Path:
        """Create the directory of local state.

        Its files are trusted: the parsed graph, digests, Dagster's instance. So it must hold only
        files that this machine has written, never files of a commit. The same holds for DVC's
        cache, whose entries name outs for the inputs of a stage.

        Raises:
            ConfigurationError: not writable, or a commit contains the directory or a link to it.
        """
        if self._tracked_state is not None:
            raise tracked_state(self.root, self._tracked_state)
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
        manifest = load_manifest(self.root, self.own_state, self.seal, self.remotes)
        cache = os.path.relpath(manifest.layout.cache_dir, self.root)
        if cache not in _LOCAL and not cache.startswith("..") and list_tracked(self.root, cache):
            raise tracked_state(self.root, cache)
        return manifest

    def view_commit(self, rev: str) -> CommitView:
        """Open a commit to plan its stages, without a checkout.

        Raises:
            ConfigurationError: unknown commit, or DVC cannot read it.
        """
        commit = resolve_commit(self.root, rev)
        remotes = self._find_remotes(commit)
        manifest = load_manifest_at(self.root, commit, self.make_state(), self.seal, remotes)
        tree = CommitTree(self.root, commit)
        return CommitView(self.root, self.state, manifest, commit, tree.executables, tree.read)

    def open_checkout(self, *, pull: bool | None = None, allow_missing: bool = False) -> Checkout:
        """Open the working tree to plan and run its stages.

        Args:
            pull: accept outs that are only in DVC's cache or remote; None takes the setting.
            allow_missing: accept outs that may be nowhere, and fetch nothing.

        Raises:
            ConfigurationError: no DVC repository, or DVC cannot read it.
        """
        pulls = self.settings.pull if pull is None else pull
        opened: Callable[..., Checkout] = Checkout
        if pulls or allow_missing:
            opened = partial(SparseCheckout, fetches=not allow_missing)
        manifest = self.load_manifest()
        if any(stage.fallback for stage in manifest.stages):
            self._take_passed()
        return opened(
            self.root,
            self.make_state(),
            manifest,
            self.seal,
            self.remotes,
            self._open_transfer,
            self.brokered.open_sources() if self.brokered is not None else None,
        )

    @cached_property
    def brokered(self) -> BrokeredCheckout | None:
        """The remotes through the broker; None where this process has its own credentials.

        Raises:
            ResourceError: the broker is gone, or does not serve this checkout.
        """
        broker = find_broker()
        is_watched = self.root.is_relative_to(find_watches())
        return broker.open_checkout(self.root if is_watched else None) if broker else None

    def _take_passed(self) -> None:
        """Take the credentials that stages get: DVC's own code imports data in this process."""
        broker = find_broker() if self.settings.environment else None
        if broker is not None and broker.find_names() and self.brokered is not None:
            os.environ.update(self.brokered.read_passed())

    def _open_transfer(self, name: str | None) -> Transfer:
        """Open a remote through the broker, or here if the broker serves another cache."""
        if self.brokered is not None and self.brokered.find_cache() == self.find_cache():
            return self.brokered.open_transfer(name)
        return open_here(self.root, self.remotes)(name)

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


def tracked_state(root: Path, place: str) -> ConfigurationError:
    """Return the error of a place of local state that Git tracks."""
    return ConfigurationError(
        f"local state tracked by Git: {root / place}",
        f"find its commit (git log -- {place}), then: git rm -r {place}",
    )


def _lies_in(path: str, place: str) -> bool:
    path = path.casefold()
    return path == place or path.startswith(f"{place}/")


def find_project(directory: Path | None = None) -> Project:
    """Find the project of a directory: the nearest directory upwards that holds ``.dvc``.

    Args:
        directory: None takes the project of the environment, else the current directory.

    Raises:
        ConfigurationError: the directory is not in a DVC repository.
    """
    start = find_start(directory)
    if not start.is_dir():
        raise ConfigurationError(
            f"no such directory: {directory or start}", "name another --project"
        )
    root = find_dvc_root(start)
    if root is not None:
        return Project(root)
    raise ConfigurationError(
        f"not in a DVC repository: {start}", "run `dvc init` there, or name another --project"
    )
