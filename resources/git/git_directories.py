"""The Git directories of a working tree: what Git reads its configuration and objects from."""

from __future__ import annotations

from pathlib import Path

_LONGEST = 4096  # bytes of a path


def find_git_directories(directory: Path) -> tuple[Path, ...]:
    """Find ``.git`` at a directory or above it, and the directories that it leads to.

    After gitrepository-layout(5): in a worktree ``.git`` is a file with ``gitdir: PATH``, and that
    directory has a file ``commondir``. Git itself is not started.
    """
    for place in (directory, *directory.parents):
        entry = place / ".git"
        if entry.is_dir():
            return entry, *_follow(entry, "commondir", "")
        if entry.is_file():
            found = _follow(entry.parent, ".git", "gitdir: ")
            return entry, *found, *(one for own in found for one in _follow(own, "commondir", ""))
    return ()


def _follow(directory: Path, name: str, prefix: str) -> tuple[Path, ...]:
    try:
        with open(directory / name, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read(_LONGEST)
    except OSError:
        return ()
    if not text.startswith(prefix) or not text.strip():
        return ()
    return ((directory / text.removeprefix(prefix).rstrip("\n")).resolve(),)
