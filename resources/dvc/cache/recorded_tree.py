"""The recorded tree: what outs are recorded to hold, and what lies inside of those directories."""

from __future__ import annotations

import os
from hashlib import md5

from resources.dvc.cache.content import RecordedContent, listing_bytes
from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry


def find_fields(stage: Stage, entry: LockEntry | None, location: str) -> LockEntry:
    """Return what is recorded of an out, as ``dvc.lock`` would; nothing when it never was.

    Args:
        entry: the stage's in ``dvc.lock``; a ``.dvc`` file records its outs itself.
    """
    out = next(out for out in stage.outs if out.location == location)
    if stage.is_source:
        return dict(out.recorded or {})
    found = (fields for fields in (entry or {}).get("outs", ()) if fields.get("path") == out.path)
    return dict(next(found, {}))


def parse_fields(fields: LockEntry) -> RecordedContent | None:
    """Return what the fields of an out say that it holds; None when they name no md5."""
    if not fields.get("md5"):
        return None
    files = fields.get("nfiles")
    return RecordedContent(
        str(fields["md5"]),
        int(fields.get("size") or 0),
        None if files is None else int(files),
        bool(fields.get("isexec")),
    )


def read_inside(cache: ObjectCache, directory: str, path: str) -> RecordedContent | None:
    """Return what a path inside a directory will hold once the directory is restored.

    Args:
        directory: the directory's md5.
        path: relative to the directory (POSIX).

    Returns:
        None when the cache does not hold the directory, or the directory not the path.
    """
    if not directory.endswith(".dir") or not cache.holds(directory):
        return None
    return find_inside(cache, dict(cache.listing(directory)), path)


def find_inside(cache: ObjectCache, listing: dict[str, str], path: str) -> RecordedContent | None:
    """Return what a path inside a listed directory holds.

    Args:
        listing: md5 by path. Of files that the cache does not hold the size counts as 0.
    """
    if path in listing:
        return RecordedContent(listing[path], _size(cache, listing[path]))
    prefix = f"{path}/"
    files = [
        (name.removeprefix(prefix), listing[name])
        for name in sorted(listing)
        if name.startswith(prefix)
    ]
    if not files:
        return None
    identity = md5(listing_bytes(files), usedforsecurity=False).hexdigest()
    return RecordedContent(
        f"{identity}.dir", sum(_size(cache, one) for _, one in files), len(files)
    )


def _size(cache: ObjectCache, digest: str) -> int:
    try:
        return os.stat(cache.path(digest)).st_size
    except FileNotFoundError:
        return 0
