"""The files of a commit's submodules, from the repositories that Git keeps for a checkout.

A submodule is the hash of a commit, so any repository below ``.git/modules`` that holds the commit
will do; all objects are hashed again. Nothing is fetched: the addresses in ``.gitmodules`` are
those of the branch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from resources.git.command import use_bare_repository
from resources.git.commit_history import CommitHistory
from resources.git.git_directories import find_git_directories
from resources.git.object_database import ObjectDatabase, open_objects
from resources.git.object_format import EXECUTABLE, LINK, SUBMODULE, GitEntry

_PORTION = 256  # files to read at once
_PATH = re.compile(r"^[ \t]*path[ \t]*=[ \t]*(.+?)[ \t]*$", re.MULTILINE)


class SubmoduleFiles:
    """The files of the submodules of one commit, nested ones as well.

    Args:
        keeper: a checkout; Git keeps the repositories of its submodules below ``.git/modules``.
        entries: the files of the commit, by path.

    Attributes:
        entries: the files of the submodules, by path in the commit.
        absent: paths of submodules whose commit no repository here has.

    Raises:
        UnavailableError: by each method: an object does not have its hash.
    """

    def __init__(self, keeper: Path, entries: Mapping[str, GitEntry]) -> None:
        self.entries: dict[str, GitEntry] = {}
        self.absent: list[str] = []
        self._homes: list[tuple[ObjectDatabase, dict[str, GitEntry]]] = []
        waiting = [(path, one.hash) for path, one in entries.items() if one.mode == SUBMODULE]
        repositories = _list_repositories(keeper) if waiting else []
        while waiting:
            path, commit = waiting.pop()
            home = next((one for one in repositories if CommitHistory(one).has(commit)), None)
            if home is None:
                self.absent.append(path)
                continue
            objects = open_objects(home)
            listed = {f"{path}/{name}": one for name, one in objects.list_files(commit).items()}
            waiting += [(name, one.hash) for name, one in listed.items() if one.mode == SUBMODULE]
            files = {name: one for name, one in listed.items() if one.mode != SUBMODULE}
            self.entries |= files
            self._homes.append((objects, files))

    def read_blobs(self, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of files by hash; leave out those of no submodule."""
        found: dict[str, bytes] = {}
        for objects, files in self._homes:
            found |= objects.read_blobs({one.hash for one in files.values()}.intersection(names))
        return found

    def write(self, directory: Path) -> None:
        """Write the files into a new checkout of the commit.

        Raises:
            OSError: a file exists, or cannot be written.
        """
        for objects, files in self._homes:
            paths = list(files)
            for start in range(0, len(paths), _PORTION):
                portion = paths[start : start + _PORTION]
                blobs = objects.read_blobs({files[path].hash for path in portion})
                for path in portion:
                    _write_file(directory / path, files[path].mode, blobs[files[path].hash])


def _write_file(file: Path, mode: str, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if mode == LINK:
        os.symlink(os.fsdecode(content), file)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(file, flags, 0o777 if mode == EXECUTABLE else 0o666), "wb") as stream:
        stream.write(content)


def _list_repositories(keeper: Path) -> list[Path]:
    """List the repositories of submodules, nested ones as well."""
    found: list[Path] = []
    for git in find_git_directories(keeper):
        for top, folders, names in os.walk(git / "modules"):
            if "HEAD" in names and "objects" in folders:
                found.append(Path(top))
                folders[:] = [one for one in folders if one == "modules"]
                use_bare_repository(found[-1])
    return found


def list_submodules(directory: Path) -> list[Path]:
    """List the submodules that the ``.gitmodules`` of a directory's working tree names."""
    for place in (directory, *directory.parents):
        if (place / ".git").exists():
            return [place / path for path in _PATH.findall(_read(place / ".gitmodules"))]
    return []


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
