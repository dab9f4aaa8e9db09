"""Modules made of scripts, for a tool that reads only files with a suffix of Python."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from security.gates.python.python_files import SUFFIXES


def write_modules(
    directory: Path, files: Sequence[str], is_script: Callable[[str], bool]
) -> dict[str, str]:
    """Write each script as a module beside it; return its path by that of the module.

    A file whose name is not UTF-8 is renamed as well, because tools cannot report it.

    Args:
        directory: the tool's, with copies of the files.
        is_script: says whether a file is Python without the suffix.
    """
    found: dict[str, str] = {}
    for number, path in enumerate(files):
        odd = path.endswith(SUFFIXES) and not is_utf8(path)
        if not odd and not is_script(path):
            continue
        beside = posixpath.dirname(path)
        suffix = posixpath.splitext(path)[1] if odd else ".py"
        name = posixpath.join(beside if is_utf8(beside) else "", f"_script_{number}{suffix}")
        if name not in files:
            shutil.copyfile(directory / path, directory / name)
            found[name] = path
        if odd:
            (directory / path).unlink()
    return found


def is_utf8(path: str) -> bool:
    """Say whether the name of a file is UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
