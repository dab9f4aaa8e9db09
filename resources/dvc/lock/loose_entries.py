"""The loose entries: those that a run appended to a lock file before it was interrupted.

Stages that run in parallel finish in any order. A whole run writes its new entries in the order of
the graph, as DVC does. After an interruption an entry of a later stage may stand before one that
the next run appends; that run moves it to where an undisturbed run would have written it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resources.files import read_regular, write_atomically


class LooseEntries:
    """Remembers loose entries by lock file.

    Args:
        file: may be deleted at any time: then entries stay where they are.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def find(self, path: str, names: Sequence[str]) -> list[str]:
        """Return the loose entries of a lock file.

        Entries count only at the end of the file: otherwise another program has written it since.

        Args:
            names: its entries, in order.
        """
        present = set(names)
        known = [name for name in self._load().get(path, ()) if name in present]
        return known if known and list(names[-len(known) :]) == known else []

    def note(self, path: str, names: Sequence[str]) -> None:
        """Remember the loose entries of a lock file, in order."""
        known = self._load()
        if known.get(path, []) != list(names):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps({**known, path: list(names)}).encode())

    def clear(self) -> None:
        """Forget all: a run has ended undisturbed."""
        self._file.unlink(missing_ok=True)

    def _load(self) -> dict[str, Any]:
        try:
            found = json.loads(read_regular(self._file))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
