"""What a repository looks like from outside: files, links, modes, cache, Git's and DVC's status."""

import configparser
import difflib
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .repository import Repository

LOCAL = {".git", ".dvc/tmp", ".dvc/cache", ".ml-assets"}
"""Directories of one copy only; the cache is looked at on its own."""


@dataclass(frozen=True)
class Entry:
    """One file, link or empty directory: kind, mode, whether it is hard-linked, and its content.

    In the working tree the mode is the owner's: DVC gives an executable out 0744 whatever the stage
    gave it, and Git keeps the owner's bit only. In the cache it is who may read and write: whether
    an object that nothing links to is still executable depends on the order of earlier checkouts.
    """

    kind: str
    mode: int
    linked: bool
    content: bytes


@dataclass(frozen=True)
class Snapshot:
    """A repository at one moment, with nothing in it that names its place on the disk."""

    files: dict[str, Entry]
    cache: dict[str, Entry]
    git_status: tuple[str, ...]

    def differences(self, other: "Snapshot", names: tuple[str, str]) -> list[str]:
        """Say how the other differs, one text for each difference; empty where it does not."""
        found = _entry_differences(self.files, other.files, "file", names)
        found += _entry_differences(self.cache, other.cache, "cache object", names)
        mine, its = {*self.git_status}, {*other.git_status}
        found += [f"git status only after {names[0]}: {line}" for line in sorted(mine - its)]
        found += [f"git status only after {names[1]}: {line}" for line in sorted(its - mine)]
        return found


def take_snapshot(repository: Repository, mask: int = 0o700) -> Snapshot:
    """Look at the repository as it is now."""
    return Snapshot(
        files=_entries(repository, repository.root, mask=mask),
        cache=_cache_entries(repository),
        git_status=_git_status(repository),
    )


def _entries(repository: Repository, top: Path, mask: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    below = repository.project.relative_to(repository.root)
    local = {str(below / name) for name in LOCAL} | LOCAL
    for directory, folders, files in os.walk(top):
        here = Path(directory)
        kept = [name for name in folders if str((here / name).relative_to(top)) not in local]
        links = [name for name in kept if (here / name).is_symlink()]
        folders[:] = [name for name in kept if name not in links]
        for name in files + links:
            path = here / name
            entries[str(path.relative_to(top))] = _entry(repository, path, mask)
        if not folders and not files and not links and here != top:
            entries[str(here.relative_to(top))] = Entry("empty directory", 0, False, b"")
    return entries


def _entry(repository: Repository, path: Path, mask: int) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode) & mask
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(path).replace(str(repository.home), "HOME")
        return Entry("link", mode, False, target.encode())
    return Entry("file", mode, status.st_nlink > 1, path.read_bytes())


def cache_directory(repository: Repository) -> Path:
    """Return where the repository's DVC cache is."""
    settings = repository.project / ".dvc" / "config"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(settings, encoding="utf-8")
    return (settings.parent / parser.get("cache", "dir", fallback="cache")).resolve()


def _cache_entries(repository: Repository) -> dict[str, Entry]:
    entries = _entries(repository, cache_directory(repository), mask=0o666)
    for name, entry in entries.items():
        parts = name.removesuffix(".dir").split("/")
        if parts[:2] == ["files", "md5"] and entry.kind == "file":
            digest = hashlib.md5(entry.content, usedforsecurity=False).hexdigest()
            assert digest == "".join(parts[2:]), f"cache object with other bytes: {name}"
    return entries


def _git_status(repository: Repository) -> tuple[str, ...]:
    if not (repository.root / ".git").exists():
        return ()
    text = repository.git("-c", "core.quotePath=false", "status", "--porcelain", "--ignored")
    return tuple(line for line in text.splitlines() if not any(name in line for name in LOCAL))


def dvc_status(repository: Repository) -> Any:
    """Return what `dvc status` says, or its error."""
    finished = repository.try_dvc("status", "--json")
    if finished.code != 0:
        return {"code": finished.code, "error": finished.stderr}
    return json.loads(finished.stdout.replace(str(repository.home), "HOME"))


def _entry_differences(
    mine: dict[str, Entry], its: dict[str, Entry], what: str, names: tuple[str, str]
) -> list[str]:
    found = [f"{what} only after {names[0]}: {name}" for name in sorted(mine.keys() - its.keys())]
    found += [f"{what} only after {names[1]}: {name}" for name in sorted(its.keys() - mine.keys())]
    for name in sorted(mine.keys() & its.keys()):
        if mine[name] != its[name]:
            found.append(f"{what} differs: {name}\n{_show(mine[name], its[name], names)}")
    return found


def _show(mine: Entry, its: Entry, names: tuple[str, str]) -> str:
    if mine.content == its.content:
        return "\n".join(
            f"  {name}: {entry.kind}, mode {entry.mode:o}, hard link: {entry.linked}"
            for name, entry in zip(names, (mine, its), strict=True)
        )
    old, new = (entry.content.decode(errors="replace").splitlines() for entry in (mine, its))
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))
