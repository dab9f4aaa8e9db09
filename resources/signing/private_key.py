"""The private key: loaded from a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resources.errors import UnavailableError, os_reason
from resources.files import read_private

_LARGEST = 64 << 10  # bytes of a key file


def load_private_key(file: Path, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
    """Load a private key that only its owner can read.

    Raises:
        UnavailableError: the key cannot be read, other users can read it, or the passphrase is
            missing or wrong.
    """
    try:
        pem = read_private(file, _LARGEST)
    except PermissionError as error:
        owner_only = f"make it a file that only you can read: chmod 600 {file}"
        raise refuse_key(file, os_reason(error), owner_only) from error
    except OSError as error:
        raise refuse_key(file, os_reason(error)) from error
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError) as error:
        raise refuse_key(
            file,
            "not a private key, or a wrong passphrase",
            "set the passphrase: ML_ASSETS_KEY_PASSPHRASE",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise refuse_key(file, "not an ECDSA key")
    return key


def refuse_key(file: Path, reason: str, hint: str = "") -> UnavailableError:
    """Return the error for a signing key that cannot be used."""
    generate = "create a key: ml-assets keys generate"
    replace = f"move the file away, then {generate}; mv {file} {file}.old"
    default = replace if os.path.lexists(file) else generate
    return UnavailableError(f"no signing key: {reason}: {file}", hint or default)
