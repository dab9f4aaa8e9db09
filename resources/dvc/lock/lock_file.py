"""The lock file: loads ``dvc.lock`` and writes the same bytes as DVC.

DVC loads the file with a round-trip parser, sets the entry of each finished stage and dumps the
whole file, once a stage. The text of an entry does not depend on its neighbours, so this module
dumps only changed entries and keeps the rest of the text. For a file that DVC did not write
(comments, anchors, other indentation) it does as DVC does.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from resources.dvc.graph.documents import Documents
from resources.dvc.lock.lock_text import is_usual, render_entry
from resources.errors import ConfigurationError
from resources.files import write_atomically

#: The entry of one stage in ``dvc.lock``: cmd, deps, params, outs.
LockEntry = dict[str, Any]

_HEADER = "schema: '2.0'\nstages:\n"
_EMPTY = "schema: '2.0'\nstages: {}\n"
# Keys that are valid stage names; with any other key the whole file is dumped.
_KEY = re.compile(r"^  ([A-Za-z_][A-Za-z0-9_.@-]*|'[^'\\n]*'):\n", re.M)


class LockFile:
    """One ``dvc.lock``: its text, and its entries by stage name."""

    def __init__(self, path: Path, documents: Documents) -> None:
        """Load the file; a missing file has no entries.

        Raises:
            ConfigurationError: the file is not a lock file that DVC 3 reads.
        """
        self.path = path
        self._documents = documents
        self.text = path.read_text("utf-8") if path.exists() else ""
        document = documents.parse(path) if self.text else {}
        self.entries: dict[str, LockEntry] = validate_lock(path, document)
        self._dumps: dict[str, tuple[LockEntry, str]] = {}

    def write(self, updates: Mapping[str, LockEntry], last: Sequence[str] = ()) -> None:
        """Write the file with updated entries in place and new entries at the end, in order.

        Args:
            last: names of entries to place at the end, in this order.

        Raises:
            OSError: the file cannot be written; the old file is untouched.
        """
        text = self.render(updates, last)
        if text == self.text:
            return
        write_atomically(self.path, text.encode("utf-8"), durable=True)

    def render(self, updates: Mapping[str, LockEntry], last: Sequence[str] = ()) -> str:
        """Return the text with updated entries, byte for byte as DVC dumps it."""
        if self._blocks is None:
            return self._round_trip(updates)
        rendered = {name: self._rendered(name, entry) for name, entry in updates.items()}
        blocks = {**self._blocks, **rendered}
        blocks |= {name: blocks.pop(name) for name in last}
        return _HEADER + "".join(blocks.values()) if blocks else _EMPTY

    def _rendered(self, name: str, entry: LockEntry) -> str:
        """Dump an entry once, even if a run writes the file many times."""
        known = self._dumps.get(name)
        if known is None or known[0] is not entry:
            known = self._dumps[name] = (entry, render_entry(name, entry))
        return known[1]

    @cached_property
    def _blocks(self) -> Mapping[str, str] | None:
        """The text of each entry; None if the whole file must be dumped."""
        if not self.text or self.text == _EMPTY:
            return {}
        if not self.text.startswith(_HEADER) or "\n#" in self.text or " #" in self.text:
            return None
        body = self.text[len(_HEADER) :]
        keys = list(_KEY.finditer(body))
        if [match.group(1).strip("'") for match in keys] != list(self.entries):
            return None
        starts = [match.start() for match in keys]
        ends = [*starts[1:], len(body)]
        pieces = [body[start:end] for start, end in zip(starts, ends, strict=True)]
        blocks = dict(zip(self.entries, pieces, strict=True))
        if starts[0] != 0 or not all(self._is_dvcs(*block) for block in blocks.items()):
            return None
        return blocks

    def _is_dvcs(self, name: str, block: str) -> bool:
        """Whether DVC writes exactly these bytes for an entry."""
        return is_usual(block) or render_entry(name, self.entries[name]) == block

    def _round_trip(self, updates: Mapping[str, LockEntry]) -> str:
        from dvc.utils.serialize import parse_yaml_for_update
        from dvc.utils.serialize._yaml import _dump

        document = parse_yaml_for_update(self.text, str(self.path))
        if not document:
            document["schema"] = "2.0"
        document["stages"] = document.get("stages", {})
        # Copy each entry: a value that two entries share would become a YAML anchor.
        document["stages"].update({name: copy.deepcopy(entry) for name, entry in updates.items()})
        stream = io.StringIO()
        _dump(document, stream)
        return stream.getvalue()


def validate_lock(path: Path, document: Any) -> dict[str, LockEntry]:
    """Return the entries of a parsed lock file.

    Raises:
        ConfigurationError: the document is not a lock file that DVC 3 reads.
    """
    hint = f"restore it: git checkout -- {path}; or remove it, then run again: rm {path}"
    if not document:
        return {}
    if not isinstance(document, dict) or str(document.get("schema")) != "2.0":
        raise ConfigurationError(f"not a lock file of DVC 2 or 3: {path}", hint)
    stages = document.get("stages", {})
    if not isinstance(stages, dict):
        raise ConfigurationError(f"broken lock file: {path}: stages is not a mapping", hint)
    for name, entry in stages.items():
        if not isinstance(entry, dict) or "cmd" not in entry:
            raise ConfigurationError(f"broken lock file: {path}: no cmd in: {name}", hint)
    return stages
