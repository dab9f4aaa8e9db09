"""The history of a project: the commits of its repository and of the mirror of its remote.

A branch run works in the mirror, so its commit need not be in the user's checkout yet.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ml_assets.project.watch_home import find_watch_home
from ml_assets.signer.user_directories import MIRROR
from resources.git.command import use_bare_repository
from resources.git.commit_history import CommitHistory


class ProjectHistory:
    """Looks for commits in a checkout, then in the mirror of its remote.

    Args:
        root: the project.
    """

    def __init__(self, root: Path) -> None:
        self._checkout = CommitHistory(root)
        self._mirror = find_watch_home(root) / MIRROR

    @property
    def is_complete(self) -> bool:
        """Whether the checkout holds the whole history.

        Raises:
            UnavailableError: Git failed.
        """
        return self._checkout.is_complete

    def find_missing(self, commits: Collection[str]) -> list[str]:
        """Return the commits that neither of the repositories has.

        Raises:
            UnavailableError: Git is not installed.
        """
        missing = self._checkout.find_missing(commits)
        if not missing or not self._mirror.is_dir():
            return missing
        use_bare_repository(self._mirror)
        return CommitHistory(self._mirror).find_missing(missing)
