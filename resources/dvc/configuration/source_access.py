"""The access to sources outside of the checkout for which another process has the credentials."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

#: What a storage says about a file: its name, type, size and etag.
Info = Mapping[str, Any]


class SourceReader(Protocol):
    """Reads the files at and below one address."""

    def info(self, path: str) -> Info | None:
        """Describe a file or directory; None if it does not exist."""

    def list(self, path: str) -> Sequence[Info]:
        """Describe the entries of a directory."""

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read bytes of a file."""


class SourceAccess(Protocol):
    """Opens sources for which another process has the credentials."""

    def open(self, scheme: str, url: str, settings: Mapping[str, Any]) -> SourceReader | None:
        """Open an address; None if this process reads it itself.

        Args:
            scheme: of the storage; the address may refer to a remote.
        """

    def find_kept(self) -> Collection[str]:
        """Find the names of credentials of storages that this process does not have."""


def find_hint(sources: SourceAccess | None, command: str) -> str | None:
    """Find what to do where DVC lacks credentials; None if this process has them all."""
    kept = sorted(sources.find_kept()) if sources is not None else []
    if not kept:
        return None
    return (
        f"DVC has no credentials here: {', '.join(kept)}; run: {command};"
        " or let the protected branch pass them: environment in [tool.ml-assets]"
    )
