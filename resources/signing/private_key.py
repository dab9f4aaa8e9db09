"""The private key: read from a file that nobody but its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resources.errors import UnavailableError

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LARGEST = 64 << 10  # bytes of a key's file


def load_private_key(file: Path, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
    """Load a private key that only its owner can read.

    Raises:
        UnavailableError: it cannot be read, others can read it, or the passphrase is missing or
            wrong.
    """
    try:
        with os.fdopen(os.open(file, _OPEN), "rb") as stream:
            status = os.fstat(stream.fileno())
            pem = stream.read(_LARGEST)
    except OSError as error:
        raise refuse_key(file, (error.strerror or str(error)).lower()) from error
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise refuse_key(file, "not a file of yours")
    if status.st_mode & 0o077:
        raise refuse_key(file, "others can read it")
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError) as error:
        raise refuse_key(file, "no key, or not with this passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise refuse_key(file, "a key of another kind")
    return key


def refuse_key(file: Path, what: str) -> UnavailableError:
    """Say why there is no key to sign with."""
    return UnavailableError(
        f"no signing key: {what}: {file}",
        "set ML_ASSETS_KEY_PASSPHRASE if it has one, else mend or remove the file",
    )
