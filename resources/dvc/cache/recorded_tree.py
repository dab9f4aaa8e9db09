"""The recorded tree: the recorded content of outs, and of paths inside directory outs."""

from __future__ import annotations

import os
from hashlib import md5

from resources.dvc.cache.content import RecordedContent, listing_bytes
from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry


def find_fields(stage: Stage, entry: LockEntry | None, location: str) -> LockEntry:
    """Return the recorded fields of an out as in ``dvc.lock``; empty if never recorded.

    Args:
        entry: the entry of the stage in ``dvc.lock``; not used for a ``.dvc`` file.
    """
    out = next(out for out in stage.outs if out.location == location)
    if stage.is_source:
        return dict(out.recorded or {})
    found = (fields for fields in (entry or {}).get("outs", ()) if fields.get("path") == out.path)
    return dict(next(found, {}))


def parse_fields(fields: LockEntry) -> RecordedContent | None:
    """Parse the fields of an out into content; None without an md5."""
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
    """Return the content of a path inside a cached directory.

    Args:
        directory: the md5 of the directory.
        path: relative to the directory (POSIX).

    Returns:
        None if the cache does not have the directory, or the directory does not have the path.
    """
    if not directory.endswith(".dir") or not cache.holds(directory):
        return None
    return find_inside(cache, dict(cache.listing(directory)), path)


def find_inside(cache: ObjectCache, listing: dict[str, str], path: str) -> RecordedContent | None:
    """Return the content of a path inside a listed directory; None if not listed.

    Args:
        listing: md5 by path. Files that are not in the cache count with a size of 0.
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
