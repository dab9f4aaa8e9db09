"""File copies: source files under names that no file content can imitate.

Some tools print file names, and lines of files that they cannot parse, among their records. Such a
tool gets copies in a directory named after the digest of all copies. No file can contain the name
of that directory, so no quoted line can pass for a record of another file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from security.gates.interface import GateError, Task


@dataclass(frozen=True, slots=True)
class FileCopies:
    """Copies of source files in one directory.

    Attributes:
        directory: absolute, named after the digest of the copies.
        originals: the path of each copied file, by the name of its copy.
        refused: why a file was not copied, by its path.
    """

    directory: Path
    originals: Mapping[str, str]
    refused: Mapping[str, str]


def copy_files(task: Task, names: Mapping[str, str], *, utf8: bool = False) -> FileCopies:
    """Copy files of a task into its scratch directory.

    Args:
        names: the name of the copy, by the path of the file; a name may hold ``/``.
        utf8: refuse files that are not UTF-8.

    Raises:
        GateError: the scratch directory cannot be written.
    """
    digest = hashlib.sha256()
    originals: dict[str, str] = {}
    refused: dict[str, str] = {}
    try:
        new = task.scratch / "copies"
        new.mkdir()
        for path, name in names.items():
            content = _read_file(task.directory / path, utf8)
            if isinstance(content, str):
                refused[path] = content
            elif not _write_file(new / name, content):
                refused[path] = "another file has the same name"
            else:
                digest.update(hashlib.sha256(content).digest() + name.encode())
                originals[name] = path
        directory = new.rename(task.scratch / digest.hexdigest())
    except OSError as error:
        raise unwritable_scratch(error) from error
    return FileCopies(directory, originals, refused)


def unwritable_scratch(error: Exception) -> GateError:
    """Return the error about a scratch directory that cannot be written."""
    message = f"cannot write to the scratch directory: {error}"
    return GateError(message, "free disk space, then run the gate again")


def _read_file(path: Path, utf8: bool) -> bytes | str:
    """Return the content of a file, or the reason why it is refused."""
    if path.is_symlink():
        return "is a symbolic link"
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        if utf8:
            content.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    return content


def _write_file(path: Path, content: bytes) -> bool:
    """Write a new file; return False if the name is taken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as copy:
            copy.write(content)
    except (FileExistsError, NotADirectoryError):
        return False
    return True
