"""The run cache: lock entries of earlier runs, by command, deps and parameters.

Layout of DVC 3: ``<cache>/runs/<2 hex>/<key>/<value>``. The key is the sha256 of a lock entry
without the digests of its outs, the value is the sha256 of the whole entry.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from resources.dvc.lock.lock_file import LockEntry
from resources.files import write_atomically


class RunCache:
    """Finds and adds lock entries by their inputs."""

    def __init__(self, cache_dir: Path) -> None:
        self._runs = cache_dir / "runs"

    def find(self, entry: LockEntry) -> LockEntry | None:
        """Return the newest valid entry with the same inputs; None without one."""
        directory = self._directory(entry)
        if directory is None:
            return None
        try:
            files = sorted(directory.iterdir(), key=lambda file: -file.stat().st_mtime_ns)
        except OSError:
            return None
        entries = (_parse(file) for file in files)
        return next((found for found in entries if found and _same_inputs(found, entry)), None)

    def keep(self, entry: LockEntry) -> None:
        """Add an entry; keep a valid entry with the same digests.

        Raises:
            OSError: the cache cannot be written.
        """
        directory, name = self._directory(entry), _digest(entry)
        if directory is None or name is None:
            return
        file = directory / name
        if file.exists() and _parse(file) is not None:
            return
        from dvc.utils.serialize import dumps_yaml

        write_atomically(file, str(dumps_yaml(entry)).encode("utf-8"))

    def _directory(self, entry: LockEntry) -> Path | None:
        key = _digest({**entry, "outs": [out["path"] for out in entry.get("outs", [])]})
        return None if key is None else self._runs / key[:2] / key


def _digest(entry: LockEntry) -> str | None:
    """Return the digest by which DVC names an entry; None if JSON cannot represent it (dates)."""
    try:
        text = json.dumps(_without_sizes(entry), sort_keys=True)
    except TypeError:
        return None
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _without_sizes(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_sizes(item) for item in value]
    if isinstance(value, dict):
        return {k: _without_sizes(v) for k, v in value.items() if k not in ("size", "nfiles")}
    return value


def _same_inputs(found: LockEntry, entry: LockEntry) -> bool:
    return all(
        _without_sizes(found.get(part)) == _without_sizes(entry.get(part))
        for part in ("cmd", "deps", "params")
    )


def _parse(file: Path) -> LockEntry | None:
    """Load one entry; None for an invalid file, which counts as missing."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(file.read_text("utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("outs"), list):
        return None
    if not all(isinstance(out, dict) and _is_md5(out.get("md5")) for out in found["outs"]):
        return None
    return found


def _is_md5(value: object) -> bool:
    digits = str(value).removesuffix(".dir")
    return isinstance(value, str) and len(digits) == 32 and digits.isalnum()
