"""The ``.gitignore`` files: each lists the cached outs of DVC in its directory.

Entries are appended in the order of the graph, not of completion, so a parallel run writes the same
bytes as ``dvc repro``. If a stage fails, the entries of the other stages stay.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable
from pathlib import Path

from resources.files import write_atomically
from resources.git.command import call_git, git_failure, run_git, split_names

_SPECIAL = "\\[]!*#?"


class GitIgnore:
    """Adds outs to ``.gitignore`` files.

    Args:
        root: a directory inside the Git working tree, absolute.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._originals: dict[Path, str | None] = {}

    def find_outside(self, paths: Iterable[str]) -> set[str]:
        """Return the absolute paths in directories that links lead out of the root."""
        return {path for path in paths if not self._holds(_resolve_parent(path))}

    def find_visible(self, paths: Iterable[str]) -> set[str]:
        """Return the absolute paths inside the root that Git does not ignore.

        Raises:
            UnavailableError: Git fails.
        """
        real = {path: _resolve_parent(path) for path in paths}
        inside = {place for place in real.values() if self._holds(place)}
        visible = inside - self._find_ignored(inside)
        return {path for path, place in real.items() if place in visible}

    def _holds(self, place: str) -> bool:
        return place.startswith(os.path.join(self._root, ""))

    def _find_ignored(self, places: set[str]) -> set[str]:
        if not places:
            return set()
        stdin = os.fsencode("".join(f"{place}\0" for place in places))
        options = ("-z", "--stdin", "--no-index")
        done = run_git(self._root, "check-ignore", *options, stdin=stdin)
        if done.returncode not in (0, 1):  # 1: no path is ignored
            raise git_failure(self._root, "check-ignore", done)
        return set(split_names(done.stdout))

    def find_tracked(self, paths: Iterable[str]) -> set[str]:
        """Return the absolute paths that Git tracks, or that contain tracked files.

        Raises:
            UnavailableError: Git fails.
        """
        real = {path: _resolve_parent(path) for path in paths}
        if not real:
            return set()
        listed = call_git(self._root, "ls-files", "-z").stdout
        names = sorted(os.path.join(self._root, name) for name in split_names(listed))
        return {path for path, place in real.items() if _covers(names, place)}

    def write(self, paths: Iterable[str]) -> list[Path]:
        """Rewrite the ignore files: their original text, then an entry for each path.

        Args:
            paths: all absolute paths to ignore so far, in the order of their entries.

        Returns:
            The ignore files of these paths.
        """
        entries: dict[Path, list[str]] = {}
        for path in paths:
            directory, name = os.path.split(_resolve_parent(path))
            file = Path(directory, ".gitignore")
            entries.setdefault(file, []).append(f"/{_escape(name)}\n")
        for file, lines in entries.items():
            text = self._original(file)
            for line in lines:
                if line not in text.splitlines(keepends=True):
                    text += line if not text or text.endswith("\n") else f"\n{line}"
            if not file.exists() or file.read_text("utf-8") != text:
                write_atomically(file, text.encode("utf-8"))
        return list(entries)

    def _original(self, file: Path) -> str:
        if file not in self._originals:
            self._originals[file] = file.read_text("utf-8") if file.exists() else ""
        return self._originals[file] or ""


def _resolve_parent(path: str) -> str:
    """Return a path with the links of its directories resolved: Git sees nothing behind a link."""
    directory, name = os.path.split(path)
    return os.path.join(os.path.realpath(directory), name)


def _covers(names: list[str], path: str) -> bool:
    """Whether a sorted list of paths contains a path or a path below it."""
    at = bisect.bisect_left(names, path)
    if at < len(names) and names[at] == path:
        return True
    below = bisect.bisect_left(names, path + os.sep)
    return below < len(names) and names[below].startswith(path + os.sep)


def _escape(name: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in name)
