"""The ledger: all signed statements of a project, each under the digest of its bytes.

Nothing in it is changed or taken back: what is added lies there once, under a name that follows
from it. So two writers cannot be in each other's way, a crash leaves at most a part that has no
name yet, and what was damaged or exchanged shows when it is read. Nothing in it is believed for
lying there: whoever needs a statement verifies its signature.
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
    """A statement is not there, or is not what was put there."""

    kind = "ledger"


class Files(Protocol):
    """Where statements lie: a directory, a bucket."""

    def names(self) -> Iterator[str]:
        """Yield the digests of all that lies there."""

    def read(self, name: str) -> bytes:
        """Return what lies under a digest.

        Raises:
            FileNotFoundError: nothing does.
            OSError: it cannot be read.
        """

    def add(self, name: str, content: bytes) -> None:
        """Put something under its digest, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """


class Ledger:
    """Statements that are only ever added. Safe for threads and for several writers."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def append(self, bundle: Bundle) -> str:
        """Add a signed statement; return the digest under which it lies.

        Raises:
            LedgerError: it cannot be written.
        """
        try:
            self._files.add(bundle.sha256, bundle.content)
        except OSError as error:
            raise _unwritten(error) from error
        return bundle.sha256

    def digests(self) -> Iterator[str]:
        """Yield the digests of all statements, in no order.

        Raises:
            LedgerError: it cannot be listed.
        """
        try:
            yield from self._files.names()
        except OSError as error:
            raise _unreadable("the ledger", error) from error

    def load(self, digest: str) -> Bundle:
        """Load a signed statement.

        1. Its bytes are those that its name stands for.
        2. It is a bundle, strictly.

        Raises:
            LedgerError: it is not there, or other bytes are.
            SignatureError: it is no bundle.
        """
        try:
            content = self._files.read(digest)
        except OSError as error:
            raise _unreadable(f"statement {digest[:16]}", error) from error
        if hashlib.sha256(content).hexdigest() != digest:  # 1
            raise LedgerError(
                f"statement {digest[:16]} has other bytes than were put there",
                "restore it from a copy of the ledger; what it proved is not proven now",
            )
        return parse_bundle(content)  # 2


class LedgerDirectory:
    """Statements in a directory: ``ab/cdef….json``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[str] = set()

    def names(self) -> Iterator[str]:
        """Yield the digests of all that lies there; parts that a crash has left are none."""
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
        """Return what lies under a digest."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self._path(name), flags), "rb") as stream:
            return stream.read()

    def add(self, name: str, content: bytes) -> None:
        """Write beside the place, then rename: a reader finds all of it, or nothing."""
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
    return LedgerError(f"cannot read {what}: {reason}", "look where the ledger lies, and who may")


def _unwritten(error: OSError) -> LedgerError:
    reason = (error.strerror or str(error)).lower()
    return LedgerError(f"cannot add to the ledger: {reason}", "free the disk, or mend permissions")
