"""The client of the broker."""

from __future__ import annotations

import base64
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_assets.signer.channel import Peer
from ml_assets.signer.credentials import find_needed

_GONE = "broker process ended: no credentials for the network"


class BrokerClient:
    """Asks the broker. Safe for threads.

    Raises:
        UnavailableError: the process is gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._peer = Peer(connection, _GONE)
        self._names: frozenset[str] | None = None

    def open_checkout(self, place: Path | None) -> BrokeredCheckout:
        """Return the remotes of a checkout. The broker lists them at the first use.

        Args:
            place: a worktree of a watched branch; None takes the project of the command.
        """
        return BrokeredCheckout(self._peer, None if place is None else str(place))

    def find_names(self) -> frozenset[str]:
        """Return the names of the variables that only the broker has."""
        if self._names is None:
            self._names = frozenset(self._peer.ask("names"))
        return self._names

    def open_git(self, directory: Path) -> BrokeredGit:
        """Return what makes Git's calls over the network for a repository.

        Args:
            directory: the project, or the mirror of watched branches.
        """
        return BrokeredGit(self._peer, str(directory))

    def close(self) -> None:
        """Close the connection: the broker ends."""
        self._peer.close()


@dataclass(frozen=True)
class BrokeredCheckout:
    """The remotes of a checkout, through the broker."""

    peer: Peer
    place: str | None

    def prepare(self) -> None:
        """Let the broker list the remotes now, before a stage or gate runs.

        Raises:
            ConfigurationError: the broker does not serve this checkout.
        """
        self.peer.ask("prepare", place=self.place)

    def find_cache(self) -> Path:
        """Return the cache that objects are transferred from and to."""
        return Path(self.peer.ask("cache", place=self.place))

    def read_passed(self) -> dict[str, str]:
        """Return the variables that the protected branch passes to stages."""
        return dict(self.peer.ask("passed", place=self.place))

    def open_transfer(self, name: str | None) -> BrokeredTransfer:
        """Open a remote by its name; None is the default remote."""
        return BrokeredTransfer(self.peer, self.place, name)

    def open_sources(self) -> BrokeredSources:
        """Return how to read imports and dependencies."""
        return BrokeredSources(self)


@dataclass(frozen=True)
class BrokeredSources:
    """Opens sources (``resources.dvc.configuration.source_access.SourceAccess``)."""

    checkout: BrokeredCheckout

    def open(self, scheme: str, url: str, settings: Mapping[str, Any]) -> BrokeredSource | None:
        """Open an address; None if no credential for it is with the broker only."""
        if not find_needed(self._names, scheme) & self.find_kept():
            return None
        return BrokeredSource(self.checkout.peer, self.checkout.place, url, settings)

    def find_kept(self) -> frozenset[str]:
        """Find the credentials of storages that this process does not have."""
        needed = find_needed(self._names)
        return needed - self.checkout.read_passed().keys() if needed else needed

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.checkout.peer.ask("names"))


@dataclass(frozen=True)
class BrokeredSource:
    """Reads the files at and below one address."""

    peer: Peer
    place: str | None
    url: str
    settings: Mapping[str, Any]

    def info(self, path: str) -> Mapping[str, Any] | None:
        """Describe a file or directory; None if it does not exist."""
        found: Mapping[str, Any] | None = self._ask("info", path)
        return found

    def list(self, path: str) -> Sequence[Mapping[str, Any]]:
        """Describe the entries of a directory."""
        return tuple(self._ask("list", path))

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read bytes of a file."""
        return base64.b64decode(self._ask("read", path, start, end), validate=True)

    def _ask(self, operation: str, path: str, start: int = 0, end: int = 0) -> Any:
        fields = {"operation": operation, "path": path, "start": start, "end": end}
        source = {"url": self.url, "settings": dict(self.settings)}
        return self.peer.ask("source", place=self.place, **source, **fields)


@dataclass(frozen=True)
class BrokeredTransfer:
    """Transfers objects of one remote (``resources.dvc.cache.remote.Transfer``)."""

    peer: Peer
    place: str | None
    name: str | None

    def fetch(self, md5s: Collection[str]) -> Mapping[str, str | None]:
        """Fetch objects into the cache; return those that were not fetched."""
        return self._transfer("fetch", md5s)

    def push(self, md5s: Collection[str]) -> Mapping[str, str | None]:
        """Push objects that the remote does not have; return those that were not pushed."""
        return self._transfer("push", md5s)

    def _transfer(self, operation: str, md5s: Collection[str]) -> Mapping[str, str | None]:
        fields = {"operation": operation, "remote": self.name, "md5s": list(md5s)}
        return dict(self.peer.ask("transfer", place=self.place, **fields))


@dataclass(frozen=True)
class BrokeredGit:
    """Makes Git's calls over the network (``resources.git.remote_repository.GitNetwork``)."""

    peer: Peer
    directory: str

    def list_refs(self, refs: Collection[str], patience: float) -> str:
        """List references of the remote."""
        return str(self._ask("list_refs", refs=list(refs), patience=patience))

    def fetch(self, branches: Collection[str]) -> None:
        """Fetch branches and the lock files of their runs."""
        self._ask("fetch", branches=list(branches))

    def push(self, ref: str, new: str, old: str | None) -> None:
        """Move a reference of the remote from the old commit to the new one."""
        self._ask("push", ref=ref, new=new, old=old)

    def _ask(self, operation: str, **fields: object) -> object:
        return self.peer.ask("git", operation=operation, directory=self.directory, **fields)
