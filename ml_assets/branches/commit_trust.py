"""Commit trust: whether a committer whom the protected branch names has signed a commit."""

from __future__ import annotations

import posixpath

from ml_assets.branches.watch import Watch
from resources.errors import ResourceError
from resources.git.commit_signature import verify_commit
from resources.git.mirror import TRACKING

#: The directory of trusted committers, on the protected branch.
COMMITTERS = ".ml-assets/committers"


def find_objection(watch: Watch, commit: str, protected: str | None = None) -> str | None:
    """Return why a commit may not run; None where its signature counts, or needs none.

    Args:
        protected: the commit of the protected branch that names the committers; None takes the
            one that was fetched last.
    """
    return find_distrust(watch, commit, protected) if watch.settings.signed else None


def find_distrust(watch: Watch, commit: str, protected: str | None = None) -> str | None:
    """Return why a commit's signature does not count; None where it does.

    The protected branch names the committers: a commit cannot vouch for itself. Without a protected
    branch no signature counts.

    Args:
        protected: as for ``find_objection``.
    """
    mirror = watch.mirror
    default = mirror.read_default()
    if default is None and protected is None:
        return "no protected branch names trusted committers"
    below = posixpath.normpath(posixpath.join(watch.below, COMMITTERS))
    try:
        files = mirror.read_files(protected or f"{TRACKING}/{default}", (f"{below}/",))
        trusted = {posixpath.basename(path): content for path, content in files.items()}
        verify_commit(mirror.directory, commit, trusted)
    except ResourceError as error:
        return error.message
    return None
