"""File modes: permission bits that are forbidden on the files and directories of a model.

A signature of OpenSSF Model Signing v1.0 does not cover permission bits: setting one changes a
signed model, and its signature stays valid. So the same rules apply to all models, at signing and
at verification:

1. No file is executable: a loader reads a model, and nothing starts it.
2. No file or directory is set-user-ID, set-group-ID or sticky. A directory may have the
   set-group-ID bit of its parent: Linux copies it to each new directory, and it only selects the
   group of new files.
3. Only owner and group can write a file, or create one in a directory: other users could change a
   model after its verification.

Access control lists and attributes are not checked.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from security.errors import SecurityError

#: The meaning of each bit, and the argument of ``chmod`` that removes it.
_EVERYWHERE = {
    stat.S_ISUID: ("is set-user-ID", "u-s"),  # 2
    stat.S_ISGID: ("is set-group-ID", "g-s"),
    stat.S_ISVTX: ("is sticky", "-t"),
    stat.S_IWOTH: ("is writable for all users", "o-w"),  # 3
}
_FILE = {
    stat.S_IXUSR: ("is executable for its owner", "u-x"),  # 1
    stat.S_IXGRP: ("is executable for its group", "g-x"),
    stat.S_IXOTH: ("is executable for all users", "o-x"),
    **_EVERYWHERE,
}


class ModeError(SecurityError):
    """A file or directory of a model has a forbidden permission bit.

    Attributes:
        exit_code: 1: the check failed.
    """

    kind = "mode"
    exit_code = 1


def verify_modes(name: str, modes: Mapping[str, int]) -> None:
    """Verify that a model has no forbidden permission bits.

    Raises:
        ModeError: a file or directory has one (``judge_modes``).
    """
    error = judge_modes(name, modes)
    if error is not None:
        raise error


def judge_modes(name: str, modes: Mapping[str, int]) -> ModeError | None:
    """Return the error about the modes of a model, by steps 1 to 3; None if they are allowed.

    Args:
        name: name or path of the model, for the message and the hint.
        modes: ``st_mode`` of all its files and directories by relative path; ``.`` for the model
            itself.
    """
    wrong = {path: found for path in sorted(modes) if (found := _refused(modes[path]))}
    if not wrong:
        return None
    path, found = next(iter(wrong.items()))
    shown = name if path == "." else f"{name}/{path}"
    what = " and ".join(said for said, _ in found)
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    change = ",".join(removal for _, removal in found)
    return ModeError(
        f"{what} (mode {stat.S_IMODE(modes[path]):04o}): {shown}{more}",
        f"chmod {change} {shlex.quote(shown)}, and do the same in the stage that writes it",
    )


def _refused(mode: int) -> list[tuple[str, str]]:
    bits = _EVERYWHERE if stat.S_ISDIR(mode) else _FILE
    return [said for bit, said in bits.items() if mode & bit]


def own_mode(mode: int, parent: int) -> int:
    """Return a mode without the set-group-ID bit that a directory inherits from its parent."""
    inherited = stat.S_ISDIR(mode) and parent & stat.S_ISGID
    return mode & ~stat.S_ISGID if inherited else mode


def read_modes(path: Path, files: Iterable[str]) -> dict[str, int]:
    """Read the modes of a model before signing, with those of all its directories.

    Args:
        files: paths relative to the model; ``.`` for a single file.

    Raises:
        OSError: a file is missing.
    """
    places = {"."}
    for file in files:
        places |= {file, *map(str, PurePosixPath(file).parents)}
    return {
        place: own_mode(os.stat(path / place).st_mode, os.stat((path / place).parent).st_mode)
        for place in sorted(places)
    }
