"""The bundled snapshot of advisories, for the first run and for computers without a network.

It holds the published records of the Python Packaging Advisory Database as compressed JSON, one
object per line. ``data/ATTRIBUTION.md`` has the licence and the attribution.
``tools/advisory_snapshot.py`` builds the snapshot.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from security.advisories.errors import DatabaseError

_DIRECTORY = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One file of advisories that is part of the program.

    Attributes:
        name: the publisher and the day.
        sha256: sha256 of the compressed file.
        records: number of records.
        size: size of the decompressed text in bytes, and the limit for its decompression.
    """

    name: str
    sha256: str
    records: int
    size: int

    @property
    def path(self) -> Path:
        """The path of the file."""
        return _DIRECTORY / f"{self.name}.jsonl.xz"


BUNDLED = Snapshot(
    name="pypa-advisories-2024-10-10",
    sha256="20296288ecf167faf7f9b44f3df0883de7fbe803974c55df7196daa1a4b05d32",
    records=2661,
    size=4755934,
)


def read_snapshot(snapshot: Snapshot = BUNDLED) -> Iterator[bytes]:
    """Yield the records of a snapshot, each as JSON.

    Raises:
        DatabaseError: the file is missing, or differs from the released one.
    """
    hint = "reinstall ml-assets"
    try:
        packed = snapshot.path.read_bytes()
    except OSError as error:
        raise DatabaseError(f"cannot read the bundled advisories: {error}", hint) from error
    if hashlib.sha256(packed).hexdigest() != snapshot.sha256:
        raise DatabaseError(f"bundled advisories have another digest: {snapshot.path}", hint)
    text = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed, snapshot.size)
    lines = text.splitlines()
    if len(lines) != snapshot.records:
        raise DatabaseError(f"bundled advisories are incomplete: {snapshot.path}", hint)
    yield from lines
