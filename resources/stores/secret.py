"""The secret that seals stored results, in the user's configuration directory."""

from __future__ import annotations

import secrets
from pathlib import Path

from resources.errors import UnavailableError, os_reason
from resources.files import create_private, read_private

_KEY_BYTES = 32
_LARGEST = 1024  # bytes of the file


def load_secret(file: Path) -> bytes:
    """Load the secret that seals results; create it on first use, readable by its owner only.

    Raises:
        UnavailableError: the secret cannot be created or read, other users can read it, or it is
            damaged.
    """
    hint = f"remove it, then run again: rm {file}"
    try:
        if not file.exists():
            create_private(file, secrets.token_bytes(_KEY_BYTES))
        secret = read_private(file, _LARGEST)
    except OSError as error:
        raise UnavailableError(
            f"no secret for results: {os_reason(error)}: {file}", hint
        ) from error
    if len(secret) != _KEY_BYTES:
        raise UnavailableError(f"the secret for results is damaged: {file}", hint)
    return secret
