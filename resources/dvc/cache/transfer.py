"""The transfer of objects between the cache and one remote."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeAlias

from resources.errors import UnavailableError

#: The reason by md5 for objects that were not transferred; None: the source does not have it.
Shortfall: TypeAlias = Mapping[str, str | None]
#: The reason for an object with other bytes than its name says.
CORRUPT = "corrupted"


class Transfer(Protocol):
    """Transfers objects between the cache and one remote."""

    def fetch(self, md5s: Collection[str]) -> Shortfall:
        """Fetch objects into the cache; return those that were not fetched."""

    def push(self, md5s: Collection[str]) -> Shortfall:
        """Push objects that the remote does not have; return those that were not pushed."""


#: Opens the transfer of a remote by its name; None is the default remote.
OpenTransfer = Callable[[str | None], Transfer]


def unavailable(what: str, reason: str) -> UnavailableError:
    """Return the error of a remote that does not answer or denies access."""
    return UnavailableError(
        f"{what}: {reason}", "check address and credentials: dvc remote list; dvc fetch -v"
    )
