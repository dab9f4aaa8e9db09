"""The bill cache: the last bill of each environment, sealed for all that it was made of.

To describe and validate hundreds of packages takes about a second; reading their metadata does not.
A stage may write to the cache: so each bill is sealed, together with the digest of its source and
of the code that made it. An entry without a valid seal counts as missing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import ml_assets.proof.bom.environment_packages
import security.advisories.packages
import security.bom
from resources.files import read_regular, write_atomically
from resources.stores.seal import Seal
from security.bom.bill import Bill

_LARGEST = 64 << 20  # bytes of one bill
_MOST = 32  # environments
_MAKERS = ("cyclonedx-python-lib", "jsonschema", "ml-assets", "packaging")


class BillCache:
    """The bill of one environment.

    Args:
        directory: the directory of all bills, created if missing.
        python: the interpreter of the environment.
        seal: seals the bill.
    """

    def __init__(self, directory: Path, python: Path, seal: Seal) -> None:
        self._directory = directory
        self._file = directory / hashlib.sha256(os.fsencode(python)).hexdigest()[:32]
        self._seal_message = seal

    def load(self, source: str) -> Bill | None:
        """Load the bill of an unchanged environment.

        Args:
            source: the digest of everything that the bill is made of.
        """
        try:
            stored, _, content = read_regular(self._file, _LARGEST).partition(b"\n")
        except OSError:
            return None
        return Bill(content) if hmac.compare_digest(stored, self._seal(source, content)) else None

    def keep(self, source: str, bill: Bill) -> None:
        """Store a validated bill; a directory that cannot be written stores none."""
        with suppress(OSError):
            write_atomically(self._file, self._seal(source, bill.content) + b"\n" + bill.content)
            files = sorted(self._directory.iterdir(), key=lambda one: one.stat().st_mtime_ns)
            for old in files[:-_MOST]:
                old.unlink()

    def _seal(self, source: str, content: bytes) -> bytes:
        digest = hashlib.sha256(content).hexdigest()
        message = f"{self._file.name} {_digest_makers()} {source} {digest}"
        return self._seal_message("bills", [message.encode("ascii")])[0].hex().encode()


@cache
def _digest_makers() -> str:
    """Return the digest of the code that makes bills: ours, and the versions of libraries."""
    own = [Path(ml_assets.proof.bom.environment_packages.__file__)]
    for package in (security.advisories.packages, security.bom):
        own += sorted(Path(package.__path__[0]).glob("*.py"))
    parts = [f"{name} {version(name)}".encode() for name in _MAKERS]
    parts += [one.read_bytes() for one in own]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
