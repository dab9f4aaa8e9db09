"""Access to the signer: a process of its own, else a service in this process.

A command starts the signer and inherits its socket. Processes of Dagster inherit nothing: they
connect to the address in a variable. The keys are hidden from them like from the command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ml_assets.signer.door import ADDRESS_VARIABLE, connect
from ml_assets.signer.process import start_signer
from ml_assets.signer.service import SignerService, SigningMethod
from security.sandbox.errors import ConfinementError
from security.signing.bundle import Bundle
from security.signing.public_key import PublicKey


class SignerAccess(Protocol):
    """What the signer does for its clients (``SignerService``)."""

    def seal(self, purpose: str, messages: Sequence[bytes]) -> list[bytes]: ...
    def public_key(self) -> PublicKey | None: ...
    def born(self) -> float | None: ...
    def has_passphrase(self) -> bool: ...
    def generate(self, passphrase: str | None = None) -> PublicKey: ...
    def rotate(self, passphrase: str | None = None) -> tuple[PublicKey, PublicKey]: ...
    def read_token_key(self, method: SigningMethod) -> PublicKey: ...
    def verify_token_key(self, method: SigningMethod) -> PublicKey: ...
    def read_trusted_root(self, method: SigningMethod) -> bytes: ...
    def choose(self, method: SigningMethod) -> None: ...
    def open(self, method: SigningMethod) -> None: ...
    def sign(self, payload: bytes) -> Bundle: ...


#: Signers by the configuration directory whose keys they hold, of this very process.
_separate: dict[tuple[int, Path], SignerAccess] = {}


def find_configuration() -> Path:
    """Find the user's configuration directory, with the keys."""
    named = os.environ.get("XDG_CONFIG_HOME") or ""
    home = Path(named) if os.path.isabs(named) else Path.home() / ".config"
    return home / "ml-assets"


def separate_signer(in_use: Sequence[Path], *, shared: bool = False) -> None:
    """Start the signer as a process of its own, and hide the keys from this process.

    Where the system cannot hide directories, this process keeps its access to keys, and only the
    processes of stages and gates are denied it (``security/sandbox/confinement.py``).

    Args:
        in_use: see ``security.sandbox.private_mounts.hide_directories``.
        shared: let processes that are started from here connect to the signer.
    """
    directory = find_configuration()
    try:
        signer = start_signer(directory, os.environ, in_use, shared=shared)
    except ConfinementError:
        return
    _separate[os.getpid(), directory] = signer


def is_separate() -> bool:
    """Whether this process cannot access the keys."""
    return _find_separate() is not None


def find_signer() -> SignerAccess:
    """Return the signer process of this process, else a signer in this process.

    Raises:
        UnavailableError: the signer process is gone.
    """
    return _find_separate() or SignerService(find_configuration(), os.environ)


def _find_separate() -> SignerAccess | None:
    key = os.getpid(), find_configuration()
    if key not in _separate and (address := os.environ.get(ADDRESS_VARIABLE)):
        _separate[key] = connect(address)
    return _separate.get(key)
