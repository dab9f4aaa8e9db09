"""Silencing comments: files in which a comment may hide findings, for a second run of the tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

_MOST_ARGUMENTS = 500_000  # characters


def find_commented_files(directory: Path, paths: Iterable[str], mark: bytes) -> list[str]:
    """Return the paths whose files hold the mark of a silencing comment, sorted.

    A file that cannot be read is left out, so its findings stay loud.

    Args:
        mark: in lower case; the case in the file does not matter.
    """
    return sorted(path for path in paths if mark in _read_lower(directory / path))


def path_arguments(paths: Sequence[str]) -> list[str]:
    """Return the arguments that name the paths: the whole directory if there are too many."""
    short = sum(len(path) + 3 for path in paths) < _MOST_ARGUMENTS
    return [f"./{path}" for path in paths] if short else ["."]


def _read_lower(path: Path) -> bytes:
    try:
        return path.read_bytes().lower()
    except OSError:
        return b""
