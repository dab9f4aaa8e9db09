"""The record: which states of assets this project's Dagster storage has already been told.

It lies inside the storage that it speaks of, so that it goes when the storage goes. A run with
nothing to do reads it instead of asking Dagster, which costs seconds to import.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from ml_assets.project import Project
from resources.files import write_atomically


class Record:
    """States (data version and code version) by asset name, as last written to the storage."""

    def __init__(self, project: Project) -> None:
        home = Path(os.environ.get("DAGSTER_HOME") or project.state / "dagster")
        # One storage may serve several projects.
        identity = hashlib.sha256(os.fsencode(project.scope)).hexdigest()
        self._file = home / "ml-assets" / f"{identity[:32]}.json"
        try:
            document = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            document = {}
        self._versions: dict[str, str] = document if isinstance(document, dict) else {}

    def knows(self, asset: str, version: str) -> bool:
        """Whether the storage has this asset at this data version."""
        return self._versions.get(asset) == version

    def add(self, versions: Mapping[str, str]) -> None:
        """Note what the storage has been told."""
        if versions.items() <= self._versions.items():
            return
        self._versions.update(versions)
        write_atomically(self._file, json.dumps(self._versions).encode())
