"""Directories as DVC lists them: without what ``.dvcignore`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from dvc.fs import localfs
from dvc.ignore import DvcIgnoreFilter

import resources.dvc.messages  # noqa: F401  # sets the log levels of dvc first


@lru_cache(maxsize=4)
def _ignore_filter(root: Path) -> Any:
    return DvcIgnoreFilter(localfs, os.fspath(root))


def ignored_walk(root: Path, top: str) -> Iterator[tuple[str, list[str]]]:
    """List a directory as DVC does with patterns in ``.dvcignore``."""
    for directory, _, names in _ignore_filter(root).walk(localfs, top):
        yield directory, list(names)
