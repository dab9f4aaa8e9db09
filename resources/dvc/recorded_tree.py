"""The recorded tree: what lies inside a directory that is recorded, told from its listing."""

from __future__ import annotations

import os
from hashlib import md5

from resources.dvc.content import Content, Entry, tree_bytes
from resources.dvc.object_cache import ObjectCache


def read_inside(cache: ObjectCache, directory: str, path: str) -> Content | None:
    """Return what a path inside a directory will hold once the directory is restored.

    Only what a lock file records of it is known: no sha256.

    Args:
        directory: the directory's md5.
        path: relative to the directory (POSIX).

    Returns:
        None when the cache does not hold the directory, or the directory not the path.
    """
    if not directory.endswith(".dir") or not cache.holds(directory):
        return None
    listing = dict(cache.listing(directory))
    if path in listing:
        return Content(listing[path], "", _size(cache, listing[path]))
    prefix = f"{path}/"
    entries = tuple(
        Entry(name.removeprefix(prefix), listing[name], "")
        for name in sorted(listing)
        if name.startswith(prefix)
    )
    if not entries:
        return None
    identity = md5(tree_bytes(entries), usedforsecurity=False).hexdigest()
    size = sum(_size(cache, entry.md5) for entry in entries)
    return Content(f"{identity}.dir", "", size, entries)


def _size(cache: ObjectCache, digest: str) -> int:
    return os.stat(cache.path(digest)).st_size
