"""The lock files of a branch: what its runs have recorded, kept apart from the branch itself.

``refs/ml-assets/locks/<branch>`` names a commit that holds just the lock files, and the outs that
DVC leaves to Git (``cache: false``), as the last run that passed has left them. No branch contains
it and no sensor looks at it. Its message says which commit the run was at.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from resources.dvc.graph.manifest import Manifest
from resources.git.commit_history import Author
from resources.git.mirror import LOCKS, Mirror

#: Who the commits are by that runs write.
AUTHOR = Author("ml-assets", "ml-assets@localhost")
COMMIT_TRAILER = "Ml-Assets-Commit"
RUN_TRAILER = "Ml-Assets-Run"
_LARGEST = 16 << 20  # bytes of an out that is kept in Git
_TRAILER = re.compile(r"^([A-Za-z-]+): (\S+)$", re.MULTILINE)


def list_kept(manifest: Manifest) -> set[str]:
    """List what a run records in Git: lock files, and outs that are not in DVC's cache."""
    stages = [stage for stage in manifest.stages if not stage.is_source]
    locks = {stage.lock_path for stage in stages}
    outs = {out.location for stage in stages for out in stage.outs if not out.cache}
    return locks | {one for one in outs if "://" not in one and not one.startswith(("/", ".."))}


def read_kept(root: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read what a run has recorded, by path; directories, links and large files are left out."""
    found: dict[str, bytes] = {}
    for path in sorted(list_kept(manifest)):
        try:
            status = os.lstat(root / path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
            found[path] = (root / path).read_bytes()
    return found


def write_kept(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> list[str]:
    """Write what a run has recorded into a working tree; return the paths that were written.

    1. Only what the working tree's own graph calls a lock file or an out that Git keeps: whoever
       can write the reference could name any file.
    2. Through no link: a commit could lead it elsewhere.
    """
    kept = list_kept(manifest)
    written: list[str] = []
    for path, content in sorted(files.items()):
        target = root / path
        if path not in kept or _is_linked(root, path):  # 1, 2
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            target.write_bytes(content)
            written.append(path)
    return written


def _is_linked(root: Path, path: str) -> bool:
    place = root
    for part in Path(path).parts:
        place = place / part
        if place.is_symlink():
            return True
    return False


def read_trailers(message: str) -> dict[str, str]:
    """Return the trailers of a commit's message."""
    return {name: value for name, value in _TRAILER.findall(message)}


def find_locks(
    mirror: Mirror, branch: str, commit: str, below: str, on_notice: Callable[[str], None]
) -> dict[str, bytes]:
    """Return the recorded files that are newer than those of a commit itself, by path.

    A file that somebody has committed since the run is the commit's.

    Args:
        below: the DVC root, relative to Git's.
    """
    tip = mirror.read_ref(f"{LOCKS}/{branch}")
    if tip is None:
        return {}
    origin = read_trailers(mirror.read_message(tip)).get(COMMIT_TRAILER)
    if origin is None or not mirror.has(origin) or not mirror.is_ancestor(origin, commit):
        on_notice(f"the recorded lock files of {branch} are of no ancestor of this commit")
        return {}
    prefix = "" if below == "." else f"{below}/"
    changed = mirror.list_changed(origin, commit)
    files = mirror.read_files(tip)
    return {
        path.removeprefix(prefix): content
        for path, content in files.items()
        if path.startswith(prefix) and path not in changed
    }


def is_written_by_run(mirror: Mirror, commit: str) -> bool:
    """Whether a commit is the record of a run, as ``write_back`` puts it on a branch.

    Anybody can write such a message. So it counts only where nothing but lock files, and files that
    no stage and no gate reads as code, differs from the commit that the run was at.
    """
    trailers = read_trailers(mirror.read_message(commit))
    origin = trailers.get(COMMIT_TRAILER)
    if RUN_TRAILER not in trailers or origin is None or not mirror.has(origin):
        return False
    if mirror.read_author(commit) != AUTHOR:
        return False
    return all(
        posixpath.basename(path) == "dvc.lock" for path in mirror.list_changed(origin, commit)
    )
