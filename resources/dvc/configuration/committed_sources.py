"""The addresses of imports, deps and outs that a commit names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.utils.serialize import parse_yaml

from resources.git.repository import list_entries_at, read_files_at


def find_sources(root: Path, commit: str) -> list[dict[str, Any]]:
    """Find the addresses that the files of a commit name, each with its settings.

    Args:
        root: the DVC root of the working tree.

    Returns:
        The fields ``fs_config`` of DVC, with ``url``.
    """
    names = [name for name in list_entries_at(root, commit) if name.endswith((".dvc", "dvc.yaml"))]
    found: list[dict[str, Any]] = []
    for name, text in read_files_at(root, commit, names).items():
        if b"://" in text or b"fs_config" in text:
            found += _find_in(parse_yaml(text.decode("utf-8", "replace"), name))
    return found


def _find_in(document: Any) -> Iterator[dict[str, Any]]:
    """Find the entries of ``deps`` and ``outs``, also those of the stages in a ``dvc.yaml``."""
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if name in ("deps", "outs") and isinstance(value, list):
            yield from (found for entry in value for found in _read_entry(entry))
        else:
            yield from _find_in(value)


def _read_entry(entry: Any) -> Iterator[dict[str, Any]]:
    if isinstance(entry, str):
        yield {"url": entry}
    elif isinstance(entry, dict) and isinstance(entry.get("path"), str):
        yield {**(entry.get("fs_config") or {}), "url": entry["path"]}
    elif isinstance(entry, dict):
        yield from (
            {**((one or {}).get("fs_config") or {}), "url": str(url)} for url, one in entry.items()
        )
