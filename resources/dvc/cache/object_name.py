"""The name of a cache object: its md5, with ``.dir`` for the listing of a directory."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resources.errors import ConfigurationError

_OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")


def require_names(md5s: Iterable[object]) -> list[str]:
    """Return names of objects; refuse any other name, which could lead out of the cache.

    Raises:
        ConfigurationError: not an md5.
    """
    return [require_name(one) for one in md5s]


def require_name(md5: object) -> str:
    """Return the name of an object.

    Raises:
        ConfigurationError: not an md5.
    """
    # A manually edited lock file may contain a number here.
    if not isinstance(md5, str | int) or not _OBJECT.fullmatch(str(md5)):
        raise ConfigurationError(
            f"not the md5 of a cache object: {md5}",
            "restore the lock file or .dvc file with this md5: git status",
        )
    return str(md5)
