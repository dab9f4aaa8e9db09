"""The bundled snapshot: real advisories for the first minute, and for where there is no network.

It holds the records of the Python Packaging Advisory Database as they were published, one JSON
object a line, compressed. Licence and attribution lie beside it in ``data/ATTRIBUTION.md``.
``tools/advisory_snapshot.py`` makes it.
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
    """One file of advisories that comes with the program.

    Attributes:
        name: says the publisher and the day.
        sha256: of the compressed file.
        records: how many it holds.
        size: of its text in bytes: more than that is never decompressed.
    """

    name: str
    sha256: str
    records: int
    size: int

    @property
    def path(self) -> Path:
        """Return the file."""
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
        DatabaseError: the file is missing, or not the one that was released.
    """
    hint = "install the program again"
    try:
        packed = snapshot.path.read_bytes()
    except OSError as error:
        raise DatabaseError(f"the bundled advisories are missing: {error}", hint) from error
    if hashlib.sha256(packed).hexdigest() != snapshot.sha256:
        raise DatabaseError(f"the bundled advisories have been changed: {snapshot.path}", hint)
    text = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed, snapshot.size)
    lines = text.splitlines()
    if len(lines) != snapshot.records:
        raise DatabaseError(f"the bundled advisories are not complete: {snapshot.path}", hint)
    yield from lines
