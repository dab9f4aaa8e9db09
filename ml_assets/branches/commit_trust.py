"""Commit trust: whether a commit is signed by somebody whom the protected branch names."""

from __future__ import annotations

import posixpath

from ml_assets.branches.watch import Watch
from resources.errors import ResourceError
from resources.git.commit_signature import verify_commit
from resources.git.mirror import TRACKING

#: Whose signatures on commits count, on the protected branch.
COMMITTERS = ".ml-assets/committers"


def find_objection(watch: Watch, commit: str) -> str | None:
    """Say why nothing may be done with a commit; None where its signature counts, or need not."""
    return find_distrust(watch, commit) if watch.settings.signed else None


def find_distrust(watch: Watch, commit: str) -> str | None:
    """Say why a commit's signature does not count; None where it does.

    Who counts is said by the protected branch, as it was when it was fetched: a commit cannot vouch
    for itself. Where that cannot be judged, nobody counts.
    """
    mirror = watch.mirror
    default = mirror.read_default()
    if default is None:
        return "there is no protected branch that says whose signatures count"
    below = posixpath.normpath(posixpath.join(watch.below, COMMITTERS))
    try:
        files = mirror.read_files(f"{TRACKING}/{default}", (f"{below}/",))
        trusted = {posixpath.basename(path): content for path, content in files.items()}
        verify_commit(mirror.directory, commit, trusted)
    except ResourceError as error:
        return error.message
    return None
