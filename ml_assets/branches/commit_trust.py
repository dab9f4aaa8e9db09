"""Commit trust: whether a commit has the signature of a trusted committer."""

from __future__ import annotations

import posixpath

from ml_assets.branches.watch import Watch
from resources.errors import ResourceError
from resources.git.commit_signature import verify_commit

#: The directory of trusted committers, on the protected branch.
COMMITTERS = ".ml-assets/committers"


def find_objection(watch: Watch, commit: str, protected: str | None = None) -> str | None:
    """Return why a commit must not run; None if its signature is trusted or none is required.

    Args:
        protected: the commit of the protected branch with the trusted committers; None takes the
            last fetched one.
    """
    return find_distrust(watch, commit, protected) if watch.settings.signed else None


def find_distrust(watch: Watch, commit: str, protected: str | None = None) -> str | None:
    """Return why a commit's signature is not trusted; None if it is.

    The trusted committers come from the protected branch, since a commit could add its own author.
    Without a protected branch no signature is trusted.

    Args:
        protected: as for ``find_objection``.
    """
    mirror = watch.mirror
    default = mirror.read_default()
    rules = protected or (mirror.read_tracked(default) if default is not None else None)
    if rules is None:
        return "no protected branch names trusted committers"
    below = posixpath.normpath(posixpath.join(watch.below, COMMITTERS))
    try:
        files = mirror.read_files(rules, (below,))
        trusted = {posixpath.basename(path): content for path, content in files.items()}
        verify_commit(mirror.directory, commit, trusted)
    except ResourceError as error:
        return error.message
    return None
