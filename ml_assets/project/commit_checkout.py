"""A checkout of the project at a commit, apart from the working tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.signer.user_directories import find_state_home
from resources.dvc.checkout.local_config import write_local_config
from resources.errors import ConfigurationError, ResourceError, wrap_os_error
from resources.git.mirror import Mirror
from resources.git.object_database import open_objects
from resources.git.repository import read_place, resolve_commit
from resources.git.submodule_files import SubmoduleFiles


def _write_submodules(keeper: Path, commit: str, directory: Path) -> None:
    """Write the submodules of a commit into its new worktree, as far as they are here.

    Args:
        keeper: a checkout; its repository has the commit, and keeps those of submodules.

    Raises:
        UnavailableError: a file cannot be written, or an object does not have its hash.
    """
    try:
        SubmoduleFiles(keeper, open_objects(keeper).list_files(commit)).write(directory)
    except OSError as error:
        raise wrap_os_error(error) from error


@contextmanager
def check_out(project: Project, rev: str) -> Iterator[Project]:
    """Check the project out at a commit, in a worktree that is removed when the block ends.

    It is a worktree of the project's own repository, with the same protected branch. DVC's cache
    and the local state are the project's.

    Raises:
        ConfigurationError: unknown commit, or no DVC repository in it.
        UnavailableError: the commit cannot be checked out.
    """
    commit = resolve_commit(project.root, rev)
    below = read_place(project.root)
    if below is None:
        raise ConfigurationError(f"not in a Git repository: {project.root}", "leave out --commit")
    repository = Mirror(project.root)
    directory = find_state_home() / "commits" / f"{commit}-{os.getpid()}"
    try:
        repository.add_worktree(commit, directory)
        _write_submodules(project.root, commit, directory)
        root = Path(os.path.normpath(directory / below))
        write_local_config(
            root,
            project.root / ".dvc" / "config.local",
            cache=project.find_cache(),
            site=find_state_home() / "dvc",
        )
        made = Project(root, name=project.branch, shared=project.make_state())
        try:
            yield made
        finally:
            with suppress(ResourceError):  # otherwise the next checkout reads the cache again
                made.give_up()
    finally:
        repository.remove_worktree(directory)
