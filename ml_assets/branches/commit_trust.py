"""Commit trust: the committers and signers that the protected branch trusts."""

from __future__ import annotations

import posixpath

from ml_assets.branches.watch import Watch
from ml_assets.project.rules import TRUST
from ml_assets.proof.trust import read_trust
from resources.errors import ResourceError
from resources.git.commit_signature import verify_commit
from security.signing.trust import Trust

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
    try:
        files = _read_protected(watch, COMMITTERS, protected)
        if files is None:
            return "no protected branch names trusted committers"
        trusted = {posixpath.basename(path): content for path, content in files.items()}
        verify_commit(watch.mirror.directory, commit, trusted)
    except ResourceError as error:
        return error.message
    return None


def find_signers(watch: Watch, protected: str | None = None) -> Trust:
    """Find the trusted signers of statements: the protected branch's, and the user's own key.

    Args:
        protected: as for ``find_objection``.

    Raises:
        ResourceError, SecurityError: the list of trusted signers cannot be read.
    """
    files = _read_protected(watch, TRUST, protected) or {}
    return read_trust(files, "the protected branch")


def _read_protected(watch: Watch, place: str, protected: str | None) -> dict[str, bytes] | None:
    """Read the files of the protected branch below a directory; None without such a branch."""
    mirror = watch.mirror
    default = mirror.read_default()
    commit = protected or (mirror.read_tracked(default) if default is not None else None)
    if commit is None:
        return None
    return mirror.read_files(commit, (posixpath.normpath(posixpath.join(watch.below, place)),))
