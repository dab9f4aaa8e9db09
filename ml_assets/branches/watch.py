"""A watch: the followed branches of a remote repository, and the directories for them.

``<home>/mirror.git``            the mirror of the repository
``<home>/worktrees/<branch>/…``  a checkout for each commit that is run or shown
``<home>/dvc/<branch>/…``        DVC's site cache for each of them

Nothing is ever written into the user's own checkout.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ml_assets.project.project import Project, find_project
from ml_assets.project.settings.settings import FILES, read_settings
from ml_assets.project.settings.watch import WatchSettings
from ml_assets.project.watch_home import (
    find_watch_home,
    name_watch_home,
    replace_characters,
    slug,
)
from ml_assets.signer.access import find_git_network
from ml_assets.signer.user_directories import MIRROR, PROJECT_VARIABLE
from resources.dvc.checkout.local_config import write_local_config
from resources.errors import ConfigurationError
from resources.git.command import mask
from resources.git.mirror import Mirror, open_mirror, read_mirror_address
from resources.git.repository import read_place, read_remote_address

#: The commits whose graphs the UI shows, by branch.
SHOWN = "refs/ml-assets/shown"
#: The variable with the home of the watch, for processes that Dagster starts.
WATCH_VARIABLE = "ML_ASSETS_WATCH"
_NO_WORD = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True)
class Watch:
    """The watch over one remote repository.

    Attributes:
        url: the URL of the repository; never shown, since it can hold credentials.
        home: the directory of the mirror and the worktrees.
        state: the directory of statements, results and Dagster's own storage.
        cache: the directory of DVC's objects.
        below: the DVC root, relative to Git's.
        checkout: the checkout whose remote is watched; None for a repository without one.
    """

    url: str
    home: Path
    state: Path
    cache: Path
    settings: WatchSettings
    below: str = "."
    checkout: Path | None = None

    @cached_property
    def mirror(self) -> Mirror:
        """The mirror.

        Raises:
            UnavailableError: the mirror cannot be created.
        """
        directory = self.home / MIRROR
        return open_mirror(directory, self.url, find_git_network(directory))

    def open_worktree(self, branch: str, commit: str) -> Project:
        """Return the project at a commit, in a checkout of its own.

        Raises:
            ConfigurationError: the commit holds no DVC repository.
            UnavailableError: the commit cannot be checked out.
        """
        directory = self.worktree(branch, commit)
        if not (directory / ".git").exists():
            self.mirror.remove_worktree(directory)  # leftovers of a killed process
            self.mirror.add_worktree(commit, directory)
        os.utime(directory)  # marks it as in use (``cleanup``)
        root = Path(os.path.normpath(directory / self.below))
        site = self.home / "dvc" / slug(branch) / commit
        template = self.checkout / ".dvc" / "config.local" if self.checkout is not None else None
        write_local_config(root, template, cache=self.cache, site=site)
        return Project(root, name=branch, shared=self.state)

    def worktree(self, branch: str, commit: str) -> Path:
        """Return the directory of a commit of a branch."""
        return self.home / "worktrees" / slug(branch) / commit


def identifier(branch: str) -> str:
    """Return the Dagster name of a branch; no two branches share one."""
    return replace_characters(branch, _NO_WORD)


def watch_project(project: Project) -> Watch | None:
    """Return the watch over the remote of a project; None without a remote or branches.

    Raises:
        ConfigurationError: the settings are not valid, or there is no DVC repository.
        UnavailableError: Git failed.
    """
    settings = project.settings.watch
    place = read_place(project.root)
    url = read_remote_address(project.root, settings.repository) if place else None
    if place is None or url is None or not settings.branches:
        return None
    return Watch(
        url=url,
        home=find_watch_home(project.root),
        state=project.make_state(),
        cache=project.find_cache(),
        settings=settings,
        below=place,
        checkout=project.root,
    )


def watch_repository(url: str) -> Watch:
    """Return the watch over a repository without a checkout, with its protected branch's settings.

    Raises:
        ConfigurationError: the repository is empty, or its settings are not valid.
        UnavailableError: the remote does not answer.
    """
    name = url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return _watch_home(name_watch_home(name, url), url)


def _watch_home(home: Path, url: str) -> Watch:
    watch = Watch(url, home, home / "state", home / "cache", WatchSettings())
    default = watch.mirror.read_default()
    if default is None:
        default = watch.mirror.read_remote(()).default
        if default is None:
            raise ConfigurationError(f"repository is empty: {mask(url)}", "push a commit to it")
        watch.mirror.fetch((default,), default)
    commit = watch.mirror.read_tracked(default)
    if commit is None:
        raise ConfigurationError(f"no commit of branch: {default}", "push a commit to it")
    files = watch.mirror.read_files(commit, tuple(FILES))
    watch.state.mkdir(parents=True, exist_ok=True)
    return replace(watch, settings=read_settings(files, f"{default} of {mask(url)}").watch)


def find_watch(home: str) -> Watch:
    """Find the watch that ``ml-assets ui`` has set up for the processes of Dagster.

    Args:
        home: the value of ``WATCH_VARIABLE``.

    Raises:
        ConfigurationError: the directory has no watch.
    """
    project = find_project() if os.environ.get(PROJECT_VARIABLE) else None
    return open_watch(Path(home), project.root if project is not None else None)


def open_watch(home: Path, checkout: Path | None) -> Watch:
    """Open a watch.

    Args:
        home: the directory of its mirror.
        checkout: the checkout whose remote is watched; None for a repository without one.

    Raises:
        ConfigurationError: the directory has no watch, or the settings are not valid.
    """
    if checkout is not None:
        watch = watch_project(Project(checkout))
        if watch is None:
            raise ConfigurationError("no remote repository to watch", "git remote add origin URL")
        return watch
    mirror = home / MIRROR
    if not mirror.is_dir():
        raise ConfigurationError(f"no watched repository in {home}", "ml-assets ui URL")
    return _watch_home(home, read_mirror_address(mirror))
