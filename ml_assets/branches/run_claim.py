"""A claim: a name that exactly one holder gets, permanently, even if several claim it at once.

A stage may be able to write here: with a claim of its own it would keep a commit from being run. So
each claim is sealed, and one without a valid seal is replaced.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from resources.stores.seal import Seal

_LONGEST = 4096  # bytes of a claim


def claim(directory: Path, name: str, holder: str, seal: Seal) -> str:
    """Claim a name for a holder; return its holder, who may be another one.

    Args:
        seal: seals the claim.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name.replace("/", "%2F")
    own = directory / f".{holder}"
    own.write_text(f"{holder}\n{_seal(name, holder, seal)}", "utf-8")
    try:
        os.link(own, file)  # atomic
    except FileExistsError:
        found = _read(file, name, seal)
        if found is not None:
            return found
        os.replace(own, file)
    finally:
        own.unlink(missing_ok=True)
    return holder


def find_holder(directory: Path, name: str, seal: Seal) -> str | None:
    """Find the holder of a claim; None if it is free."""
    try:
        return _read(directory / name.replace("/", "%2F"), name, seal)
    except FileNotFoundError:
        return None


def _read(file: Path, name: str, seal: Seal) -> str | None:
    """Read the holder of a claim; None without a valid seal."""
    with open(file, encoding="utf-8", errors="replace") as stream:
        holder, _, found = stream.read(_LONGEST).partition("\n")
    valid = hmac.compare_digest(found.encode(), _seal(name, holder, seal).encode())
    return holder if valid else None


def _seal(name: str, holder: str, seal: Seal) -> str:
    return seal("claims of runs", [f"{name}\n{holder}".encode()])[0].hex()
