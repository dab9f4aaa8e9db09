"""The watch as a Dagster resource: the repository that branch runs and the sensor follow."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from ml_assets.branches.watch import Watch, open_watch

#: The key of the resource in the definitions.
WATCH = "watch"
_opened: dict[tuple[str, str | None], Watch] = {}


class WatchResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # it stands for itself
    """A watched repository.

    Attributes:
        home: the directory of the mirror and the worktrees.
        checkout: the checkout whose remote is watched; None for a repository without one.
    """

    home: str
    checkout: str | None = None

    def open(self) -> Watch:
        """Return the watch, opened once in each process instead of at every tick.

        Raises:
            ConfigurationError: the directory has no watch, or the settings are not valid.
        """
        key = self.home, self.checkout
        if key not in _opened:
            checkout = Path(self.checkout) if self.checkout is not None else None
            _opened[key] = open_watch(Path(self.home), checkout)
        return _opened[key]


def describe_watch(watch: Watch) -> WatchResource:
    """Return the resource that opens a watch, with its current settings."""
    checkout = os.fspath(watch.checkout) if watch.checkout is not None else None
    resource = WatchResource(home=os.fspath(watch.home), checkout=checkout)
    _opened[resource.home, resource.checkout] = watch
    return resource
