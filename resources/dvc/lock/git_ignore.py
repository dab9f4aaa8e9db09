"""Git's ignore files: DVC's cached outs are named in the ``.gitignore`` beside them.

Entries are appended in the order of the graph and not of completion, so that a parallel run
writes the same bytes as ``dvc repro``; and those of stages that succeeded stay when another fails.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable
from pathlib import Path

from resources.errors import UnavailableError
from resources.files import write_atomically
from resources.git.command import run_git

_SPECIAL = "\\[]!*#?"


class GitIgnore:
    """Adds outs to ``.gitignore`` files.

    Args:
        root: a directory inside the Git working tree, absolute.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._originals: dict[Path, str | None] = {}

    def find_visible(self, paths: Iterable[str]) -> set[str]:
        """Return those of some absolute paths that Git does not ignore.

        Raises:
            UnavailableError: Git cannot tell.
        """
        asked = list(paths)
        if not asked:
            return set()
        answer = self._git(["check-ignore", "-z", "--stdin", "--no-index"], asked, (0, 1))
        return set(asked) - set(answer)

    def find_tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of some absolute paths that are in Git's index, or hold what is.

        Raises:
            UnavailableError: Git cannot tell.
        """
        asked = list(paths)
        if not asked:
            return set()
        names = sorted(
            os.path.join(self._root, name) for name in self._git(["ls-files", "-z"], [], (0,))
        )
        return {path for path in asked if _covers(names, path)}

    def _git(self, arguments: list[str], lines: list[str], accepted: tuple[int, ...]) -> list[str]:
        stdin = os.fsencode("".join(f"{line}\0" for line in lines))
        done = run_git(self._root, *arguments, stdin=stdin)
        if done.returncode not in accepted:
            detail = done.stderr.decode("utf-8", "replace").strip()
            raise UnavailableError(f"git {arguments[0]} failed: {detail}", "look: git status")
        return [part for part in os.fsdecode(done.stdout).split("\0") if part]

    def write(self, paths: Iterable[str]) -> list[Path]:
        """Write the ignore files anew: what they held at first, and an entry for each path.

        Args:
            paths: all absolute paths to ignore so far, in the order of their entries.

        Returns:
            The files that hold them.
        """
        entries: dict[Path, list[str]] = {}
        for path in paths:
            file = Path(os.path.dirname(path), ".gitignore")
            entries.setdefault(file, []).append(f"/{_escape(os.path.basename(path))}\n")
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


def _covers(names: list[str], path: str) -> bool:
    """Whether a sorted list of paths holds a path or something below it."""
    at = bisect.bisect_left(names, path)
    if at < len(names) and names[at] == path:
        return True
    below = bisect.bisect_left(names, path + os.sep)
    return below < len(names) and names[below].startswith(path + os.sep)


def _escape(name: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in name)
