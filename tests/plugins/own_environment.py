"""The environment of the tests: no settings of the user, and the session's own directories."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile

import pytest

#: Caches, keys and the database of advisories are made in these on first use.
_OWN_DIRECTORIES = ("DVC_SITE_CACHE_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
_HERMETIC = {
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_EMAIL": "author@example.invalid",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "committer@example.invalid",
    "GIT_COMMITTER_NAME": "Committer",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
}
_own_directory = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Replace the user's settings and directories.

    DVC's loggers keep the standard error of DVC's first import. Import it here: a test would have
    it captured, and closed at its end.
    """
    os.environ.update(_HERMETIC)
    if not hasattr(config, "workerinput"):  # workers inherit the controller's directory
        config.stash[_own_directory] = tempfile.mkdtemp(prefix="tests-user-")
        for name in _OWN_DIRECTORIES:
            os.environ[name] = os.path.join(config.stash[_own_directory], name.lower())
    importlib.import_module("dvc")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's directories."""
    directory = config.stash.get(_own_directory, None)
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
