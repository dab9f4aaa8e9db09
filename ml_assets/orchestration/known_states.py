"""The known states: the asset states that Dagster's storage already holds for this project.

The file lies inside that storage, so both are deleted together. A run with nothing to do reads it
instead of importing Dagster, which takes seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml_assets.project.project import Project
from resources.files import write_atomically


class KnownStates:
    """States (data version and code version) by asset name, as last written to the storage."""

    def __init__(self, project: Project) -> None:
        home = Path(os.environ.get("DAGSTER_HOME") or project.state / "dagster")
        # One storage may serve several projects.
        identity = hashlib.sha256(os.fsencode(project.scope)).hexdigest()
        self._file = home / "ml-assets" / f"{identity[:32]}.json"
        self._versions = self._read()

    def knows(self, asset: str, version: str) -> bool:
        """Whether the storage holds this asset in this state."""
        return self._versions.get(asset) == version

    def add(self, versions: Mapping[str, str]) -> None:
        """Add states that the storage now holds."""
        if versions.items() <= self._versions.items():
            return
        with self._held():
            self._versions = self._read() | dict(versions)
            self._write()

    def forget(self, assets: Collection[str]) -> None:
        """Forget assets before a run that may write other states of them to the storage."""
        with self._held():
            known = self._read()
            self._versions = {name: known[name] for name in known if name not in assets}
            if self._versions != known:
                self._write()

    def _read(self) -> dict[str, str]:
        try:
            document = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def _write(self) -> None:
        write_atomically(self._file, json.dumps(self._versions).encode())

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Lock the file against other processes."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        directory = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)
