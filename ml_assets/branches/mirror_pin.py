"""The mirror pin: the commit of the protected branch as fetched, sealed.

A stage of one branch may be able to write references of the mirror, which all branches share. So a
run believes the protected branch of the mirror only at the sealed commit, and otherwise fetches it
anew.
"""

from __future__ import annotations

import hmac
import os
from contextlib import suppress

from ml_assets.branches.watch import Watch
from ml_assets.project.protection import BRANCH_VARIABLE, find_protected
from ml_assets.signer.access import find_signer
from resources.errors import ConfigurationError, wrap_os_error
from resources.files import read_regular, write_atomically
from resources.git.repository import Branch

_PURPOSE = "protected branch of mirrors"
_LONGEST = 4096  # bytes of a pin


def find_mirrored(watch: Watch) -> Branch | None:
    """Find the protected branch of a mirror with its commit.

    Raises:
        ConfigurationError: the mirror or the remote has no protected branch.
        UnavailableError: the remote does not answer.
    """
    if not _is_pinned(watch):
        fetch_protected(watch)
    return find_protected(watch.mirror.directory)


def fetch_protected(watch: Watch) -> None:
    """Fetch the protected branch anew, and pin its commit.

    Raises:
        ConfigurationError: the remote has no such branch.
        UnavailableError: the remote does not answer.
    """
    mirror = watch.mirror
    remote = mirror.read_remote(())
    named = os.environ.get(BRANCH_VARIABLE) or None
    if remote.default is None:
        raise ConfigurationError("no default branch on the remote", "push a commit to it")
    mirror.fetch(sorted({remote.default, named or remote.default}), remote.default)
    pin_protected(watch)


def pin_protected(watch: Watch) -> None:
    """Pin the commit of the protected branch, which has just been fetched.

    Raises:
        ConfigurationError: the mirror has no protected branch.
        UnavailableError: the pin cannot be written.
    """
    message = _describe(watch)
    try:
        write_atomically(watch.home / "protected", _seal(watch, message))
    except OSError as error:
        raise wrap_os_error(error) from error


def _is_pinned(watch: Watch) -> bool:
    with suppress(OSError, ConfigurationError):
        pin = read_regular(watch.home / "protected", _LONGEST)
        return hmac.compare_digest(pin, _seal(watch, _describe(watch)))
    return False


def _describe(watch: Watch) -> str:
    branch = find_protected(watch.mirror.directory)
    return f"{branch.name} {branch.commit}" if branch is not None else ""


def _seal(watch: Watch, message: str) -> bytes:
    (seal,) = find_signer().seal(_PURPOSE, [f"{watch.home}\n{message}".encode()])
    return seal.hex().encode()
