"""The file mode: permission bits that nothing of a model may have, as no signature holds them.

OpenSSF Model Signing v1.0 has no place for them: whoever can set one changes a signed model and
leaves its signature good. So they are the same for all models, and looked at when a model is signed
and when it is verified:

1. Nobody may execute a file: a model is loaded, and never started.
2. No file or directory runs as, or belongs to, somebody else (set-user-ID, set-group-ID), and none
   is sticky. A set-group-ID bit that a directory has from the one it lies in is none of its own:
   Linux passes it on to each new directory, and it only says which group new files get.
3. Nobody but owner and group may write a file, or make one in a directory: after a model was
   verified, everybody else could change it.

Access control lists and attributes are not looked at.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from security.errors import SecurityError

#: What each bit lets happen, and what ``chmod`` calls its removal.
_EVERYWHERE = {
    stat.S_ISUID: ("is set-user-ID", "u-s"),  # 2
    stat.S_ISGID: ("is set-group-ID", "g-s"),
    stat.S_ISVTX: ("is sticky", "-t"),
    stat.S_IWOTH: ("can be written by everybody", "o-w"),  # 3
}
_FILE = {
    stat.S_IXUSR: ("can be executed by its owner", "u-x"),  # 1
    stat.S_IXGRP: ("can be executed by its group", "g-x"),
    stat.S_IXOTH: ("can be executed by everybody", "o-x"),
    **_EVERYWHERE,
}


class ModeError(SecurityError):
    """Something of a model has a permission bit that nothing of a model may have.

    Attributes:
        exit_code: 1: it was looked at, and is not what can be signed or used.
    """

    kind = "mode"
    exit_code = 1


def verify_modes(name: str, modes: Mapping[str, int]) -> None:
    """Verify that nothing of a model has a bit that it may not have.

    Raises:
        ModeError: something has one (``judge_modes``).
    """
    error = judge_modes(name, modes)
    if error is not None:
        raise error


def judge_modes(name: str, modes: Mapping[str, int]) -> ModeError | None:
    """Return what is wrong with the modes of a model, by steps 1 to 3; None where nothing is.

    Args:
        name: of the model, or its path, to say what to type.
        modes: ``st_mode`` of all its files and directories, by path relative to it; its own is
            ``.``.
    """
    wrong = {path: found for path in sorted(modes) if (found := _refused(modes[path]))}
    if not wrong:
        return None
    path, found = next(iter(wrong.items()))
    shown = name if path == "." else f"{name}/{path}"
    what = " and ".join(said for said, _ in found)
    more = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
    change = ",".join(removal for _, removal in found)
    return ModeError(
        f"{what} (mode {stat.S_IMODE(modes[path]):04o}): {shown}{more}",
        f"chmod {change} {shlex.quote(shown)}, and so in the commands of the stage that writes it",
    )


def _refused(mode: int) -> list[tuple[str, str]]:
    bits = _EVERYWHERE if stat.S_ISDIR(mode) else _FILE
    return [said for bit, said in bits.items() if mode & bit]


def own_mode(mode: int, parent: int) -> int:
    """Return a mode without the bit that a directory has from the one it lies in."""
    inherited = stat.S_ISDIR(mode) and parent & stat.S_ISGID
    return mode & ~stat.S_ISGID if inherited else mode


def read_modes(path: Path, files: Iterable[str]) -> dict[str, int]:
    """Read the modes of a model that is to be signed, and of all directories in it.

    Args:
        files: relative to it; a single file's path is ``.``.

    Raises:
        OSError: one of them is not there.
    """
    places = {"."}
    for file in files:
        places |= {file, *map(str, PurePosixPath(file).parents)}
    return {
        place: own_mode(os.stat(path / place).st_mode, os.stat((path / place).parent).st_mode)
        for place in sorted(places)
    }
