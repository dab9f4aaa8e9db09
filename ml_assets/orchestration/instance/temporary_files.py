"""The temporary files of the UI's processes: their sockets are private, those of stages are not.

A process that reaches the socket of a code server executes code in it. All sockets are below one
private directory, which stages and gates do not see; these use the temporary directory of the user.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from resources.errors import ConfigurationError
from security.sandbox.private_directory import make_private

_KEPT = "ML_ASSETS_TMPDIR"  # the user's own TMPDIR; empty without one
#: Bytes of the directory's path: a socket's has up to 107, and that of the fork server is longest.
_LONGEST = 107 - 1 - len("listener-12345678")


@contextmanager
def make_socket_directory() -> Iterator[Path]:
    """Make the private directory of one UI for a block.

    Raises:
        ConfigurationError: its path is too long for sockets.
    """
    with make_private("ui-") as directory:
        if len(os.fsencode(directory)) > _LONGEST:
            place = tempfile.gettempdir()
            raise ConfigurationError(
                f"path too long for sockets: {place}", "type: export TMPDIR=/tmp"
            )
        yield directory


def private_variables(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return variables that put the temporary files of a process into the private directory."""
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
