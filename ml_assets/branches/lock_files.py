"""The files of a working tree that a run records in Git: lock files, and outs that Git keeps."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from resources.dvc.graph.manifest import Manifest

_LARGEST = 16 << 20  # bytes of an out in the record


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
