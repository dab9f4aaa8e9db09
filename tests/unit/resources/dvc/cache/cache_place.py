"""A place to try the object cache in: a cache, a working directory, bytes for both."""

import hashlib
import json
from pathlib import Path
from typing import Any

from resources.dvc.cache.content import Content, ContentReader
from resources.dvc.cache.object_cache import ObjectCache
from resources.stores.digest_store import DigestStore


class Place:
    """A cache and a working directory below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = DigestStore(root / "digests.sqlite")
        self.cache = ObjectCache(root / "cache", self.store)
        self.reader = ContentReader(self.store)
        self.work = root / "work"
        self.work.mkdir()

    def keep(self, name: str) -> Content:
        """Keep what lies in the working directory."""
        content = self.reader.read(str(self.work / name))
        assert content is not None
        self.cache.keep(str(self.work / name), content)
        return content

    def object(self, md5: str) -> Path:
        """Return where an object has to lie."""
        return self.root / "cache" / "files" / "md5" / md5[:2] / md5[2:]

    def plant_listing(self, listing: Any) -> str:
        """Put a directory object with a correct name into the cache."""
        text = json.dumps(listing).encode()
        md5 = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
        self.object(md5).parent.mkdir(parents=True, exist_ok=True)
        self.object(md5).write_bytes(text)
        self.object(md5).chmod(0o444)
        return md5

    def objects(self) -> list[Path]:
        """Return all files of the cache."""
        return [path for path in (self.root / "cache").rglob("*") if path.is_file()]
