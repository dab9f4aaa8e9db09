"""The ledger: all signed statements of a project, each stored by the digest of its bytes.

Statements are added and never changed. The name of a statement follows from its content, so two
writers do not conflict, a crash leaves at most an unnamed part, and damage shows on reading. The
ledger itself is not trusted: readers verify each statement's signature.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from security.errors import SecurityError
from security.signing.bundle import Bundle, parse_bundle

_NAME = re.compile(r"[0-9a-f]{64}")


class LedgerError(SecurityError):
    """A statement is missing, or has changed since it was added."""

    kind = "ledger"


class Files(Protocol):
    """The storage of a ledger: a directory or a bucket."""

    def names(self) -> Iterator[str]:
        """Yield the digests of all stored statements."""

    def read(self, name: str) -> bytes:
        """Return the statement with a digest.

        Raises:
            FileNotFoundError: it is missing.
            OSError: it cannot be read.
        """

    def add(self, name: str, content: bytes) -> None:
        """Store a statement by its digest, atomically.

        Raises:
            OSError: it cannot be written.
        """


class Ledger:
    """An append-only store of statements, safe for threads and several writers."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def append(self, bundle: Bundle) -> str:
        """Add a signed statement; return its digest.

        Raises:
            LedgerError: it cannot be written.
        """
        try:
            self._files.add(bundle.sha256, bundle.content)
        except OSError as error:
            raise _unwritten(error) from error
        return bundle.sha256

    def digests(self) -> Iterator[str]:
        """Yield the digests of all statements, in any order.

        Raises:
            LedgerError: it cannot be listed.
        """
        try:
            yield from self._files.names()
        except OSError as error:
            raise _unreadable("the ledger", error) from error

    def load(self, digest: str) -> Bundle:
        """Load a signed statement.

        1. Its bytes have the digest of its name: a changed statement is refused.
        2. It is a strict bundle.

        Raises:
            LedgerError: it is missing, unreadable or changed.
            SignatureError: it is not a bundle.
        """
        try:
            content = self._files.read(digest)
        except OSError as error:
            raise _unreadable(f"statement {digest[:16]}", error) from error
        if hashlib.sha256(content).hexdigest() != digest:  # 1
            raise LedgerError(
                f"statement changed in the ledger: {digest[:16]}",
                "restore it from a copy of the ledger",
            )
        return parse_bundle(content)  # 2


class LedgerDirectory:
    """Statements in a directory: ``ab/cdef….json``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[str] = set()

    def names(self) -> Iterator[str]:
        """Yield the digests of all statements, without unnamed parts of a crash."""
        try:
            folders = os.listdir(self._root)
        except FileNotFoundError:
            return
        for folder in folders:
            if len(folder) == 2:
                for file in os.listdir(self._root / folder):
                    name = folder + file.removesuffix(".json")
                    if _NAME.fullmatch(name):
                        yield name

    def read(self, name: str) -> bytes:
        """Return the statement with a digest."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self._path(name), flags), "rb") as stream:
            return stream.read()

    def add(self, name: str, content: bytes) -> None:
        """Write a temporary file, then rename it: a reader sees all of it, or nothing."""
        path = self._path(name)
        if name[:2] not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(name[:2])
        part = path.with_name(f".{secrets.token_hex(8)}")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(2, "not the digest of a statement", name[:80])
        return self._root / name[:2] / f"{name[2:]}.json"


def _unreadable(what: str, error: OSError) -> LedgerError:
    reason = (error.strerror or str(error)).lower()
    return LedgerError(
        f"cannot read {what}: {reason}", "check the ledger's location and permissions"
    )


def _unwritten(error: OSError) -> LedgerError:
    reason = (error.strerror or str(error)).lower()
    return LedgerError(f"cannot add to the ledger: {reason}", "free disk space, or fix permissions")
