"""The deps that changed while their stage ran.

``dvc.lock`` then has their bytes after the run, as DVC records them, although the outs may come
from the bytes before it. The stage must not count as fresh, so this file remembers its lock entry.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resources.dvc.graph.manifest import Stage
from resources.files import read_regular, write_atomically


class ChangedDeps:
    """Remembers stages whose deps changed during their run. Safe for threads.

    Args:
        file: may be deleted at any time; provenance has the same facts.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()

    def find(self, stage: Stage, entry: dict[str, Any] | None) -> tuple[str, ...]:
        """Return the descriptions of the deps that changed during the run of a lock entry."""
        known = self._load().get(_name(stage)) if entry is not None else None
        if not isinstance(known, list) or not known or known[0] != _digest(entry):
            return ()
        return tuple(str(one) for one in known[1:])

    def note(self, stage: Stage, entry: dict[str, Any], changed: Sequence[str]) -> None:
        """Remember the changed deps of a run; without any, forget those of earlier runs.

        Args:
            changed: a description of each dep.
        """
        with self._guard:
            found = self._load()
            before = dict(found)
            found.pop(_name(stage), None)
            if changed:
                found[_name(stage)] = [_digest(entry), *changed]
            if found != before:
                write_atomically(self._file, json.dumps(found, indent=1).encode())

    def _load(self) -> dict[str, Any]:
        try:
            found = json.loads(read_regular(self._file))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _name(stage: Stage) -> str:
    return f"{stage.lock_path}:{stage.key}"


def _digest(entry: object) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()
