"""The commit view: a commit as a checkout with all recorded outs, without files on disk.

Code, parameters and lock files come from Git. The content of outs comes from ``dvc.lock`` and the
``.dvc`` files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from resources.dvc.cache.content import Content, KnownContent, TreeEntry, tree_bytes
from resources.dvc.cache.recorded_tree import find_fields, parse_fields, read_inside
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Manifest, Stage
from resources.dvc.lock.lock_file import LockEntry, validate_lock
from security.content.digest import digest_bytes, digest_tree


class CommitView(Checkout):
    """One commit of a repository, to plan its stages but not to run them.

    Args:
        commit: the full hash.
        files: whether each file of the commit is executable, by path relative to the DVC root.
        read_file: returns the bytes of one of these files.
    """

    def __init__(
        self,
        root: Path,
        state: Path,
        manifest: Manifest,
        commit: str,
        files: Mapping[str, bool],
        read_file: Callable[[str], bytes],
    ) -> None:
        super().__init__(root, state, manifest)
        self.commit = commit
        self._files = files
        self._read_file = read_file
        self._known: dict[str, KnownContent | None] = {}
        self._entries: dict[str, dict[str, LockEntry]] = {}

    def identify(self, location: str) -> KnownContent | None:
        """Return the content of a location: recorded for an out, from Git for any other path."""
        if location not in self._known:
            stage = self.manifest.producer.get(location)
            if stage is not None:
                entry = None if stage.is_source else self.recorded(stage)
                fields = find_fields(stage, entry, location)
                self._known[location] = parse_fields(fields)
            elif location in self.manifest.inside:
                self._known[location] = self._find_inside(location)
            else:
                self._known[location] = self._committed_content(location)
        return self._known[location]

    def read(self, location: str) -> Content | None:
        """Read the content of a file or directory in the commit; None for outs."""
        known = self.identify(location)
        return known if isinstance(known, Content) else None

    def parse(self, location: str) -> Any:
        """Parse a parameters file of the commit."""
        content = self._bytes(location)
        if content is None:
            raise FileNotFoundError(location)
        return self.documents.parse_content(content, self.root / location)

    def recorded(self, stage: Stage) -> LockEntry | None:
        """Return the entry of a stage in the commit's ``dvc.lock``."""
        path = stage.lock_path
        if path not in self._entries:
            content = self._bytes(path)
            document = self.documents.parse_content(content, self.root / path) if content else {}
            self._entries[path] = validate_lock(self.root / path, document)
        return self._entries[path].get(stage.key)

    def _bytes(self, location: str) -> bytes | None:
        return self._read_file(location) if location in self._files else None

    def _find_inside(self, location: str) -> KnownContent | None:
        """Return the content of a path inside an out, if the cache has the out."""
        out = self.manifest.inside[location]
        recorded = self.identify(out)
        if recorded is None:
            return None
        return read_inside(self.cache, recorded.md5, location.removeprefix(f"{out}/"))

    def _committed_content(self, location: str) -> Content | None:
        content = self._bytes(location)
        if content is not None:
            digests = digest_bytes(content)
            executable = self._files[location]
            return Content(digests.md5, digests.sha256, digests.size, None, executable)
        prefix = f"{location.rstrip('/')}/"
        below = sorted(path for path in self._files if path.startswith(prefix))
        if not below:
            return None
        digested = {path: digest_bytes(self._bytes(path) or b"") for path in below}
        entries = tuple(
            TreeEntry(path.removeprefix(prefix), digests.md5, digests.sha256)
            for path, digests in digested.items()
        )
        identity = digest_bytes(tree_bytes(entries)).md5
        sha256 = digest_tree((entry.path, entry.sha256) for entry in entries)
        size = sum(digests.size for digests in digested.values())
        return Content(f"{identity}.dir", sha256, size, entries)
