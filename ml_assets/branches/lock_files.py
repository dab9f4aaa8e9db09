"""The lock files that runs of a branch have recorded, kept apart from the branch itself.

``refs/ml-assets/locks/<branch>`` names a commit with just the lock files and the outs that DVC
leaves to Git (``cache: false``), as the last passed run has left them. No branch contains that
commit and no sensor reads it. Its message names the commit of the run.
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

#: The author of the commits that runs write.
AUTHOR = Author("ml-assets", "ml-assets@localhost")
COMMIT_TRAILER = "Ml-Assets-Commit"
RUN_TRAILER = "Ml-Assets-Run"
_LARGEST = 16 << 20  # bytes of an out in the record
_TRAILER = re.compile(r"^([A-Za-z-]+): (\S+)$", re.MULTILINE)


def list_kept(manifest: Manifest) -> set[str]:
    """List the paths that a run records in Git: lock files, and outs outside of DVC's cache."""
    stages = [stage for stage in manifest.stages if not stage.is_source]
    locks = {stage.lock_path for stage in stages}
    outs = {out.location for stage in stages for out in stage.outs if not out.cache}
    return locks | {one for one in outs if "://" not in one and not one.startswith(("/", ".."))}


def read_kept(root: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read the recorded files by path, without directories, links and large files."""
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
    """Write the recorded files into a working tree; return the written paths.

    1. Only lock files and Git-kept outs of the working tree's own graph: the reference could name
       any file.
    2. Through no link: a commit could redirect the path.
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
    """Return the trailers of a commit message."""
    return {name: value for name, value in _TRAILER.findall(message)}


def find_locks(
    mirror: Mirror, branch: str, commit: str, below: str, on_notice: Callable[[str], None]
) -> dict[str, bytes]:
    """Return the recorded files that are newer than a commit's own, by path.

    A file that was committed after the run takes precedence over the recorded one.

    Args:
        below: the DVC root, relative to Git's.
    """
    tip = mirror.read_ref(f"{LOCKS}/{branch}")
    if tip is None:
        return {}
    origin = read_trailers(mirror.read_message(tip)).get(COMMIT_TRAILER)
    if origin is None or not mirror.has(origin) or not mirror.is_ancestor(origin, commit):
        on_notice(f"recorded lock files not used: their commit is not an ancestor: {branch}")
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

    Anyone can write such a message, so it counts only where nothing but lock files differs from the
    commit of the run.
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
