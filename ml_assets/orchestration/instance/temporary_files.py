"""The temporary files of the UI's processes: their sockets are private, those of stages are not.

A process that reaches the socket of a code server executes code in it. All sockets are below one
directory, which can be hidden from stages and gates; these use the temporary directory of the user.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

_KEPT = "ML_ASSETS_TMPDIR"  # the user's own TMPDIR; empty without one
_LONGEST = 90  # bytes of the directory's path: with a file name, a socket's path has up to 107


def make_private_directory() -> AbstractContextManager[str]:
    """Make the directory of one UI, which only this user can open; it is deleted at the end."""
    place = tempfile.gettempdir()
    fits = len(os.fsencode(place)) + len("/ml-assets-ui-12345678") < _LONGEST
    return tempfile.TemporaryDirectory(prefix="ml-assets-ui-", dir=place if fits else "/tmp")


def private_variables(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the variables of processes whose temporary files are below the private directory."""
    kept = environment.get("TMPDIR", "")
    return {**environment, "TMPDIR": str(directory), _KEPT: kept}


def use_own_directory() -> None:
    """Use the temporary directory of the user from now on, and in processes started from here."""
    kept = os.environ.pop(_KEPT, None)
    if kept is None:
        return
    if kept:
        os.environ["TMPDIR"] = kept
    else:
        os.environ.pop("TMPDIR", None)
    tempfile.tempdir = None
