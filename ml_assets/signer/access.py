"""Access to the signer and the broker: processes of their own.

A command starts them and inherits their sockets. Processes of Dagster inherit nothing: they connect
to the addresses in variables. Keys and credentials are hidden from them like from the command.
Where the system cannot hide directories, the signer is a service in this process, and there is no
broker: this process uses its own credentials.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ml_assets.signer.broker import Places
from ml_assets.signer.broker_client import BrokerClient
from ml_assets.signer.client import SignerClient
from ml_assets.signer.door import ADDRESS_VARIABLE, BROKER_VARIABLE, connect
from ml_assets.signer.process import StartedBroker, start_signer
from ml_assets.signer.service import SignerService, SigningMethod
from ml_assets.signer.user_directories import find_configuration
from resources.git.remote_repository import GitNetwork
from security.sandbox.errors import ConfinementError
from security.signing.bundle import Bundle
from security.signing.public_key import PublicKey


class SignerAccess(Protocol):
    """What the signer does for its clients (``SignerService``)."""

    def seal(self, purpose: str, messages: Sequence[bytes]) -> list[bytes]: ...
    def public_key(self) -> PublicKey | None: ...
    def born(self) -> float | None: ...
    def has_passphrase(self) -> bool: ...
    def generate(self, *, prompts: bool = False) -> PublicKey: ...
    def rotate(self, *, prompts: bool = False) -> tuple[PublicKey, PublicKey]: ...
    def read_token_key(self, method: SigningMethod) -> PublicKey: ...
    def verify_token_key(self, method: SigningMethod) -> PublicKey: ...
    def read_trusted_root(self, method: SigningMethod) -> bytes: ...
    def choose(self, method: SigningMethod) -> None: ...
    def open(self, method: SigningMethod) -> None: ...
    def sign(self, payload: bytes) -> Bundle: ...


#: Signers by the configuration directory whose keys they hold, of this very process.
_separate: dict[tuple[int, Path], SignerAccess] = {}
#: Brokers, of this very process.
_brokers: dict[int, BrokerClient] = {}
_NOWHERE = Places(None)


def separate_signer(
    in_use: Sequence[Path], places: Places = _NOWHERE, *, shared: bool = False
) -> None:
    """Start signer and broker as processes of their own; hide keys and credentials from this one.

    Where the system cannot hide directories, this process keeps its access to both, and only the
    processes of stages and gates are denied it (``security/sandbox/confinement.py``).

    Args:
        in_use: see ``security.sandbox.private_mounts.hide_directories``.
        places: the checkouts whose remotes the broker serves.
        shared: let processes that are started from here connect to both.
    """
    directory = find_configuration()
    broker = StartedBroker(places, directory, os.environ, in_use, shared=shared)
    try:
        signer = start_signer(directory, os.environ, in_use, shared=shared)
    except ConfinementError:
        broker.end()
        return
    _separate[os.getpid(), directory] = signer
    _brokers[os.getpid()] = broker.keep()


def is_separate() -> bool:
    """Whether this process cannot access the keys."""
    return _find_separate() is not None


def find_signer() -> SignerAccess:
    """Return the signer process of this process, else a signer in this process.

    Raises:
        UnavailableError: the signer process is gone.
    """
    return _find_separate() or SignerService(find_configuration(), os.environ)


def find_broker() -> BrokerClient | None:
    """Return the broker of this process; None where this process has its own credentials.

    Raises:
        UnavailableError: the broker process is gone.
    """
    key = os.getpid()
    if key not in _brokers and (address := os.environ.get(BROKER_VARIABLE)):
        _brokers[key] = BrokerClient(connect(address, "broker"))
    return _brokers.get(key)


def find_git_network(directory: Path) -> GitNetwork | None:
    """Return what makes Git's calls over the network for a repository; None for this process.

    Raises:
        UnavailableError: the broker process is gone.
    """
    broker = find_broker()
    return broker.open_git(directory) if broker is not None else None


def _find_separate() -> SignerAccess | None:
    key = os.getpid(), find_configuration()
    if key not in _separate and (address := os.environ.get(ADDRESS_VARIABLE)):
        _separate[key] = SignerClient(connect(address, "signer"))
    return _separate.get(key)
