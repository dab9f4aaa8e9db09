"""The files of a mirror that decide what Git reads and which programs it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from resources.errors import wrap_os_error
from resources.files import write_atomically

#: Files that this program never writes.
_MISLEADING = (
    "commondir",
    "config.worktree",
    "info/attributes",
    "info/grafts",
    "objects/info/alternates",
    "objects/info/http-alternates",
)


def restore_files(directory: Path, url: str) -> None:
    """Restore the mirror's own configuration, and remove files that change what Git reads.

    A stage may be able to write here: programs in the configuration, another address, other parents
    of commits, other directories of objects.

    Raises:
        UnavailableError: a file cannot be written.
    """
    config, file = _write_config(url), directory / "config"
    try:
        if file.is_symlink() or not file.is_file() or file.read_bytes() != config:
            write_atomically(file, config)
            os.chmod(file, 0o600)  # the address may hold a password
        for name in _MISLEADING:
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise wrap_os_error(error) from error


def _write_config(url: str) -> bytes:
    quoted = url.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    apple = "\tignorecase = true\n\tprecomposeunicode = true\n" if sys.platform == "darwin" else ""
    return os.fsencode(
        f"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n{apple}"
        f'[gc]\n\tauto = 0\n[remote "origin"]\n\turl = "{quoted}"\n'
    )
